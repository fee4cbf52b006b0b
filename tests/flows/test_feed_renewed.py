"""After a restore the feed begins anew: once, whoever starts, and past whoever is writing."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from service.flows.upkeep import Upkeep
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import Wire, blocked, call_back, elsewhere, processing
from tests.support.house import House


@pytest.fixture
async def restored(pool: Pool) -> AsyncIterator[None]:
    """Pretend that this cluster is not the one that wrote the feed."""
    identifier = await pool.fetchval("SELECT system_identifier FROM callboard.feed")
    await pool.execute("UPDATE callboard.feed SET incarnation = 1, system_identifier = 1")
    yield
    await pool.execute(
        "UPDATE callboard.feed SET incarnation = 1, system_identifier = $1", identifier
    )


async def incarnation(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT incarnation FROM callboard.feed"))


@pytest.mark.usefixtures("restored")
async def test_two_processes_that_start_at_once_begin_one_incarnation(pool: Pool) -> None:
    async with asyncio.timeout(10):
        await asyncio.gather(*[Upkeep(pool, 30).renew_feed() for _ in range(4)])
    assert await incarnation(pool) == 2


@pytest.mark.usefixtures("restored")
async def test_both_see_that_it_ended_and_the_second_finds_it_begun(pool: Pool) -> None:
    wire = Wire(pool)

    async def first(_: object) -> None:
        await Upkeep(pool, 30).renew_feed()

    # Between its look and its lock the other one comes first.
    wire.before["fence_events"] = first
    await Upkeep(wire.pool, 30).renew_feed()
    assert await incarnation(pool) == 2


@pytest.mark.usefixtures("restored")
async def test_an_incarnation_begins_after_whoever_writes_events_and_before_the_next_one(
    house: House, pool: Pool, dsn: str
) -> None:
    task_uuid = await processing(house)
    async with elsewhere(dsn) as writer:
        await writer.execute("SELECT pg_advisory_xact_lock_shared(7301955821)")
        renewing = asyncio.create_task(Upkeep(pool, 30).renew_feed())
        await blocked(pool)
        applying = asyncio.create_task(call_back(house, (task_uuid, said("v1"))))
        await blocked(pool, 2)
        assert await incarnation(pool) == 1
    await renewing
    await applying
    rows = await pool.fetch("SELECT type, incarnation FROM callboard.events ORDER BY seq")
    of = {r["type"]: r["incarnation"] for r in rows}
    assert of == {"task.processing": 1, "video.completed": 2, "task.completed": 2}


async def test_a_start_of_the_same_cluster_holds_up_nobody(pool: Pool, dsn: str) -> None:
    async with elsewhere(dsn) as writer:
        await writer.execute("SELECT pg_advisory_xact_lock_shared(7301955821)")
        async with asyncio.timeout(10):
            await Upkeep(pool, 30).renew_feed()
    assert await incarnation(pool) == 1
