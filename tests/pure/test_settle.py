"""How results are counted: whoever brings them, in any order, once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import Report
from service.core.states import CallbackOutcome, ResultState, State
from tests.support.tasks import (
    BROKEN,
    REFUSAL,
    Life,
    being_sent,
    callback,
    poll,
    processing,
    unknown,
    video,
)

Brings = Callable[..., Report]

# One result.


@pytest.mark.parametrize("brings", [callback, poll])
def test_a_video_completes_a_single_task(brings: Brings) -> None:
    life = processing()
    decision = life.tell(brings(video()))
    assert (life.task.state, life.task.cost) == (State.COMPLETED, video().cost)
    assert life.told == ["task.processing", "video.completed", "task.completed"]
    assert decision.outcome is CallbackOutcome.APPLIED
    assert life.task.slot_since is None


@pytest.mark.parametrize("brings", [callback, poll])
def test_a_failure_with_a_reason_fails_a_single_task(brings: Brings) -> None:
    life = processing()
    life.tell(brings(faults=(BROKEN,)))
    assert (life.task.state, life.task.error) == (State.FAILED, BROKEN)
    assert life.told == ["task.processing", "video.failed", "task.failed"]


@pytest.mark.parametrize(
    ("first", "second"), [*permutations((callback, poll)), (callback, callback)]
)
def test_the_same_video_by_callback_and_poll_counts_once(first: Brings, second: Brings) -> None:
    life = processing()
    life.tell(first(video()))
    again = life.tell(second(video()))
    assert (again.verdict, again.outcome) == (Verdict.IGNORE, CallbackOutcome.DUPLICATE)
    assert life.told.count("video.completed") == 1


def test_a_video_settles_a_task_whatever_else_the_report_says() -> None:
    life = processing()
    life.tell(callback(video(), faults=(BROKEN,)))
    assert life.task.state is State.COMPLETED


def test_videos_that_nobody_asked_for_are_late_ones() -> None:
    life = processing()
    life.tell(callback(video(1), video(2), video(2)))
    assert [r.state for r in life.task.results] == [ResultState.COMPLETED, ResultState.LATE]
    assert life.told[1:] == ["video.completed", "task.completed", "video.late"]


def test_an_empty_poll_only_says_that_the_upstream_has_it() -> None:
    life = unknown()
    life.tell(poll())
    assert life.task.state is State.PROCESSING
    life.later(60).tell(poll())
    assert life.task.state is State.PROCESSING
    assert life.task.polls == 1


def test_a_single_task_waits_for_its_deadline_when_polls_show_only_nothing() -> None:
    life = processing()
    for _ in range(20):
        life.later(100).tell(poll())
    assert life.task.state is State.PROCESSING


# A rejection.


@pytest.mark.parametrize("begin", [Life, being_sent, unknown, processing])
@pytest.mark.parametrize("brings", [callback, poll])
def test_a_rejected_generation_rejects_the_task_from_any_open_state(
    begin: Callable[[], Life], brings: Brings
) -> None:
    life = begin()
    life.tell(brings(rejected=REFUSAL, upstream_id="a"))
    assert (life.task.state, life.codes) == (State.REJECTED, ["invalid"])
    assert (life.task.slot_since, life.task.upstream_id) == (None, "a")
    assert life.told[-2:] == ["video.failed", "task.rejected"]


def test_what_was_refused_before_any_work_was_never_processing() -> None:
    life = unknown()
    life.tell(poll(rejected=REFUSAL))
    assert life.told == ["video.failed", "task.rejected"]


def test_regression_videos_beyond_the_results_were_lost_beside_a_rejection() -> None:
    life = processing()
    life.tell(callback(video(1), video(2), rejected=REFUSAL))
    assert life.task.state is State.COMPLETED
    assert life.told[-1] == "video.late"


# Several results.


def test_every_video_settles_one_result_in_the_order_they_come() -> None:
    life = processing(3)
    for n in (2, 3, 1):
        life.later(5).tell(callback(video(n)))
    assert [r.video.video_uuid for r in life.task.results if r.video] == [
        "video-2",
        "video-3",
        "video-1",
    ]
    assert life.told == ["task.processing", *["video.completed"] * 3, "task.completed"]


def test_errors_of_callbacks_are_never_counted_and_make_a_poll_due() -> None:
    life = processing(2)
    life.later(5)
    for _ in range(5):
        life.tell(callback(faults=(BROKEN,)))
    assert life.task.state is State.PROCESSING
    assert life.task.look_again_at == life.now
    assert life.due() is Due.READ
    assert [s.decision.verdict for s in life.history[-4:]] == [Verdict.IGNORE] * 4


def test_regression_a_video_beside_an_error_put_the_due_poll_off() -> None:
    life = processing(3)
    life.later(5).tell(callback(faults=(BROKEN,)))
    life.later(1).tell(callback(video(), faults=(BROKEN,)))
    assert life.task.look_again_at is not None
    assert life.task.look_again_at <= life.now


def test_a_poll_settles_failures_when_all_results_are_accounted_for() -> None:
    life = processing(3)
    life.later(5).tell(callback(video(1)))
    life.tell(poll(video(1), video(2), faults=(BROKEN,)))
    assert life.task.state is State.COMPLETED
    assert life.codes == [None, None, "broken"]
    assert life.told == [
        "task.processing",
        "video.completed",
        "video.completed",
        "video.failed",
        "task.completed",
    ]


def test_a_poll_that_shows_as_many_errors_as_are_open_fails_the_task() -> None:
    life = processing(2)
    life.tell(poll(faults=(BROKEN, replace(BROKEN, code="timeoutProvider"))))
    assert (life.task.state, life.codes) == (State.FAILED, ["broken", "timeoutProvider"])


def test_one_error_of_two_waits_while_the_other_runs() -> None:
    life = processing(2)
    for _ in range(4):
        life.later(60).tell(poll(faults=(BROKEN,), running=True))
    assert life.task.state is State.PROCESSING
    life.later(60).tell(poll(video(), faults=(BROKEN,)))
    assert life.codes == [None, "broken"]


def test_a_poll_settles_all_while_a_row_still_runs_and_the_place_is_watched() -> None:
    life = processing(2)
    life.tell(callback(video(1)))
    life.tell(callback(video(2)))
    assert life.task.slot_since is None
    life = processing(2)
    life.tell(poll(video(1), video(2), running=True))
    assert life.task.state is State.COMPLETED
    assert life.task.slot_since is not None


def test_missing_results_fail_after_two_quiet_polls_half_a_minute_apart() -> None:
    life = processing(2)
    life.later(10).tell(poll(video()))
    assert life.task.look_again_at == life.now + timedelta(seconds=30)
    life.later(29).tell(poll(video()))
    assert life.task.state is State.PROCESSING
    life.later(1).tell(poll(video()))
    assert (life.task.state, life.codes) == (State.COMPLETED, [None, "missing"])


@pytest.mark.parametrize("between", [poll(video(), running=True), poll()])
def test_a_row_that_runs_or_an_empty_poll_starts_the_half_minute_again(between: Report) -> None:
    life = processing(2)
    life.later(10).tell(poll(video()))
    life.later(25).tell(between)
    still = life.later(25).tell(poll(video())).task
    done = life.later(30).tell(poll(video())).task
    assert (still.state, done.state) == (State.PROCESSING, State.COMPLETED)


@pytest.mark.parametrize("order", [*permutations(range(4))])
def test_partly_failed_and_partly_late_in_any_order_ends_the_same(order: tuple[int, ...]) -> None:
    says = [
        callback(video(1)),
        callback(faults=(BROKEN,)),
        poll(video(1), running=True),
        callback(video(2)),
    ]
    life = processing(3)
    for i in order:
        life.later(1).tell(says[i])
    life.later(1).tell(poll(video(1), video(2), faults=(BROKEN,)))
    life.later(1).tell(callback(video(3)))
    assert life.task.state is State.COMPLETED
    assert life.codes == [None, None, "broken", None]
    assert life.told == [
        "task.processing",
        "video.completed",
        "video.completed",
        "video.failed",
        "task.completed",
        "video.late",
    ]
