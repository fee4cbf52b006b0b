"""Changes of subscriptions while events are written: none missed, none doubled; and what being disabled means."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import pytest

from service.clock import SystemDice
from service.flows.draft import Draft
from service.store.pool import Pool
from service.web.subscription_bodies import check_target, read_patch
from service.wire.subscriptions import Document
from tests.support.fakes import said
from tests.support.flows import TENANT, Wire, blocked, call_back, processing, subscribed
from tests.support.house import House, make_house

WRITERS, TASKS = 4, 12


def patch(changes: Mapping[str, object]) -> Callable[[Document], Draft]:
    """Make a draft of a merge patch, as the web does."""
    return lambda body: read_patch(body, changes, lambda _: None, check_target)


async def states_to(pool: Pool, target: UUID) -> list[tuple[str, str]]:
    rows = await pool.fetch(
        "SELECT e.type, d.state FROM callboard.deliveries AS d JOIN callboard.events AS e"
        " ON e.id = d.event_id WHERE d.target = $1 ORDER BY d.id",
        target,
    )
    return [(r["type"], r["state"]) for r in rows]


async def test_who_patches_waits_for_writers_that_saw_the_old_filter(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    subscription = await subscribed(other, ["video.*"])
    task_uuid = await processing(other)
    patching: list[asyncio.Task[object]] = []

    async def patch_meanwhile(_conn: object) -> None:
        change = other.subscribe.change(TENANT, subscription, patch({"types": ["task.*"]}))
        patching.append(asyncio.create_task(change))
        await blocked(pool)
        assert not patching[0].done()

    wire.after["live_subscriptions"] = patch_meanwhile
    await call_back(house, (task_uuid, said("v1")))
    await patching[0]
    assert await states_to(pool, subscription) == [("video.completed", "pending")]
    await processing(house)
    assert (await states_to(pool, subscription))[1:] == [("task.processing", "pending")]


async def test_patches_back_and_forth_while_many_write_miss_nothing_and_double_nothing(
    pool: Pool,
) -> None:
    """Each filter takes one of two labels that every task has: whichever holds at a commit takes the event, once."""
    house = make_house(pool, dice=SystemDice())
    both = {"a": "1", "b": "1"}
    changing = await subscribed(house, ["task.processing"], labels={"a": "1"})
    fresh: list[tuple[UUID, set[UUID]]] = []

    async def write() -> list[UUID]:
        writer = make_house(pool, dice=SystemDice())
        return [await processing(writer, labels=both) for _ in range(TASKS)]

    async def change() -> None:
        for turn in range(TASKS):
            wanted = {"labels": {"a": None, "b": "1"} if turn % 2 else {"a": "1", "b": None}}
            await house.subscribe.change(TENANT, changing, patch(wanted))
            before = set(await _tasks_with_events(pool))
            made = await subscribed(house, ["task.processing"])
            fresh.append((made, before | set(await _tasks_with_events(pool))))

    changes = asyncio.create_task(change())
    lists = await asyncio.gather(*[write() for _ in range(WRITERS)])
    await changes
    written = [task_uuid for some in lists for task_uuid in some]
    out = "SELECT task_uuid FROM callboard.deliveries WHERE target = $1"
    assert sorted(r["task_uuid"] for r in await pool.fetch(out, changing)) == sorted(written)
    for made, before in fresh:
        got = [r["task_uuid"] for r in await pool.fetch(out, made)]
        assert len(got) == len(set(got))
        assert set(got) >= set(written) - before


async def _tasks_with_events(pool: Pool) -> list[UUID]:
    return [r["task_uuid"] for r in await pool.fetch("SELECT task_uuid FROM callboard.events")]


async def test_two_patches_at_once_both_count(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    changes = [{"labels": {f"k{n}": "1"}} for n in range(8)]
    await asyncio.gather(*[house.subscribe.change(TENANT, subscription, patch(c)) for c in changes])
    row = await house.subscribe.get(TENANT, subscription)
    assert json.loads(row["labels"]) == {f"k{n}": "1" for n in range(8)}


async def test_a_patch_and_a_delete_at_once_wait_for_each_other(house: House, pool: Pool) -> None:
    for _ in range(5):
        subscription = await subscribed(house)
        changing = house.subscribe.change(TENANT, subscription, patch({"enabled": False}))
        done = await asyncio.gather(
            changing, house.subscribe.delete(TENANT, subscription), return_exceptions=True
        )
        assert done[1] is None
        assert "no such subscription" in str(done[0]) or not isinstance(done[0], BaseException)


async def test_what_is_written_while_it_is_disabled_is_held(house: House, pool: Pool) -> None:
    subscription = await subscribed(house, ["task.*"])
    row = await house.subscribe.change(TENANT, subscription, patch({"enabled": False}))
    assert (row["enabled"], row["disabled_reason"]) == (False, "user")
    assert row["disabled_at"] is not None
    task_uuid = await processing(house)
    row = await house.subscribe.change(TENANT, subscription, patch({"enabled": True}))
    assert (row["enabled"], row["disabled_reason"], row["disabled_at"]) == (True, None, None)
    await call_back(house, (task_uuid, said("v1")))
    assert await states_to(pool, subscription) == [
        ("task.processing", "held"),
        ("task.completed", "pending"),
    ]


async def test_one_that_is_made_disabled_has_its_deliveries_held(house: House, pool: Pool) -> None:
    subscription = await subscribed(house, ["task.*"], enabled=False)
    await processing(house)
    assert await states_to(pool, subscription) == [("task.processing", "held")]


@pytest.mark.parametrize("reason", ["gone", "failing"])
async def test_who_is_disabled_already_stays_so_for_the_reason_it_was(
    house: House, pool: Pool, reason: str
) -> None:
    subscription = await subscribed(house)
    disable = "UPDATE callboard.subscriptions SET enabled = false, disabled_reason = $1"
    await pool.execute(f"{disable}, disabled_at = now() - interval '1 hour'", reason)
    before = await house.subscribe.get(TENANT, subscription)
    for changes in ({"enabled": False}, {"description": "x"}):
        row = await house.subscribe.change(TENANT, subscription, patch(changes))
        assert row["disabled_reason"] == reason
        assert row["disabled_at"] == before["disabled_at"]


FAILING = (
    "UPDATE callboard.subscriptions SET failing_since = now(), allowed_at = now(), allowed_rate = 9"
)


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"enabled": True}, False),
        ({"description": "x", "types": ["task.*"]}, False),
        ({"url": "https://other.example/hooks"}, True),
    ],
)
async def test_who_leads_elsewhere_begins_anew(
    house: House, pool: Pool, changes: Mapping[str, object], anew: bool
) -> None:
    subscription = await subscribed(house)
    await pool.execute(FAILING)
    row = await house.subscribe.change(TENANT, subscription, patch(changes))
    forgotten = [row[n] is None for n in ("failing_since", "allowed_at", "allowed_rate")]
    assert forgotten == [anew] * 3


async def test_who_is_enabled_again_begins_anew(house: House, pool: Pool) -> None:
    subscription = await subscribed(house, enabled=False)
    await pool.execute(FAILING)
    row = await house.subscribe.change(TENANT, subscription, patch({"enabled": None}))
    assert (row["enabled"], row["failing_since"], row["allowed_at"]) == (True, None, None)


async def test_a_condition_that_is_there_is_not_read_again(house: House, pool: Pool) -> None:
    """A server that went back to an older Postgres must not refuse a patch of something else."""
    subscription = await subscribed(house, condition="$.a == 1")
    await pool.execute("UPDATE callboard.subscriptions SET condition = '$.a.newer() == 1'")
    row = await house.subscribe.change(TENANT, subscription, patch({"description": "x"}))
    assert row["condition"] == "$.a.newer() == 1"


async def test_credentials_are_sealed_merged_and_never_shown(house: House, pool: Pool) -> None:
    given = {"user": "u", "password": "tok-5e1f"}
    fields: dict[str, Any] = {
        "kind": "broker",
        "url": None,
        "settings": {"subject": "s"},
        "credentials": given,
    }
    subscription = await subscribed(house, **fields)
    row = await house.subscribe.get(TENANT, subscription)
    assert b"tok-5e1f" not in row["credentials"]
    seen: list[Document] = []

    def redo(body: Document) -> Draft:
        seen.append(body)
        changes = {"credentials": {"password": "new"}}
        return read_patch(body, changes, lambda _: None, lambda *_: ())

    changed = await house.subscribe.change(TENANT, subscription, redo)
    assert seen[0]["credentials"] == given
    assert json.loads(house.vault.open(changed["credentials"])) == {"user": "u", "password": "new"}
