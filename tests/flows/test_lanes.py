"""Lanes: limits over all processes, throttles, the breaker and its one probe."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.flows.deliver import Deliver
from service.ports import Sent
from service.store import lanes
from service.store.pool import Pool
from tests.support.flows import accepted, pass_time, submission, subscribed
from tests.support.house import DELIVERIES, House

DOWN = Sent(ok=False, status=503, error="http_503")
SLOW_DOWN = Sent(ok=False, status=429, error="http_429", throttled=True)
OPENS = DELIVERIES.breaker.failures


async def waiting(house: House, tasks: int, **fields: Any) -> None:
    """Write so many events, of as many tasks."""
    await accepted(house, *[submission(**fields) for _ in range(tasks)])
    await house.send_queued()


@pytest.fixture
def other(house: House, pool: Pool) -> Deliver:
    """Deliver from another process."""
    sinks = {"webhook": house.sink}
    return Deliver(pool, house.dice, house.vault, sinks, DELIVERIES, source="s")


async def work_off(deliver: Deliver) -> int:
    """Make one attempt of all that is due; gives how many."""
    claimed = await deliver.claim(100)
    for parcel in claimed:
        await deliver.work(parcel)
    return len(claimed)


async def set_limit(pool: Pool, subscription: UUID, **columns: object) -> None:
    for column, value in columns.items():
        await pool.execute(
            f"UPDATE callboard.subscriptions SET {column} = $2 WHERE id = $1",  # noqa: S608 - our own names
            subscription,
            value,
        )


async def test_two_processes_together_keep_to_the_concurrency_of_a_lane(
    house: House, other: Deliver, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await set_limit(pool, subscription, concurrency=3)
    await waiting(house, 10)
    here, there = await house.deliver.claim(4), await other.claim(100)
    assert (len(here), len(there)) == (2, 1)
    assert await house.deliver.claim(100) == []
    await other.work(there[0])
    assert len(await house.deliver.claim(100)) == 1


async def test_two_who_claim_at_once_keep_to_the_concurrency_of_a_lane(
    house: House, other: Deliver, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await set_limit(pool, subscription, concurrency=3)
    await waiting(house, 20)
    for _ in range(5):
        both = await asyncio.gather(house.deliver.claim(100), other.claim(100))
        assert sum(map(len, both)) == 3
        for parcel in both[0]:
            await house.deliver.work(parcel)
        for parcel in both[1]:
            await other.work(parcel)


async def test_two_processes_together_keep_to_the_rate_of_a_lane(
    house: House, other: Deliver, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await set_limit(pool, subscription, rate_per_minute=20, concurrency=100)
    await waiting(house, 60)
    loop = asyncio.get_running_loop()
    sent = []
    for second in range(180):
        for deliver in (house.deliver, other):
            sent += [second + loop.time()] * await work_off(deliver)
        await pass_time(pool, 1)
    # Half a second less than a minute: what is told here is when the work was done.
    assert max(sum(first <= t < first + 59.5 for t in sent) for first in sent) <= 20
    assert len(sent) > 50


async def test_what_the_target_allowed_at_its_handshake_is_a_limit_too(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await set_limit(pool, subscription, rate_per_minute=600, allowed_rate=1)
    await waiting(house, 5)
    assert [await work_off(house.deliver) for _ in range(3)] == [1, 0, 0]


async def test_a_lane_that_asks_for_less_is_left_alone_and_no_other_attempt_is_burnt(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await waiting(house, 3)
    house.sink.answers = [SLOW_DOWN]
    (first,) = await house.deliver.claim(1)
    await house.deliver.work(first)
    assert await work_off(house.deliver) == 0
    await pass_time(pool, 5.1)
    house.sink.answers = [Sent(ok=False, status=502, error="http_502", throttled=True)]
    assert await work_off(house.deliver) == 1
    await pass_time(pool, 5.1)
    assert await work_off(house.deliver) == 0
    await pass_time(pool, 5)
    assert await work_off(house.deliver) == 1
    assert await work_off(house.deliver) == 2
    attempts = await pool.fetch("SELECT attempts FROM callboard.deliveries ORDER BY id")
    assert sum(r["attempts"] for r in attempts) == 5


async def test_a_throttled_lane_waits_as_long_as_it_asks(house: House, pool: Pool) -> None:
    await subscribed(house)
    await waiting(house, 3)
    house.sink.answers = [Sent(ok=False, status=429, error="e", throttled=True, retry_after_s=100)]
    (first,) = await house.deliver.claim(1)
    await house.deliver.work(first)
    await pass_time(pool, 99)
    assert await work_off(house.deliver) == 0
    await pass_time(pool, 1.1)
    assert await work_off(house.deliver) == 1


async def test_after_failures_in_a_row_a_lane_gives_one_probe_at_a_time(
    house: House, other: Deliver, pool: Pool
) -> None:
    await subscribed(house)
    await waiting(house, 20)
    house.sink.answers = [DOWN] * (OPENS + 1)
    for _ in range(OPENS):
        (parcel,) = await house.deliver.claim(1)
        await house.deliver.work(parcel)
    assert await house.deliver.claim(100) == []
    await pass_time(pool, 30.1)
    (probe,) = await house.deliver.claim(100)
    assert await other.claim(100) == []
    await house.deliver.work(probe)
    assert await other.claim(100) == []
    await pass_time(pool, 30.1)
    assert await other.claim(100) == []
    await pass_time(pool, 30)
    (probe,) = await other.claim(100)
    assert await house.deliver.claim(100) == []
    await other.work(probe)
    assert len(await house.deliver.claim(100)) == DELIVERIES.per_target
    row = await pool.fetchrow("SELECT * FROM callboard.lanes")
    assert row is not None
    assert (row["failures"], row["failing_since"], row["blocked_until"]) == (0, None, None)


async def test_a_success_in_between_keeps_the_breaker_closed(house: House, pool: Pool) -> None:
    await subscribed(house)
    await waiting(house, 20)
    house.sink.answers = [*[DOWN] * (OPENS - 1), Sent(ok=True), *[DOWN] * (OPENS - 1)]
    for _ in range(2 * OPENS - 1):
        (parcel,) = await house.deliver.claim(1)
        await house.deliver.work(parcel)
    assert await pool.fetchval("SELECT blocked_until FROM callboard.lanes") is None


async def test_a_blocked_lane_is_well_again_when_it_is_reset(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await waiting(house, 20)
    house.sink.answers = [DOWN] * OPENS
    for _ in range(OPENS):
        (parcel,) = await house.deliver.claim(1)
        await house.deliver.work(parcel)
    assert await failing(pool, subscription) is not None
    async with pool.acquire() as conn:
        await lanes.reset(conn, subscription)
    assert await failing(pool, subscription) is None
    assert len(await house.deliver.claim(100)) == DELIVERIES.per_target


async def failing(pool: Pool, subscription: UUID) -> object:
    return await pool.fetchval(
        "SELECT failing_since FROM callboard.subscriptions WHERE id = $1", subscription
    )


async def test_notify_urls_of_one_host_share_a_lane_and_those_of_others_do_not(
    house: House, pool: Pool
) -> None:
    for n in range(6):
        await waiting(house, 1, webhookURL=f"https://one.example/{n}")
    await waiting(house, 1, webhookURL="https://two.example/")
    claimed = await house.deliver.claim(100)
    urls = [p.first["notify_url"] for p in claimed]
    assert [u.startswith("https://one") for u in urls].count(True) == DELIVERIES.per_target
    assert len(urls) == DELIVERIES.per_target + 1
    assert await pool.fetchval("SELECT count(*) FROM callboard.lanes") == 2


@pytest.mark.parametrize(
    ("status", "opens"), [(404, False), (410, False), (500, True), (None, True)]
)
async def test_somebodys_wrong_url_does_not_block_its_host(
    house: House,
    pool: Pool,
    status: int | None,
    opens: bool,
) -> None:
    for n in range(OPENS):
        await waiting(house, 1, webhookURL=f"https://one.example/{n}")
    house.sink.answers = [Sent(ok=False, status=status, error="e", gone=status == 410)] * OPENS
    while parcels := await house.deliver.claim(1):
        await house.deliver.work(parcels[0])
    row = await pool.fetchrow("SELECT * FROM callboard.lanes")
    assert row is not None
    assert (row["blocked_until"] is not None) == opens
    assert row["name"] == ("one.example:443" if opens else "")


async def test_what_was_asked_for_again_waits_for_nobody_and_nobody_waits_for_it(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    task_uuid = (await accepted(house))[0]
    await house.send_queued()
    await pool.execute(
        "INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, subscription_id, target,"
        " lane, state, next_at, ordered) SELECT created_at, tenant, event_id, task_uuid, subscription_id, target,"
        " lane, state, next_at, o FROM callboard.deliveries, unnest(ARRAY[false, true, false]) AS o"
    )
    ids = [r["id"] for r in await pool.fetch("SELECT id FROM callboard.deliveries ORDER BY id")]
    claimed = await house.deliver.claim(100)
    assert [p.first["id"] for p in claimed] == [ids[0], ids[1], ids[3]]
    assert task_uuid == claimed[0].first["task_uuid"]


async def test_a_round_that_was_asked_for_again_has_the_whole_schedule(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await waiting(house, 1)
    await pool.execute("UPDATE callboard.deliveries SET attempts = 10, tries_since = 10")
    house.sink.answers = [DOWN]
    await work_off(house.deliver)
    wait = await pool.fetchval("SELECT next_at - clock_timestamp() FROM callboard.deliveries")
    assert timedelta(seconds=3) < wait <= DELIVERIES.waits[0]


async def test_lanes_that_nobody_needs_are_forgotten(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await waiting(house, 1, webhookURL="https://one.example/")
    async with pool.acquire() as conn:
        await lanes.forget(conn)
        assert await conn.fetchval("SELECT count(*) FROM callboard.lanes") == 2
        assert await work_off(house.deliver) == 2
        await lanes.forget(conn)
        assert await conn.fetchval("SELECT lane FROM callboard.lanes") == subscription
