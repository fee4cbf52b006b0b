"""Each target has its share of what is under way: a slow one delays nobody else."""

import asyncio

import pytest

from service.flows.deliver import Deliver
from service.ports import Outgoing, Sent, Target
from service.store.pool import Pool
from tests.support.fakes import FakeSink
from tests.support.flows import accepted, submission, subscribed
from tests.support.house import DELIVERIES, House

SHARE = DELIVERIES.per_target
SLOW, FAST = "https://slow.example", "https://fast.example"


class Slow(FakeSink):
    """A sink one of whose targets answers only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def send(self, target: Target, event: Outgoing) -> Sent:
        if target.url == SLOW:
            await self.let.wait()
        return await super().send(target, event)


@pytest.fixture
async def crowded(house: House) -> House:
    """Make more events for one target than its share, and newer ones for another."""
    await subscribed(house, url=SLOW)
    await accepted(house, *[submission() for _ in range(5 * SHARE)])
    await house.send_queued()
    await subscribed(house, url=FAST)
    await accepted(house, *[submission() for _ in range(SHARE)])
    await house.send_queued()
    return house


async def test_one_claim_takes_no_more_of_a_target_than_its_share(crowded: House) -> None:
    claimed = await crowded.deliver.claim(64)
    assert len(claimed) == 2 * SHARE
    assert [p.first["url"] for p in claimed].count(SLOW) == SHARE
    assert await crowded.deliver.claim(64) == []


async def test_what_is_under_way_counts_towards_the_share(crowded: House) -> None:
    first = await crowded.deliver.claim(3)
    second = await crowded.deliver.claim(64)
    assert [p.first["url"] for p in first + second].count(SLOW) == SHARE
    done = [p for p in first if p.first["url"] == SLOW]
    for parcel in done:
        await crowded.deliver.work(parcel)
    third = await crowded.deliver.claim(64)
    assert [p.first["url"] for p in third].count(SLOW) == len(done)


async def test_with_few_places_lanes_take_turns(crowded: House) -> None:
    urls = []
    for _ in range(6):
        (parcel,) = await crowded.deliver.claim(1)
        urls.append(parcel.first["url"])
        await crowded.deliver.work(parcel)
    assert urls[::2] == [urls[0]] * 3
    assert urls[1::2] == [urls[1]] * 3
    assert set(urls) == {SLOW, FAST}


async def test_a_claim_takes_no_more_than_there_is_room_for(crowded: House) -> None:
    assert len(await crowded.deliver.claim(SHARE + 1)) == SHARE + 1


async def test_the_last_places_are_left_to_lanes_that_have_none(crowded: House) -> None:
    (first,) = await crowded.deliver.claim(1)
    (second,) = await crowded.deliver.claim(1)
    assert {first.first["url"], second.first["url"]} == {SLOW, FAST}
    assert await crowded.deliver.claim(1) == []
    assert len(await crowded.deliver.claim(4)) == 4


async def test_nothing_is_claimed_and_left_lying(crowded: House, pool: Pool) -> None:
    claimed = await crowded.deliver.claim(64)
    sending = "SELECT count(*) FROM callboard.deliveries WHERE state = 'sending'"
    assert await pool.fetchval(sending) == len(claimed)


async def test_a_target_that_does_not_answer_delays_no_other(crowded: House, pool: Pool) -> None:
    sink = Slow()
    deliver = Deliver(pool, crowded.dice, crowded.vault, {"webhook": sink}, DELIVERIES, source="s")
    async with asyncio.TaskGroup() as group:
        slow = []
        for row in await deliver.claim(64):
            working = group.create_task(deliver.work(row))
            if row.first["url"] == SLOW:
                slow.append(working)
            else:
                await working
        for row in await deliver.claim(64):
            await deliver.work(row)
        assert len(slow) == SHARE
        assert not any(w.done() for w in slow)
        assert len(sink.got) == SHARE
        sink.let.set()
    assert len(sink.got) == 2 * SHARE
