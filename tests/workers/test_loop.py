"""Loops: as much work as there is room for, nothing cut off, and an end when they are told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from service.core.errors import Unavailable
from service.flows.wake import Topic, Wake
from service.workers.loop import Every, Lanes
from tests.support.virtual_time import in_no_time

POLL_S = 60.0


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Job:
    """Work that takes its time, and says what was done of it."""

    waiting: list[int] = field(default_factory=list)
    takes_s: float = 10.0
    slow: int | None = None
    asked: list[int] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    released: list[int] = field(default_factory=list)
    at_once: int = 0
    most: int = 0
    claims: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """What happens inside the n-th claim."""

    async def claim(self, limit: int) -> Sequence[int]:
        self.asked.append(limit)
        found = self.waiting[:limit]
        del self.waiting[:limit]
        inside = self.claims.get(len(self.asked))
        if inside is not None:
            await inside()
        return found

    async def work(self, piece: int) -> None:
        self.started.append(piece)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(self.takes_s if piece != self.slow else 100 * self.takes_s)
            if piece < 0:
                raise ValueError(piece)
            self.ended.append(piece)
        finally:
            self.at_once -= 1

    async def release(self, pieces: Sequence[int]) -> None:
        self.released += pieces

    def lanes(self, wake: Wake, size: int = 3) -> Lanes[int]:
        return Lanes(
            "job",
            self.claim,
            self.work,
            size=size,
            wake=wake,
            topic=Topic.SUBMIT,
            poll_s=POLL_S,
            release=self.release,
        )


async def stopped_after(seconds: float, loop: Lanes[int] | Every) -> float:
    """Run a loop, tell it to stop after a while, and say when it ended."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(loop.run(stop))
        await asyncio.sleep(seconds)
        stop.set()
        await running
    return now()


def test_no_more_is_claimed_than_there_is_room_for() -> None:
    job = Job(list(range(8)))
    in_no_time(stopped_after(100, job.lanes(Wake())))
    assert sorted(job.ended) == list(range(8))
    assert job.most == 3
    assert max(job.asked) == 3
    assert 0 not in job.asked


def test_a_slow_piece_holds_up_nobody() -> None:
    job = Job([1000, *range(6)], slow=1000)

    async def main() -> list[int]:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(job.lanes(Wake()).run(stop))
            await asyncio.sleep(50)
            ended = list(job.ended)
            stop.set()
        return ended

    assert sorted(in_no_time(main())) == list(range(6))
    assert job.ended[-1] == 1000


def test_one_poisonous_piece_stops_no_other() -> None:
    job = Job([-1, 1, -2, 2, 3])
    in_no_time(stopped_after(100, job.lanes(Wake())))
    assert sorted(job.ended) == [1, 2, 3]


def test_a_bell_shortens_the_wait_and_silence_does_not_end_it() -> None:
    job = Job()

    async def main() -> None:
        wake, stop = Wake(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(job.lanes(wake).run(stop))
            await asyncio.sleep(5)
            job.waiting.append(1)
            await asyncio.sleep(5)
            assert job.started == []
            wake.ring([Topic.SUBMIT])
            await asyncio.sleep(1)
            assert job.started == [1]
            await asyncio.sleep(20)
            job.waiting.append(2)
            await asyncio.sleep(POLL_S)
            assert job.started == [1, 2]
            stop.set()

    in_no_time(main())


def test_a_claim_that_fails_lets_what_is_in_flight_end_first() -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    job = Job([1], claims={2: fail})

    async def main() -> None:
        wake = Wake()
        running = asyncio.create_task(job.lanes(wake).run(asyncio.Event()))
        await asyncio.sleep(1)
        wake.ring([Topic.SUBMIT])
        with pytest.raises(ZeroDivisionError):
            await running

    in_no_time(main())
    assert job.ended == [1]


def test_while_the_database_is_away_claims_are_tried_again() -> None:
    async def away() -> None:
        raise Unavailable

    job = Job(claims={1: away, 2: away})

    async def main() -> None:
        async def come() -> None:
            await asyncio.sleep(2 * POLL_S)
            job.waiting.append(1)

        async with asyncio.TaskGroup() as group:
            group.create_task(come())
            await stopped_after(200, job.lanes(Wake()))

    in_no_time(main())
    assert job.ended == [1]


def test_told_to_stop_it_finishes_what_is_in_flight_and_claims_no_more() -> None:
    job = Job([1, 2, 3, 4])
    ended = in_no_time(stopped_after(5, job.lanes(Wake())))
    assert (sorted(job.ended), job.waiting) == ([1, 2, 3], [4])
    assert ended == pytest.approx(10, abs=0.1)


def test_told_to_stop_while_it_sleeps_it_ends_at_once() -> None:
    assert in_no_time(stopped_after(5, Job().lanes(Wake()))) == pytest.approx(5, abs=0.1)


def test_what_is_claimed_while_it_is_told_to_stop_is_given_back() -> None:
    async def slow() -> None:
        await asyncio.sleep(10)

    job = Job([1, 2], claims={1: slow})
    in_no_time(stopped_after(5, job.lanes(Wake())))
    assert (job.started, job.released) == ([], [1, 2])


def test_run_once_does_all_that_it_claims() -> None:
    job = Job([1, 2, 3, 4])
    assert in_no_time(job.lanes(Wake()).run_once()) == 3
    assert sorted(job.ended) == [1, 2, 3]


@dataclass
class Steps:
    """A step that does as much as it is told."""

    does: list[int]
    at: list[float] = field(default_factory=list)

    async def __call__(self) -> int:
        self.at.append(now())
        return self.does.pop(0) if self.does else 0


def test_every_goes_on_at_once_while_there_is_something_to_do() -> None:
    steps = Steps([1, 5, 0, 1])
    in_no_time(stopped_after(25, Every("steps", steps, 10)))
    assert steps.at == pytest.approx([0, 0, 0, 10, 10, 20], abs=0.1)


def test_every_may_wait_although_there_was_something_to_do() -> None:
    steps = Steps([1, 1, 1])
    in_no_time(stopped_after(25, Every("steps", steps, 10, again_when_busy=False)))
    assert steps.at == pytest.approx([0, 10, 20], abs=0.1)


def test_every_wakes_at_a_bell() -> None:
    steps = Steps([])

    async def main() -> None:
        wake = Wake()

        async def ring() -> None:
            await asyncio.sleep(3)
            wake.ring([Topic.CALLBACKS, Topic.DUE])

        async with asyncio.TaskGroup() as group:
            group.create_task(ring())
            await stopped_after(20, Every("steps", steps, 10, wake=wake, topic=Topic.CALLBACKS))

    in_no_time(main())
    assert steps.at == pytest.approx([0, 3, 13], abs=0.1)


@pytest.mark.parametrize("topic", [None, Topic.CALLBACKS])
def test_every_ends_at_once_when_it_is_told_to_stop(topic: Topic | None) -> None:
    loop = Every("steps", Steps([]), POLL_S, wake=Wake(), topic=topic)
    assert in_no_time(stopped_after(5, loop)) == pytest.approx(5, abs=0.1)


def test_what_a_loop_tells_itself_is_told_to_no_other_process() -> None:
    wake, told = Wake(), list[object]()
    wake.teller = lambda *said: told.append(said)
    in_no_time(stopped_after(100, Job([1, 2]).lanes(wake)))
    assert told == []
    wake.ring([Topic.SUBMIT])
    wake.ring([])
    assert told == [(frozenset({Topic.SUBMIT}), ())]
