"""What became of attempts is recorded in groups; nobody's is lost with another's."""

import asyncio
from uuid import uuid4

import pytest

from service.core.errors import Unavailable
from service.flows.deliver import Deliver
from service.ports import Sent
from service.store import lanes
from service.store.lanes import EVERYTHING
from service.store.pool import Pool, transaction
from tests.support.flows import Wire, accepted, submission, subscribed
from tests.support.house import DELIVERIES, House

TASKS = 4


@pytest.fixture
async def waiting(house: House) -> House:
    await subscribed(house)
    await accepted(house, *[submission() for _ in range(TASKS)])
    await house.send_queued()
    return house


def behind(wire: Wire, house: House) -> Deliver:
    sinks = {"webhook": house.sink}
    return Deliver(wire.pool, house.dice, house.vault, sinks, DELIVERIES, source="s")


async def states(pool: Pool) -> list[str]:
    rows = await pool.fetch("SELECT state FROM callboard.deliveries ORDER BY id")
    return [r["state"] for r in rows]


async def test_what_comes_while_a_group_is_recorded_is_the_next_group(
    waiting: House, pool: Pool
) -> None:
    wire = Wire(pool)
    deliver = behind(wire, waiting)
    claimed = await deliver.claim(100)
    let, begun = asyncio.Event(), asyncio.Event()

    async def hold(_conn: object) -> None:
        begun.set()
        await let.wait()

    wire.before["record_attempts"] = hold
    async with asyncio.TaskGroup() as group:
        first = group.create_task(deliver.work(claimed[0]))
        await begun.wait()
        before = wire.passed
        others = [group.create_task(deliver.work(parcel)) for parcel in claimed[1:]]
        while len(deliver._recorder._waiting) < len(others):  # noqa: ASYNC110 - all of them get there
            await asyncio.sleep(0)
        let.set()
    assert first.done()
    # Before and after the second statement; after the first one.
    assert wire.passed - before == 3
    assert await states(pool) == ["delivered"] * TASKS


async def test_an_outcome_that_cannot_be_stored_keeps_no_other_from_being_recorded(
    waiting: House, pool: Pool
) -> None:
    waiting.sink.answers = [Sent(ok=False, error="no\0text")]
    claimed = await waiting.deliver.claim(100)
    works = [waiting.deliver.work(parcel) for parcel in claimed]
    told = await asyncio.gather(*works, return_exceptions=True)
    assert [error is None for error in told] == [False, True, True, True]
    assert await states(pool) == ["sending", *["delivered"] * (TASKS - 1)]


async def test_without_a_database_everybody_of_a_group_hears_of_it(
    waiting: House, pool: Pool
) -> None:
    wire = Wire(pool)
    deliver = behind(wire, waiting)
    claimed = await deliver.claim(100)
    wire.down = True
    told = await asyncio.gather(*[deliver.work(p) for p in claimed], return_exceptions=True)
    assert [type(error) for error in told] == [Unavailable] * TASKS
    assert not deliver._under_way


async def test_a_process_that_stands_still_with_lanes_locked_loses_them(
    waiting: House, pool: Pool
) -> None:
    async with transaction(pool) as conn:
        assert await lanes.lock_due(conn, EVERYTHING, uuid4(), 10)
        limit = await conn.fetchval("SHOW idle_in_transaction_session_timeout")
        assert limit == "5s"
