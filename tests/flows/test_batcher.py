"""The batcher: groups by themselves, bounds, patience, and an answer for everybody."""

import asyncio
import math
from collections.abc import Callable, Sequence

import pytest

from service.core.errors import Unavailable
from service.flows.batcher import Batcher

BYTES = 100


class Flush:
    """What groups are handed to; it waits while `open` is not set."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def __call__(self, group: Sequence[int]) -> list[str]:
        self.groups.append(list(group))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [str(item) for item in group]


def make(flush: Flush, *, most: int = 3, patience_s: float = 30.0) -> Batcher[int, str]:
    return Batcher(flush, most=most, most_waiting=5, most_bytes=BYTES, patience_s=patience_s)


async def put(group: asyncio.TaskGroup, batcher: Batcher[int, str], *items: int) -> None:
    """Put items one after the other, and see them in the queue."""
    for item in items:
        waiting = batcher.waiting
        group.create_task(batcher.put(item, 1))
        while batcher.waiting == waiting:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)


async def test_idle_the_first_one_goes_at_once() -> None:
    flush = Flush()
    batcher = make(flush)
    async with asyncio.TaskGroup() as group:
        flusher = group.create_task(batcher.flush_once(30))
        assert await batcher.put(1, 1) == "1"
        assert await flusher == 1
    assert flush.groups == [[1]]


async def test_busy_groups_grow_by_themselves_up_to_their_size() -> None:
    flush = Flush()
    flush.open.clear()
    batcher = make(flush)
    async with asyncio.TaskGroup() as group:
        await put(group, batcher, 1)
        first = group.create_task(batcher.flush_once())
        await _until(lambda: flush.groups == [[1]])
        await put(group, batcher, 2, 3, 4, 5)
        flush.open.set()
        await first
        assert await batcher.flush_once() == 3
        assert await batcher.flush_once() == 1
    assert flush.groups == [[1], [2, 3, 4], [5]]


async def test_two_flushers_take_every_item_once() -> None:
    flush = Flush()
    batcher = make(flush)
    async with asyncio.TaskGroup() as group:
        flushers = [group.create_task(_forever(batcher)) for _ in range(2)]
        answers = []
        for start in range(0, 500, 5):
            many = [batcher.put(n, 1) for n in range(start, start + 5)]
            answers += await asyncio.gather(*many)
        for flusher in flushers:
            flusher.cancel()
    assert answers == [str(n) for n in range(500)]
    assert sorted(n for g in flush.groups for n in g) == list(range(500))


async def test_while_one_group_commits_the_next_one_goes_with_the_other_flusher() -> None:
    flush = Flush()
    flush.open.clear()
    batcher = make(flush)
    async with asyncio.TaskGroup() as group:
        await put(group, batcher, 1)
        group.create_task(batcher.flush_once())
        await _until(lambda: flush.groups == [[1]])
        await put(group, batcher, 2)
        group.create_task(batcher.flush_once())
        await _until(lambda: flush.groups == [[1], [2]])
        flush.open.set()
    assert flush.groups == [[1], [2]]


async def test_too_many_that_wait_are_refused_at_once() -> None:
    batcher = make(Flush())
    async with asyncio.TaskGroup() as group:
        await put(group, batcher, 1, 2, 3, 4, 5)
        with pytest.raises(Unavailable):
            await batcher.put(6, 1)
        assert await batcher.flush_once() == 3
        assert await batcher.flush_once() == 2


async def test_too_many_bytes_are_refused_and_come_back_with_their_group() -> None:
    batcher = make(Flush())
    async with asyncio.TaskGroup() as group:
        group.create_task(batcher.put(1, BYTES - 1))
        await _until(lambda: batcher.waiting == 1)
        with pytest.raises(Unavailable):
            await batcher.put(2, 2)
        await batcher.flush_once()
        group.create_task(batcher.put(3, BYTES))
        await _until(lambda: batcher.waiting == 1)
        await batcher.flush_once()


async def test_bytes_that_are_being_stored_still_count() -> None:
    flush = Flush()
    flush.open.clear()
    batcher = make(flush)
    async with asyncio.TaskGroup() as group:
        group.create_task(batcher.put(1, BYTES))
        await _until(lambda: batcher.waiting == 1)
        group.create_task(batcher.flush_once())
        await _until(lambda: flush.groups == [[1]])
        with pytest.raises(Unavailable):
            await batcher.put(2, 1)
        flush.open.set()


async def test_who_waited_too_long_is_told_no_and_not_stored_afterwards() -> None:
    flush = Flush()
    batcher = make(flush, patience_s=0.01)
    with pytest.raises(Unavailable):
        await batcher.put(1, BYTES)
    assert await batcher.flush_once(0) == 0
    assert flush.groups == []
    with pytest.raises(Unavailable):
        await batcher.put(2, BYTES)


async def test_a_group_that_fails_is_told_so_and_the_next_one_goes() -> None:
    flush = Flush()
    batcher = make(flush)
    flush.error = Unavailable("The database is away.")
    puts = [asyncio.create_task(batcher.put(n, 1)) for n in range(3)]
    await _until(lambda: batcher.waiting == 3)
    assert await batcher.flush_once() == 3
    told = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(t) for t in told] == [Unavailable] * 3
    flush.error = None
    last = asyncio.create_task(batcher.put(4, 1))
    assert await batcher.flush_once() == 1
    assert await last == "4"


async def test_a_flusher_that_is_canceled_leaves_nobody_waiting() -> None:
    flush = Flush()
    flush.open.clear()
    batcher = make(flush)
    puts = [asyncio.create_task(batcher.put(n, 1)) for n in range(3)]
    await _until(lambda: batcher.waiting == 3)
    flusher = asyncio.create_task(batcher.flush_once())
    await _until(lambda: bool(flush.groups))
    flusher.cancel()
    told = await asyncio.gather(*puts, flusher, return_exceptions=True)
    assert [type(t) for t in told] == [Unavailable] * 3 + [asyncio.CancelledError]


async def test_a_caller_that_hung_up_costs_its_neighbours_nothing() -> None:
    flush = Flush()
    flush.open.clear()
    batcher = make(flush)
    gone, stays = (asyncio.create_task(batcher.put(n, 1)) for n in (1, 2))
    await _until(lambda: batcher.waiting == 2)
    flusher = asyncio.create_task(batcher.flush_once())
    await _until(lambda: bool(flush.groups))
    gone.cancel()
    flush.open.set()
    assert await stays == "2"
    assert await flusher == 2
    assert gone.cancelled()


async def test_an_idle_flusher_comes_back_after_its_wait() -> None:
    assert await make(Flush()).flush_once(0.001) == 0


async def _forever(batcher: Batcher[int, str]) -> None:
    while True:
        await batcher.flush_once(30)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)


async def test_it_says_for_how_long_nothing_came() -> None:
    flush = Flush()
    batcher = make(flush)
    loop = asyncio.get_running_loop()
    assert batcher.quiet_s == math.inf
    before = loop.time()
    async with asyncio.TaskGroup() as group:
        flusher = group.create_task(batcher.flush_once(30))
        await batcher.put(1, 1)
        await flusher
    assert 0 <= batcher.quiet_s <= loop.time() - before


async def test_what_is_refused_came_too() -> None:
    batcher = make(Flush())
    with pytest.raises(Unavailable):
        await batcher.put(1, BYTES + 1)
    assert batcher.quiet_s < math.inf
