"""Videos that are kept: what waits for its file, for how long, and that no order of things breaks a law."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import (
    Archived,
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    ReadNothing,
    Tick,
)
from service.core.media import Archive, ArchiveState, Media
from service.core.states import CallbackOutcome, ResultState, State
from service.core.task import Policy
from tests.pure.test_decide_any_order import GAPS, INPUTS, POLICIES, _brought, _wait
from tests.support.laws import check_history
from tests.support.tasks import (
    BROKEN,
    Life,
    being_sent,
    callback,
    poll,
    processing,
    sent_again,
    unknown,
    video,
)

HOLD_S = 300
KEPT = Archive(
    ArchiveState.KEPT, Media("0" * 64, 1, "video/mp4"), "https://callboard.example/v.mp4"
)
FAILED = Archive(ArchiveState.FAILED, error=BROKEN)
DELETED = Archive(ArchiveState.DELETED, KEPT.media)
FILES: list[Input] = [Archived(n, a) for n in range(5) for a in (KEPT, KEPT, FAILED, DELETED)]


def keeping(life: Life, hold_s: int | None = HOLD_S) -> Life:
    life.task = replace(life.task, archives=True, hold_s=hold_s)
    return life


def held(results: int = 1) -> Life:
    """Make a task all of whose videos came, and wait for their files."""
    life = keeping(processing(results))
    life.tell(poll(*(video(n) for n in range(1, results + 1))))
    assert life.task.holding
    return life


def states(life: Life) -> list[ResultState]:
    return [r.state for r in life.task.results]


def test_a_video_that_waits_for_its_file_is_told_of_with_it() -> None:
    life = held()
    assert life.task.state is State.PROCESSING
    assert life.task.slot_since is None
    assert life.told == ["task.processing"]
    life.later(5).tell(Archived(0, KEPT))
    assert life.told == ["task.processing", "video.archived", "video.completed", "task.completed"]
    assert life.task.final
    assert life.task.results[0].archive == KEPT


def test_a_video_is_told_of_without_its_file_when_that_takes_too_long() -> None:
    life = held()
    life.until(life.task.look_again_at)
    assert life.now == life.task.results[0].hold_until
    assert life.due() is Due.TICK
    life.tell(Tick())
    assert life.told[1:] == ["video.completed", "task.completed"]
    life.later(60).tell(Archived(0, KEPT))
    assert life.told[3:] == ["video.archived"]
    assert life.task.state is State.COMPLETED


def test_a_file_that_cannot_be_kept_ends_the_wait_and_fails_nothing() -> None:
    life = held()
    life.tell(Archived(0, FAILED))
    assert life.told[1:] == ["video.archive_failed", "video.completed", "task.completed"]
    assert (life.task.state, life.task.error) == (State.COMPLETED, None)
    life.later(60).tell(Archived(0, KEPT))
    assert life.told[4:] == ["video.archived"]


def test_without_a_wait_the_file_comes_after_the_end() -> None:
    life = keeping(processing(), None)
    life.tell(callback(video(1)))
    assert life.told[1:] == ["video.completed", "task.completed"]
    life.tell(Archived(0, KEPT))
    assert life.told[3:] == ["video.archived"]
    life.tell(Archived(0, DELETED))
    assert life.task.results[0].archive == DELETED
    assert len(life.told) == 4


@pytest.mark.parametrize("again", [KEPT, FAILED, Archive(ArchiveState.PENDING)])
def test_a_file_is_told_of_once(again: Archive) -> None:
    life = held()
    life.tell(Archived(0, KEPT))
    assert life.tell(Archived(0, again)).verdict is Verdict.IGNORE


def test_each_video_waits_for_its_own_file() -> None:
    life = keeping(processing(2))
    life.tell(callback(video(1)))
    assert states(life) == [ResultState.ARCHIVING, ResultState.PENDING]
    life.later(10).tell(Archived(0, KEPT))
    assert life.told[1:] == ["video.archived", "video.completed"]
    life.later(10).tell(callback(video(2)))
    assert states(life) == [ResultState.COMPLETED, ResultState.ARCHIVING]
    life.later(1).tell(Archived(1, KEPT))
    assert life.told[3:] == ["video.archived", "video.completed", "task.completed"]


def test_a_failed_result_is_told_of_at_once_and_the_end_waits_for_the_other_ones_file() -> None:
    life = keeping(processing(2))
    life.tell(callback(video(1)))
    life.later(1).tell(poll(video(1), faults=(BROKEN,)))
    assert life.told[1:] == ["video.failed"]
    assert life.task.holding
    life.tell(Archived(0, KEPT))
    assert life.task.state is State.COMPLETED


def test_the_deadline_fails_what_is_missing_and_leaves_what_is_held_its_time() -> None:
    life = keeping(processing(2))
    deadline = life.task.deadline_at
    assert deadline is not None
    life.until(deadline - timedelta(seconds=10)).tell(callback(video(1)))
    life.until(deadline).claim().tell(ReadNothing())
    assert states(life) == [ResultState.ARCHIVING, ResultState.FAILED]
    assert life.told[1:] == ["video.failed"]
    life.until(life.task.look_again_at)
    assert life.due() is Due.TICK
    life.tell(Tick())
    assert life.told[2:] == ["video.completed", "task.completed"]
    assert life.now == deadline + timedelta(seconds=HOLD_S - 10)


def test_a_wait_that_is_over_while_other_videos_are_missing_ends_alone() -> None:
    life = keeping(processing(2))
    life.tell(callback(video(1)))
    over = life.task.hold_until
    while life.task.held:
        life.until(life.task.look_again_at).claim()
        life.tell(Tick() if life.due() is Due.TICK else poll(video(1), running=True))
    assert life.now == over
    assert life.told[1:] == ["video.completed"]
    assert life.task.look_again_at is not None
    assert life.task.look_again_at > life.now


def test_a_wait_ends_in_time_also_while_a_last_answer_is_tried_for() -> None:
    life = keeping(processing(2), 30)
    deadline = life.task.deadline_at
    assert deadline is not None
    life.until(deadline - timedelta(seconds=1)).tell(callback(video(1)))
    over = life.task.hold_until
    life.until(deadline).claim().tell(ReadFailed(BROKEN))
    while life.task.held:
        life.until(life.task.look_again_at).claim()
        life.tell(Tick() if life.due() is Due.TICK else ReadFailed(BROKEN))
    assert life.now == over


def test_whatever_comes_after_the_wait_ends_it() -> None:
    life = held()
    life.later(HOLD_S + 5).tell(ReadNothing())
    assert life.told[1:] == ["video.completed", "task.completed"]


def test_a_cancel_ends_the_wait_for_files_of_videos_that_are_there() -> None:
    life = held(2)
    life.tell(CancelAsked())
    assert life.task.state is State.COMPLETED
    assert life.told[1:] == ["video.completed", "video.completed", "task.completed"]


def test_a_cancel_while_a_video_is_missing_cancels_that_and_tells_of_the_other() -> None:
    life = keeping(processing(2))
    life.tell(callback(video(1)))
    life.tell(CancelAsked())
    assert life.task.state is State.CANCELED
    assert states(life) == [ResultState.COMPLETED, ResultState.CANCELED]
    assert life.told[1:] == ["video.completed", "task.canceled"]


def test_a_video_too_many_is_late_at_once() -> None:
    life = held()
    assert life.tell(callback(video(9))).outcome is CallbackOutcome.LATE
    assert life.told[1:] == ["video.late"]
    assert life.task.results[1].archive == Archive()
    life.tell(Archived(1, KEPT))
    assert life.told[2:] == ["video.archived"]
    assert life.task.holding


@pytest.mark.parametrize("asked", [AskUpstream("x"), ReadNothing(), callback(video(1)), Tick()])
def test_nothing_else_ends_the_wait_or_makes_anybody_look_sooner(asked: Input) -> None:
    life = held()
    before = life.task
    life.later(1).tell(asked)
    assert life.task == before


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([Life, being_sent, unknown, sent_again, processing]),
    st.integers(1, 4),
    st.sampled_from(POLICIES),
    st.sampled_from([None, 1, 60, 100_000]),
    st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(INPUTS + FILES * 6)), max_size=25),
)
def test_no_order_of_inputs_breaks_a_law(
    begin: Callable[[int], Life],
    results: int,
    policy: Policy,
    hold_s: int | None,
    lived: list[tuple[float | str, Input]],
) -> None:
    life = keeping(begin(results), hold_s)
    life.policy = policy
    for gap, event in lived:
        _wait(life, gap)
        life.step(_brought(life, event))
    if life.history:
        check_history(life.history)
    # Time alone brings it to its end.
    for _ in range(400):
        look = life.task.look_again_at
        if look is None or life.task.final:
            break
        life.until(max(life.now, look, life.task.lease_until or look)).claim()
        life.step(Tick() if life.due() is Due.TICK else ReadNothing())
    assert life.task.final or life.task.state in {State.QUEUED, State.SUBMITTING}
