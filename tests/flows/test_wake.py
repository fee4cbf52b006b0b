"""Bells: each change rings for those who have something to do about it, after its commit."""

import asyncio
from uuid import uuid4

import pytest

from service.flows.wake import Topic, Wake
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import TENANT, Wire, call_back, cut, elsewhere, one, processing, subscribed
from tests.support.house import House, make_house
from tests.support.virtual_time import in_no_time


def rung(wake: Wake) -> set[Topic]:
    """Say which bells were rung, and silence them."""
    found = {topic for topic in Topic if wake._topics[topic].is_set()}
    for topic in found:
        wake._topics[topic].clear()
    return found


async def test_every_step_rings_for_the_next_one(house: House, dsn: str) -> None:
    await subscribed(house)
    task_uuid = await one(house)
    assert rung(house.wake) == {Topic.SUBMIT, Topic.DUE}
    await house.send_queued()
    assert Topic.DELIVER in rung(house.wake)
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks FOR UPDATE")
        await call_back(house, (task_uuid, said("v1")))
    assert rung(house.wake) == {Topic.CALLBACKS}
    await house.pending.run_once()
    assert {Topic.SUBMIT, Topic.DELIVER} <= rung(house.wake)


async def test_what_was_not_committed_rings_for_nobody(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    task_uuid = await processing(house)
    rung(house.wake)
    wire.before["commit"] = cut
    with pytest.raises(Exception, match="reached"):
        await call_back(house, (task_uuid, said("v1")))
    assert rung(house.wake) == set()


async def test_who_waits_for_a_task_hears_of_its_end(house: House) -> None:
    task_uuid = await processing(house)
    waiting = asyncio.create_task(house.wake.wait_for(task_uuid, 60))
    stranger = asyncio.create_task(house.wake.wait_for(uuid4(), 60))
    while task_uuid not in house.wake._tasks:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    await house.operate.cancel(TENANT, task_uuid)
    async with asyncio.timeout(5):
        await waiting
    assert not stranger.done()
    stranger.cancel()
    await asyncio.gather(stranger, return_exceptions=True)
    assert not house.wake._tasks


def test_a_bell_that_rang_while_nobody_slept_is_not_lost_and_heard_once() -> None:
    async def main() -> list[float]:
        wake, loop = Wake(), asyncio.get_running_loop()
        wake.ring([Topic.DUE])
        times = []
        for _ in range(2):
            await wake.sleep(Topic.DUE, 10)
            times.append(loop.time())
        return times

    assert in_no_time(main()) == pytest.approx([0, 10])
