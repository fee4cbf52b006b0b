"""What comes after the end, or beyond what was asked for: paid, kept, told once, and the end stays what it is."""

from collections.abc import Mapping
from itertools import permutations, product
from uuid import UUID

import pytest

from service.core.inputs import CancelAsked, Input, ReadFailed, Report, Source
from service.core.states import CallbackOutcome, State
from service.core.task import Video
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import call_back, one, pass_time, processing, task, told
from tests.support.house import House
from tests.support.stored import lawful
from tests.support.tasks import BROKEN, BUSY, REFUSAL, poll

AGAIN = (CallbackOutcome.LATE, CallbackOutcome.DUPLICATE, CallbackOutcome.DUPLICATE)


def seen(*names: str, running: bool = False) -> Report:
    """Say what a poll says that finds the videos of `said`."""
    videos = tuple(Video(n, f"https://videos.example/{n}.mp4") for n in names)
    return Report(Source.POLL, videos=videos, running=running)


ENDS: Mapping[State, tuple[float, Input]] = {
    State.COMPLETED: (0, seen("v1")),
    State.FAILED: (0, poll(faults=(BROKEN,))),
    State.REJECTED: (0, poll(rejected=REFUSAL)),
    State.CANCELED: (0, CancelAsked()),
    State.TIMED_OUT: (3901, ReadFailed(BUSY)),
}


async def ended(house: House, pool: Pool, state: State) -> UUID:
    """Have a task end in a state."""
    wait_s, event = ENDS[state]
    task_uuid = await processing(house)
    await pass_time(pool, wait_s)
    await house.tell(task_uuid, event)
    assert (await task(pool, task_uuid)).state is state
    return task_uuid


@pytest.mark.parametrize(("state", "first"), [*product(ENDS, ("callback", "poll"))])
async def test_a_video_after_any_end_is_late_and_told_once_whoever_brings_it(
    house: House, pool: Pool, state: State, first: str
) -> None:
    task_uuid = await ended(house, pool, state)
    before = await task(pool, task_uuid)
    events = await told(pool, task_uuid)
    if first == "poll":
        await house.tell(task_uuid, seen("late"))
    outcomes = [(await call_back(house, (task_uuid, said("late"))))[0] for _ in range(2)]
    await house.tell(task_uuid, seen("late"))
    expected = AGAIN[1:] if first == "poll" else AGAIN[:2]
    assert tuple(outcomes) == expected
    assert await told(pool, task_uuid) == [*events, "video.late"]
    after = await task(pool, task_uuid)
    assert (after.state, after.finished_at, after.error) == (
        before.state,
        before.finished_at,
        before.error,
    )
    assert after.results[: len(before.results)] == before.results
    await lawful(pool)


async def test_a_video_for_a_task_that_was_never_sent_and_canceled_is_late(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    await house.tell(task_uuid, CancelAsked())
    assert await call_back(house, (task_uuid, said("v1"))) == [CallbackOutcome.LATE]
    assert await told(pool, task_uuid) == ["task.canceled", "video.late"]
    await lawful(pool)


DEADLINE = None
SAYS: tuple[Report | None, ...] = (
    Report(Source.CALLBACK, videos=seen("v1").videos),
    Report(Source.CALLBACK, videos=seen("v2").videos),
    Report(Source.CALLBACK, faults=(BROKEN,)),
    DEADLINE,
)


@pytest.mark.parametrize("order", [*permutations(range(len(SAYS)))])
async def test_several_results_in_any_order_with_the_deadline_in_between(
    house: House, pool: Pool, order: tuple[int, ...]
) -> None:
    task_uuid = await processing(house, numberResults=3)
    in_time: set[str] = set()
    for index in order:
        says = SAYS[index]
        if says is DEADLINE:
            await pass_time(pool, 3601)
            await house.tell(task_uuid, seen(*in_time, running=True))
            continue
        if not (await task(pool, task_uuid)).final:
            in_time |= {v.video_uuid for v in says.videos}
        await house.tell(task_uuid, says)
    await house.tell(task_uuid, seen("v1", "v2"))
    found = await task(pool, task_uuid)
    assert found.state is (State.COMPLETED if in_time else State.TIMED_OUT)
    events = await told(pool, task_uuid)
    assert events.count("video.completed") == len(in_time)
    assert events.count("video.late") == 2 - len(in_time)
    assert events.count("video.failed") == 3 - len(in_time)
    await lawful(pool)
