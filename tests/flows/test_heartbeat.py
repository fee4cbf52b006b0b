"""Beats: who cannot say that it lives claims nothing."""

import asyncio
from contextlib import suppress

import pytest

from service.core.errors import Unavailable
from service.flows.heartbeat import Fitness, Heartbeat, Held
from service.flows.upkeep import FORGOTTEN_S
from service.store.pool import Pool, create_pool
from service.store.workers import Worker
from tests.support import database
from tests.support.flows import Wire, one, until
from tests.support.house import WORKER, House, make_house
from tests.support.virtual_time import in_no_time

LEASE_S = 60.0
ME = Worker(WORKER, "boot/1/here", "here", 4711, 99, ("submit",), "1")


def heart(pool: Pool, fitness: Fitness | None = None) -> Heartbeat:
    return Heartbeat(pool, ME, fitness or Fitness(LEASE_S / 2), Held(), lease_s=LEASE_S)


def test_a_process_is_fit_for_half_a_lease_after_a_beat_and_not_before_the_first() -> None:
    async def main() -> list[bool]:
        fitness, loop = Fitness(30.0), asyncio.get_running_loop()
        fit = [fitness.fit]
        fitness.beaten(loop.time())
        for _ in range(3):
            fit.append(fitness.fit)
            await asyncio.sleep(20)
        fitness.beaten(loop.time())
        return [*fit, fitness.fit]

    assert in_no_time(main()) == [False, True, True, False, True]


def test_who_is_unfit_claims_nothing_until_it_beats_again() -> None:
    async def main() -> list[int]:
        fitness, asked = Fitness(30.0), list[int]()

        async def claim(limit: int) -> list[str]:
            asked.append(limit)
            return ["work"]

        guarded = fitness.guard(claim)
        assert await guarded(1) == ()
        fitness.beaten(asyncio.get_running_loop().time())
        assert await guarded(2) == ["work"]
        await asyncio.sleep(31)
        assert await guarded(3) == ()
        return asked

    assert in_no_time(main()) == [2]


async def test_while_the_database_is_away_no_beat_counts(pool: Pool) -> None:
    wire = Wire(pool)
    fitness = Fitness(LEASE_S)
    heartbeat = heart(wire.pool, fitness=fitness)
    wire.down = True
    with pytest.raises(Unavailable):
        await heartbeat.beat()
    assert not fitness.fit
    wire.down = False
    await heartbeat.beat()
    assert fitness.fit


async def test_a_process_is_listed_from_its_first_beat_until_it_leaves(
    house: House, pool: Pool
) -> None:
    heartbeat = heart(pool)
    await heartbeat.beat()
    await heartbeat.beat()
    (seen,) = await house.upkeep.workers()
    assert seen.worker == ME
    assert seen.silent_s < LEASE_S
    pulse = await house.upkeep.pulse()
    assert (pulse.workers, pulse.oldest_beat_s < LEASE_S) == (1, True)
    await heartbeat.leave()
    assert await house.upkeep.workers() == []


async def test_a_process_that_was_silent_for_long_is_forgotten_and_comes_back_with_its_beat(
    house: House, pool: Pool
) -> None:
    heartbeat = heart(pool)
    await heartbeat.beat()
    await pool.execute(
        "UPDATE callboard.workers SET heartbeat_at = heartbeat_at - make_interval(secs => $1)",
        FORGOTTEN_S + 1,
    )
    await house.upkeep.run_once()
    assert await house.upkeep.workers() == []
    await heartbeat.beat()
    assert [s.worker for s in await house.upkeep.workers()] == [ME]
    await heartbeat.leave()


async def test_a_database_that_goes_away_and_comes_back_stops_claims_and_starts_them() -> None:
    with database.stoppable() as (postgres, dsn):
        await database.migrated(dsn)
        pool = await create_pool(dsn, size=4, statement_timeout_s=5)
        house, fitness = make_house(pool), Fitness(LEASE_S)
        claim = fitness.guard(house.submit.claim)
        await heart(pool, fitness=fitness).beat()
        assert await claim(10) == []
        fitness.beaten(asyncio.get_running_loop().time() - LEASE_S - 1)
        postgres.stop()
        with pytest.raises(Unavailable):
            await heart(pool, fitness=fitness).beat()
        # It would raise if it asked.
        assert await claim(10) == ()
        postgres.start()

        async def beats() -> bool:
            # A connection whose end nobody noticed yet may be lent once more.
            with suppress(Unavailable):
                await heart(pool, fitness=fitness).beat()
            return fitness.fit

        await until(beats)
        await one(house)
        assert len(await claim(10)) == 1
        await pool.close()
