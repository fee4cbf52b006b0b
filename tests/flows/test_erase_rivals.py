"""Who meets an erasure halfway: each is forced with a transaction that is still open."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Conflict, NotFound
from service.core.inputs import CancelAsked
from service.core.states import CallbackOutcome as Outcome
from service.core.task import FirstSend, Task
from service.flows.apply import Change
from service.store import deliveries
from service.store.deliveries import Attempt
from service.store.history import Entry
from service.store.pool import Pool
from service.store.queries import load
from tests.support.erasure import DONE, ended, left_of
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Watching,
    Wire,
    blocked,
    call_back,
    elsewhere,
    one,
    processing,
    settle_in,
    subscribed,
)
from tests.support.house import House, make_house

GONE = {"erased_tasks": 1, "events": 3}


def meanwhile(pool: Pool, act: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, list[Any]]:
    """Make a hook that has something begin and waits until it is blocked; what it began is in the list."""
    begun: list[asyncio.Task[Any]] = []

    async def hook(_conn: object) -> None:
        begun.append(asyncio.create_task(act()))
        await blocked(pool)

    return hook, begun


@pytest.fixture
def wire(pool: Pool) -> Wire:
    return Wire(pool)


@pytest.fixture
def wired(wire: Wire) -> House:
    """Make a house whose statements can be held up."""
    return make_house(wire.pool)


async def test_a_callback_that_commits_just_before_is_erased(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    task_uuid = await ended(house)
    hook, begun = meanwhile(pool, lambda: house.erase.task(TENANT, task_uuid))
    wire.before["commit"] = hook
    assert await call_back(wired, (task_uuid, said("more"))) == [Outcome.LATE]
    await begun[0]
    assert await left_of(pool, task_uuid) == GONE | {"events": 4}


async def test_a_callback_that_is_kept_unapplied_just_before_is_erased(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    """It locks no task to change it; it was looked up, and is about to be stored."""
    task_uuid = await ended(house)
    hook, begun = meanwhile(pool, lambda: house.erase.task(TENANT, task_uuid))
    wire.before["insert_callbacks"] = hook
    assert await call_back(wired, (task_uuid, said("v", other=True))) == [Outcome.CONFLICTING]
    await begun[0]
    assert await left_of(pool, task_uuid) == GONE


@pytest.mark.parametrize("body", [said("more"), said("more", other=True)])
async def test_a_callback_that_skips_the_locked_task_is_dropped_by_the_loop(
    house: House, wired: House, wire: Wire, pool: Pool, body: bytes
) -> None:
    task_uuid = await ended(house)
    outcomes: list[Outcome] = []

    async def hook(_conn: object) -> None:
        outcomes.extend(await call_back(house, (task_uuid, body)))

    wire.before["commit"] = hook
    await wired.erase.task(TENANT, task_uuid)
    assert outcomes == [Outcome.PENDING]
    assert await house.pending.run_once() == 1
    assert await left_of(pool, task_uuid) == GONE
    assert house.receive.outcomes["runware", "erased"] == 1


async def test_the_loop_that_waits_behind_an_erasure_drops_its_callback(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    task_uuid = await ended(house)
    hook, begun = meanwhile(pool, house.pending.run_once)

    async def skip_then_wait(conn: object) -> None:
        assert await call_back(house, (task_uuid, said("more"))) == [Outcome.PENDING]
        await hook(conn)

    wire.before["commit"] = skip_then_wait
    await wired.erase.task(TENANT, task_uuid)
    assert await begun[0] == 1
    assert await left_of(pool, task_uuid) == GONE


async def test_a_callback_that_the_loop_holds_is_left_to_it(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    """It holds the callback and wants the task; the erasure, which has the task, does not wait for the callback."""
    task_uuid = await ended(house)
    await pool.execute(
        "UPDATE callboard.callbacks SET outcome = 'pending', settled_at = NULL WHERE task_uuid = $1",
        task_uuid,
    )

    async def erase(_conn: object) -> None:
        await house.erase.task(TENANT, task_uuid)

    wire.after["claim_pending"] = erase
    assert await wired.pending.run_once() == 1
    assert await left_of(pool, task_uuid) == GONE
    assert wired.receive.outcomes["runware", "erased"] == 1


async def test_a_delivery_on_its_way_may_finish_and_leaves_no_answer(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    await subscribed(house)
    task_uuid = await ended(house)

    async def erase(_conn: object) -> None:
        await house.erase.task(TENANT, task_uuid)

    wire.before["record_attempts"] = erase
    for row in await wired.deliver.claim(1):
        await wired.deliver.work(row)
    assert len(wired.sink.got) == 1
    assert await left_of(pool, task_uuid) == GONE | {"deliveries": 3}
    assert await pool.fetchval("SELECT count(*) FROM callboard.attempts") == 0
    states = await pool.fetch("SELECT DISTINCT state FROM callboard.deliveries")
    assert [r["state"] for r in states] == ["canceled"]


async def test_the_answer_of_a_delivery_that_is_recorded_just_before_is_erased(
    house: House, pool: Pool, dsn: str
) -> None:
    await subscribed(house)
    task_uuid = await ended(house)
    (row,) = await house.deliver.claim(1)
    async with elsewhere(dsn) as rival:
        again = Attempt("pending", 60.0, 500, "an error", 1, b"an answer")
        assert await deliveries.record(rival, [(row.first, again)])
        erasing = asyncio.create_task(house.erase.task(TENANT, task_uuid))
        await blocked(pool)
        await rival.execute("COMMIT")
        await erasing
    (kept,) = await pool.fetch("SELECT error, response FROM callboard.attempts")
    assert tuple(kept) == (None, b"")
    assert await house.deliver.claim(10) == []


async def test_a_submission_that_waits_for_an_erasure_finds_the_name_taken(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    task_uuid = await ended(house)
    hook, begun = meanwhile(pool, lambda: one(house, task_uuid=task_uuid))
    wire.before["commit"] = hook
    await wired.erase.task(TENANT, task_uuid)
    with pytest.raises(Conflict):
        await begun[0]
    assert await left_of(pool, task_uuid) == GONE


async def test_of_two_erasures_at_once_both_are_done(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    task_uuid = await ended(house)
    hook, begun = meanwhile(pool, lambda: house.erase.task(TENANT, task_uuid))
    wire.before["commit"] = hook
    await wired.erase.task(TENANT, task_uuid)
    await begun[0]
    assert await left_of(pool, task_uuid) == GONE


async def test_a_change_that_waits_for_an_erasure_finds_no_task(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    """Its note on the timeline comes first, and has no task to belong to either."""
    task_uuid = await ended(house)
    note = Entry(task_uuid, "upstream", "read")
    hook, begun = meanwhile(
        pool, lambda: house.apply.run([Change(task_uuid, DONE, "poll")], [note])
    )
    wire.before["commit"] = hook
    await wired.erase.task(TENANT, task_uuid)
    (applied,) = await begun[0]
    assert applied.decision is None
    assert await left_of(pool, task_uuid) == GONE


async def test_the_answer_to_a_send_that_was_erased_by_force_is_dropped(
    house: House, pool: Pool
) -> None:
    async def cancel_and_erase(at: Task, send: FirstSend) -> None:
        await house.tell(at.task_uuid, CancelAsked())
        await house.erase.task(TENANT, at.task_uuid, force=True)

    settle_in(house, Watching(cancel_and_erase))
    task_uuid = await processing(house)
    assert await left_of(pool, task_uuid) == {"erased_tasks": 1, "events": 1}


async def test_a_retry_that_waits_for_the_erasure_of_the_one_before_makes_another(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    async def retry() -> UUID:
        answer = await house.operate.retry(TENANT, first, again=False, force=False, scope=None)
        return UUID(json.loads(answer.body)["taskUUID"])

    first = await ended(house)
    second = await retry()
    await house.tell(second, DONE)
    hook, begun = meanwhile(pool, retry)
    wire.before["commit"] = hook
    await wired.erase.task(TENANT, second)
    assert await begun[0] not in {first, second}


async def test_a_retry_of_a_task_that_is_being_erased_finds_none(
    house: House, wired: House, wire: Wire, pool: Pool
) -> None:
    task_uuid = await ended(house)
    hook, begun = meanwhile(
        pool,
        lambda: house.operate.retry(TENANT, task_uuid, again=False, force=False, scope=None),
    )
    wire.before["commit"] = hook
    await wired.erase.task(TENANT, task_uuid)
    with pytest.raises(NotFound):
        await begun[0]


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(lambda h, u: h.look.task(TENANT, u), id="show"),
        pytest.param(lambda h, u: h.operate.cancel(TENANT, u), id="cancel"),
    ],
)
async def test_a_task_that_goes_while_it_is_read_is_not_found(
    house: House,
    wired: House,
    wire: Wire,
    pool: Pool,
    read: Callable[[House, UUID], Awaitable[bytes]],
) -> None:
    task_uuid = await one(house)
    await house.tell(task_uuid, CancelAsked())

    async def erase(_conn: object) -> None:
        await house.erase.task(TENANT, task_uuid)

    wire.before["get_cards"] = erase
    with pytest.raises(NotFound):
        await read(wired, task_uuid)


async def test_every_statement_of_an_erasure_finds_its_rows_by_an_index(
    house: House, pool: Pool
) -> None:
    task_uuid = await ended(house)
    sql = load("erasure")
    given = {"note_erased": ("default",), "erase_events": (b"",)}
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        for name, text in sql.items():
            plan = await conn.fetch(f"EXPLAIN {text}", task_uuid, *given.get(name, ()))
            lines = "\n".join(r[0] for r in plan)
            assert "Seq Scan" not in lines, lines
            assert name == "note_erased" or "Index Cond" in lines, lines
