"""Replays: what was given up, held or never meant for a subscription is sent again, at a rate, in nobody's way."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Conflict, Invalid, NotFound, ReplayRunning, SubscriptionDisabled
from service.ports import Sent
from service.store import subscriptions as stored
from service.store.keys import Scope
from service.store.pool import Pool
from tests.support.again import (
    ALL,
    HOUR,
    finished,
    got,
    replayed,
    run_through,
    shown,
    stand,
    states,
)
from tests.support.fakes import said
from tests.support.flows import TENANT, call_back, pass_time, processing, subscribed
from tests.support.house import House

DOWN = Sent(ok=False, status=503, error="http_503")
COUNTS = ("matched", "queued", "skipped", "delivered", "failed", "untried", "retrying")


def counts(replay: dict[str, Any]) -> tuple[int, ...]:
    return tuple(replay[name] for name in COUNTS)


@pytest.mark.parametrize("state", ["delivered", "failed", "held", "canceled"])
@pytest.mark.parametrize("wanted", ["failed", "held", "missing", "any"])
async def test_what_is_asked_for_is_sent_again_and_nothing_else(
    house: House, pool: Pool, state: str, wanted: str
) -> None:
    subscription, other = await subscribed(house), await subscribed(house)
    await finished(house)
    await stand(pool, state)
    ended = await run_through(house, await replayed(house, subscription, wanted))
    hit = 3 * (wanted in {state, "any"})
    assert ended["state"] == "completed"
    assert counts(ended) == (hit, hit, 0, hit, 0, 0, 0)
    assert sorted(got(house)) == sorted(ALL * (hit // 3))
    assert await states(pool, subscription) == ["delivered" if hit else state] * 3
    assert await states(pool, other) == [state] * 3


async def test_what_waits_or_is_under_way_is_left_alone(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await finished(house)
    (row,) = await house.deliver.claim(1)
    before = await pool.fetch("SELECT * FROM callboard.deliveries ORDER BY id")
    ended = await replayed(house, subscription, "any")
    assert await house.replay.run_once() == 1
    ended = await shown(house, ended)
    assert (ended["state"], *counts(ended)) == ("completed", 3, 0, 3, 0, 0, 0, 0)
    assert await pool.fetch("SELECT * FROM callboard.deliveries ORDER BY id") == before
    await house.deliver.work(row)


async def test_the_range_is_from_since_on_and_before_until(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    for _ in range(5):
        await processing(house)
    await stand(pool, "failed")
    at = [
        r["created_at"]
        for r in await pool.fetch("SELECT created_at FROM callboard.deliveries ORDER BY id")
    ]
    replay = await replayed(house, subscription, since=at[1], until=at[3])
    assert (await run_through(house, replay))["queued"] == 2
    assert await states(pool) == ["failed", "delivered", "delivered", "failed", "failed"]


async def test_types_narrow_it(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await finished(house)
    await stand(pool, "failed")
    ended = await run_through(house, await replayed(house, subscription, types=["video.*"]))
    assert counts(ended)[:2] == (1, 1)
    assert got(house) == ["video.completed"]


async def test_who_subscribes_late_gets_what_was_missed_as_its_filters_are_now(
    house: House, pool: Pool
) -> None:
    await finished(house, labels={"a": "b"})
    await finished(house, labels={"a": "c"})
    subscription = await subscribed(house, ["task.*"], labels={"a": "b"}, provider="runware")
    await finished(house, labels={"a": "b"})
    replay = await replayed(house, subscription, "missing")
    ended = await run_through(house, replay)
    assert counts(ended)[:4] == (2, 2, 0, 2)
    assert sorted(got(house)) == sorted([ALL[0], ALL[2]] * 2)
    again = await run_through(house, await replayed(house, subscription, "missing"))
    assert counts(again)[:2] == (0, 0)
    sent = [e.event_id for _, e in house.sink.got]
    assert len(sent) == len(set(sent))


async def test_missing_comes_of_other_providers_only_when_they_are_wanted(
    house: House, pool: Pool
) -> None:
    await finished(house)
    subscription = await subscribed(house, provider="sync")
    assert (await run_through(house, await replayed(house, subscription, "missing")))["queued"] == 0


async def test_notify_urls_are_no_part_of_it(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await processing(house, webhookURL="https://app.example/done")
    await stand(pool, "failed")
    assert (await run_through(house, await replayed(house, subscription, "any")))["queued"] == 1
    assert {t.url for t, _ in house.sink.got} == {"https://app.example/hooks"}


@pytest.mark.parametrize("wanted", ["failed", "any", "missing"])
async def test_of_erased_tasks_nothing_is_sent(house: House, pool: Pool, wanted: str) -> None:
    gone, kept = await finished(house), await finished(house)
    if wanted == "missing":
        subscription = await subscribed(house)
    else:
        subscription = await subscribed(house)
        gone, kept = await finished(house), await finished(house)
        await stand(pool, "failed")
    await house.erase.task(TENANT, gone)
    ended = await run_through(house, await replayed(house, subscription, wanted))
    assert {e.task_uuid for _, e in house.sink.got} == {kept}
    assert ended["queued"] == 3
    assert ended["skipped"] == (0 if wanted == "missing" else 3)


async def test_an_erasure_after_it_was_queued_cancels_it(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    task_uuid = await finished(house)
    await stand(pool, "delivered")
    replay = await replayed(house, subscription, "any")
    assert await house.replay.run_once() == 1
    await house.erase.task(TENANT, task_uuid)
    ended = await run_through(house, replay)
    assert (ended["canceled"], ended["delivered"]) == (3, 0)
    assert house.sink.got == []


async def test_new_events_of_the_same_task_do_not_wait_for_it_nor_it_for_them(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    task_uuid = await processing(house)
    await stand(pool, "failed")
    await replayed(house, subscription)
    await house.replay.run_once()
    house.sink.answers = [DOWN]
    assert await house.deliver_due() == 1
    await call_back(house, (task_uuid, said("v1")))
    assert await house.deliver_due() == 1
    assert got(house) == [ALL[0], ALL[1]]
    house.sink.answers = [DOWN]
    assert [await house.deliver_due() for _ in range(2)] == [1, 0]
    assert await states(pool) == ["pending", "delivered", "pending"]
    await pool.execute("UPDATE callboard.deliveries SET next_at = now() WHERE NOT ordered")
    assert await house.deliver_due() == 1
    assert await states(pool) == ["delivered", "delivered", "pending"]
    assert got(house) == [ALL[0], ALL[1], ALL[2], ALL[0]]


async def test_what_fails_again_is_tried_by_a_fresh_schedule_and_told(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await processing(house)
    await stand(pool, "failed")
    replay = await replayed(house, subscription)
    house.sink.answers = [DOWN] * 3
    assert (await run_through(house, replay))["retrying"] == 1
    for wait in (6.1, 361):
        await pass_time(pool, wait)
        assert await house.deliver_due() == 1
    assert counts(await shown(house, replay)) == (1, 1, 0, 0, 1, 0, 0)


async def test_only_one_runs_for_a_subscription(house: House, pool: Pool) -> None:
    subscription, other = await subscribed(house), await subscribed(house)
    first = await replayed(house, subscription)
    with pytest.raises(ReplayRunning, match=first["id"]):
        await replayed(house, subscription)
    await replayed(house, other)
    await run_through(house, first)
    second = await replayed(house, subscription)
    page = await house.again.replays(TENANT, subscription, None, 1)
    assert [r["id"] for r in page.items] == [second["id"]]
    page = await house.again.replays(TENANT, subscription, page.next_cursor, 2)
    assert [r["id"] for r in page.items] == [first["id"]]
    assert page.next_cursor is None


async def test_a_key_begins_it_once(house: House) -> None:
    subscription = await subscribed(house)
    since = datetime.now(UTC) - HOUR
    scope = Scope(TENANT, "POST", f"/v1/subscriptions/{subscription}/replay", "key")
    first = await replayed(house, subscription, since=since, scope=scope)
    await run_through(house, first)
    assert await replayed(house, subscription, since=since, scope=scope) == first
    assert len((await house.again.replays(TENANT, subscription, None, 10)).items) == 1


async def test_a_disabled_subscription_is_enabled_first(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    async with pool.acquire() as conn:
        await stored.disable(conn, subscription)
    with pytest.raises(SubscriptionDisabled):
        await replayed(house, subscription)
    with pytest.raises(NotFound):
        await replayed(house, UUID(int=1))


@pytest.mark.parametrize("why", ["disabled", "deleted"])
async def test_it_ends_with_its_subscription(house: House, pool: Pool, why: str) -> None:
    subscription = await subscribed(house)
    await finished(house)
    await stand(pool, "failed")
    replay = await replayed(house, subscription)
    if why == "deleted":
        await house.subscribe.delete(TENANT, subscription)
    else:
        async with pool.acquire() as conn:
            await stored.disable(conn, subscription)
    ended = await run_through(house, replay)
    assert (ended["state"], ended["canceledBy"]) == ("canceled", f"subscription_{why}")
    assert house.sink.got == []


async def test_canceled_it_queues_no_more(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    for _ in range(8):
        await processing(house)
    await stand(pool, "failed")
    replay = await replayed(house, subscription, rate=1)
    while await house.replay.run_once():
        pass
    found = await house.again.cancel_replay(TENANT, UUID(replay["id"]))
    assert (found["state"], found["canceledBy"], found["queued"]) == ("canceled", "user", 5)
    assert await house.again.cancel_replay(TENANT, UUID(replay["id"])) == found
    ended = await run_through(house, replay)
    assert (ended["queued"], ended["delivered"]) == (5, 5)
    assert (await states(pool)).count("failed") == 3
    with pytest.raises(NotFound):
        await house.again.cancel_replay("other", UUID(replay["id"]))
    done = await run_through(house, await replayed(house, subscription))
    with pytest.raises(Conflict, match="completed"):
        await house.again.cancel_replay(TENANT, UUID(done["id"]))


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("since", "until", "pointers"),
    [
        (NOW + HOUR, None, ["/since"]),
        (NOW, NOW, ["/since"]),
        (NOW - HOUR, NOW - 2 * HOUR, ["/since"]),
        (NOW - HOUR, NOW + HOUR, ["/until"]),
        (NOW + 2 * HOUR, NOW + HOUR, ["/until", "/since"]),
        (NOW - timedelta(days=32), None, ["/since"]),
    ],
)
async def test_a_range_that_is_none_is_refused(
    house: House, since: datetime, until: datetime | None, pointers: list[str]
) -> None:
    subscription = await subscribed(house)
    with pytest.raises(Invalid) as refused:
        await replayed(house, subscription, since=since, until=until)
    assert [e.pointer for e in refused.value.errors] == pointers


async def test_the_oldest_possible_time_is_named_and_taken(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    with pytest.raises(Invalid) as refused:
        await replayed(house, subscription, since=NOW - timedelta(days=40))
    oldest = refused.value.errors[0].detail.rpartition(" ")[2]
    since = datetime.fromisoformat(oldest)
    assert timedelta(days=30) <= NOW - since < timedelta(days=31)
    await run_through(house, await replayed(house, subscription, "any", since=since))
    # What was dropped while retention was shorter does not come back with a longer one.
    await pool.execute("UPDATE callboard.feed SET dropped_seq = 1")
    with pytest.raises(Invalid) as refused:
        await replayed(house, subscription, since=since)
    await pool.execute("UPDATE callboard.feed SET dropped_seq = 0")
    first = datetime.fromisoformat(refused.value.errors[0].detail.rpartition(" ")[2])
    assert NOW - first < timedelta(days=3)
