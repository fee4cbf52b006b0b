"""Replays at work: at their rate, killed anywhere, in many hands, against targets that take nothing."""

import asyncio
import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Unavailable
from service.flows.replay import Replay
from service.ports import Sent
from service.store import subscriptions as stored
from service.store.pool import Pool
from tests.support.again import HOUR, finished, replayed, run_through, shown, stand, states
from tests.support.flows import TENANT, Wire, pass_time, processing, subscribed
from tests.support.house import House

DOWN = Sent(ok=False, status=503, error="http_503")
MANY = 1000
COPY = """
INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, subscription_id, target, lane, state,
                                  attempts, finished_at)
SELECT d.created_at, d.tenant, d.event_id, md5(n::text)::uuid, d.subscription_id, d.target, d.lane, 'failed', 3, now()
FROM callboard.deliveries AS d, generate_series(2, $1::integer) AS n
"""
EVENTS = """
INSERT INTO callboard.events (created_at, id, incarnation, tenant, source, type, task_uuid, sequence, data)
SELECT e.created_at, md5(n::text)::uuid, e.incarnation, e.tenant, e.source, e.type, e.task_uuid, n, e.data
FROM callboard.events AS e, generate_series(2, $1::integer) AS n
"""


async def many_failed(house: House, pool: Pool, count: int = MANY) -> UUID:
    """Have so many deliveries that were given up, all of one moment."""
    subscription = await subscribed(house)
    await processing(house)
    await stand(pool, "failed")
    await pool.execute(COPY, count)
    return subscription


async def many_missing(house: House, pool: Pool, count: int = MANY) -> UUID:
    """Have so many events before there was a subscription."""
    await processing(house)
    await pool.execute(EVENTS, count)
    return await subscribed(house)


@pytest.mark.parametrize("wanted", ["failed", "missing"])
async def test_a_thousand_go_at_their_rate_each_once(house: House, pool: Pool, wanted: str) -> None:
    subscription = await (many_missing if wanted == "missing" else many_failed)(house, pool)
    replay = await replayed(house, subscription, wanted, rate=50)
    now: datetime = await pool.fetchval("SELECT clock_timestamp()")
    seconds = 0
    while (await shown(house, replay))["state"] == "running":
        while await house.replay.run_once(now + timedelta(seconds=seconds)):
            pass
        waiting = await pool.fetchval(
            "SELECT count(*) FROM callboard.deliveries WHERE state = 'pending' AND next_at > $1",
            now + timedelta(seconds=seconds),
        )
        assert waiting <= 5 * 50
        # What is due by now is sent, by whoever sends.
        await pool.execute(
            "UPDATE callboard.deliveries SET state = 'delivered', attempts = attempts + 1"
            " WHERE state = 'pending' AND next_at <= $1",
            now + timedelta(seconds=seconds),
        )
        seconds += 1
        assert seconds < 60
    times = await pool.fetch(
        "SELECT next_at FROM callboard.deliveries WHERE replay_id IS NOT NULL ORDER BY next_at"
    )
    assert len(times) == MANY
    gaps = {b["next_at"] - a["next_at"] for a, b in pairwise(times)}
    assert gaps == {timedelta(milliseconds=20)}
    found = await shown(house, replay)
    assert (found["matched"], found["queued"], found["skipped"]) == (MANY, MANY, 0)


@pytest.mark.parametrize("wanted", ["failed", "missing"])
async def test_killed_at_any_moment_it_goes_on_and_queues_nothing_twice(
    house: House, pool: Pool, wanted: str
) -> None:
    moments = 1
    while True:
        make = many_missing if wanted == "missing" else many_failed
        replay = await replayed(house, await make(house, pool, 7), wanted, rate=1)
        wire = Wire(pool)
        wire.cut_at = moments
        doomed = Replay(wire.pool, house.wake)
        died = await _dies(doomed)
        found = await run_through(house, replay)
        assert (found["state"], found["queued"], found["delivered"]) == ("completed", 7, 7)
        tried = await pool.fetch(
            "SELECT attempts - tries_since AS n FROM callboard.deliveries WHERE replay_id = $1",
            UUID(replay["id"]),
        )
        assert [r["n"] for r in tried] == [1] * 7
        for table in ("deliveries", "events", "subscriptions"):
            await pool.execute(f"DELETE FROM callboard.{table}")  # noqa: S608 - our own names
        house.sink.got.clear()
        if not died:
            break
        moments += 1
    assert moments > 10


async def _dies(replay: Replay) -> bool:
    try:
        while await replay.run_once():
            pass
    except Unavailable:
        return True
    return False


async def test_rivals_share_the_work_and_queue_each_once(house: House, pool: Pool) -> None:
    replay = await replayed(house, await many_failed(house, pool, 60), rate=7)
    rivals = [Replay(pool, house.wake) for _ in range(5)]
    for _ in range(30):
        await asyncio.gather(*[r.run_once() for r in rivals for _ in range(2)])
        await pass_time(pool, 1)
        await house.deliver_due()
    found = await shown(house, replay)
    assert (found["state"], found["queued"], found["delivered"]) == ("completed", 60, 60)
    assert len(house.sink.got) == 60


async def test_a_target_that_takes_nothing_is_waited_for(house: House, pool: Pool) -> None:
    subscription = await many_failed(house, pool, 300)
    replay = await replayed(house, subscription, rate=10)
    for _ in range(60):
        while await house.replay.run_once():
            pass
        await pass_time(pool, 1)
    found = await shown(house, replay)
    assert (found["state"], found["untried"]) == ("running", 100)
    assert (await run_through(house, replay))["delivered"] == 300


async def test_one_that_cannot_go_on_is_in_nobodys_way(
    house: House, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, well = await subscribed(house), await subscribed(house)
    await finished(house)
    await stand(pool, "failed")
    first = await replayed(house, broken)
    second = await replayed(house, well)
    work = house.replay._work

    async def breaking(conn: Any, replay: Any) -> int:
        if replay["subscription_id"] == broken:
            raise RuntimeError("a row that nobody can read")
        return await work(conn, replay)

    monkeypatch.setattr(house.replay, "_work", breaking)
    assert await house.replay.run_once() == 0
    assert (await run_through(house, second))["delivered"] == 3
    assert (await shown(house, first))["state"] == "running"
    monkeypatch.undo()
    await pass_time(pool, 60)
    assert (await run_through(house, first))["delivered"] == 3


async def test_a_later_replay_takes_nothing_from_the_counts_of_an_earlier_one(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    for _ in range(3):
        await processing(house)
    await stand(pool, "failed")
    house.sink.answers = [DOWN]
    first = await run_through(house, await replayed(house, subscription))
    assert (first["delivered"], first["retrying"]) == (2, 1)
    second = await run_through(house, await replayed(house, subscription, "any"))
    assert (second["matched"], second["queued"], second["skipped"]) == (3, 2, 1)
    assert second["delivered"] == 2
    first = await shown(house, first)
    assert (first["delivered"], first["retrying"]) == (2, 1)
    await pass_time(pool, 6.1)
    await house.deliver_due()
    assert (await shown(house, first))["delivered"] == 3


async def test_once_all_have_ended_the_counts_stay_when_the_days_go(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await finished(house)
    await stand(pool, "failed")
    ended = await run_through(house, await replayed(house, subscription))
    while await house.replay.run_once():
        pass
    await pool.execute("DELETE FROM callboard.deliveries")
    assert await shown(house, ended) == ended
    await house.upkeep.run_once()
    assert await shown(house, ended) == ended
    await pool.execute("UPDATE callboard.replays SET finished_at = now() - interval '31 days'")
    await house.upkeep.run_once()
    assert (await house.again.replays(TENANT, subscription, None, 10)).items == []


async def test_deliveries_are_held_when_the_subscription_is_disabled_meanwhile(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await finished(house)
    await stand(pool, "failed")
    replay = await replayed(house, subscription)
    await house.replay.run_once()
    async with pool.acquire() as conn:
        await stored.disable(conn, subscription)
    await house.deliver_due()
    assert await states(pool) == ["held"] * 3
    found = await shown(house, replay)
    assert (found["queued"], found["held"]) == (3, 3)
    assert json.loads(json.dumps(found)) == found


async def test_what_is_kept_of_a_range_is_enough(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    since = await pool.fetchval("SELECT now()") - HOUR
    ended = await run_through(house, await replayed(house, subscription, "missing", since=since))
    assert (ended["state"], ended["matched"]) == ("completed", 0)
    assert ended["reachedAt"] == ended["request"]["until"]
