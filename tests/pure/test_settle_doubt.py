"""What settles a task that says too little: failures without a reason, and what comes early or late."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import ReadFailed, ReadNothing, Report
from service.core.states import CallbackOutcome, State
from tests.support.tasks import (
    BROKEN,
    NO_REASON,
    POLICY,
    SILENCE,
    Life,
    being_sent,
    callback,
    poll,
    processing,
    queued,
    video,
)

Brings = Callable[..., Report]

# A failure without a reason.


def _vague(brings: Brings) -> Report:
    return replace(brings(faults=(NO_REASON,)), vague=True)


@pytest.mark.parametrize("first", [callback, poll])
def test_a_failure_without_a_reason_is_asked_about_three_times(first: Brings) -> None:
    life = processing()
    began = life.later(5).now
    life.tell(_vague(first))
    asked = 0
    while not life.task.final:
        assert life.due() is Due.READ
        life.until(life.task.look_again_at).tell(_vague(poll))
        asked += 1
    assert asked == 3
    assert life.now - began <= POLICY.vague_span
    assert (life.task.state, life.codes) == (State.FAILED, ["unknown"])


def test_a_reason_that_comes_while_asking_is_the_reason() -> None:
    life = processing()
    life.tell(_vague(callback))
    life.later(1).tell(poll(faults=(BROKEN,)))
    assert life.codes == ["broken"]


def test_a_video_that_comes_while_asking_completes_the_task() -> None:
    life = processing()
    life.tell(_vague(poll))
    life.later(1).tell(callback(video()))
    assert life.task.state is State.COMPLETED


def test_a_doubled_failure_without_a_reason_is_a_duplicate() -> None:
    life = processing()
    life.tell(_vague(callback))
    assert life.later(1).tell(_vague(callback)).verdict is Verdict.IGNORE


def test_failed_reads_while_asking_do_not_count_as_answers() -> None:
    life = processing()
    life.tell(_vague(callback))
    life.later(1).tell(ReadFailed(SILENCE))
    assert life.task.vague_polls == 1
    life.later(60).tell(_vague(poll))
    assert life.codes == ["unknown"]


def test_a_poll_that_says_it_runs_forgets_a_failure_without_a_reason() -> None:
    life = processing()
    life.tell(_vague(callback))
    life.later(1).tell(poll(running=True))
    life.later(600).tell(_vague(poll))
    assert life.task.state is State.PROCESSING
    assert life.task.vague_polls == 1


def test_regression_a_vague_report_without_faults_was_never_settled() -> None:
    life = processing()
    for _ in range(4):
        life.later(1).tell(poll(vague=True))
    assert life.codes == ["unknown"]


@pytest.mark.parametrize("say", [_vague(poll), poll(video())])
def test_regression_waiting_for_more_went_past_the_deadline(say: Report) -> None:
    short = replace(POLICY, deadline_grace=timedelta(seconds=1))
    life = Life(task=replace(queued(2), deadline_seconds=40), policy=short)
    life.send()
    life.later(20).tell(say)
    life.later(1).tell(say)
    assert life.task.look_again_at == life.task.deadline_at


# Early, late, and beside the deadline.


def test_a_callback_may_come_before_our_own_submit_has_returned() -> None:
    life = being_sent()
    assert life.tell(callback(video())).outcome is CallbackOutcome.APPLIED
    assert life.told == ["task.processing", "video.completed", "task.completed"]


def test_the_deadline_fails_what_one_of_two_videos_left_open() -> None:
    life = processing(2)
    life.tell(callback(video()))
    life.until(life.task.deadline_at).tell(ReadNothing())
    assert (life.task.state, life.codes) == (State.COMPLETED, [None, "deadline"])
    assert life.later(9).tell(callback(video(2))).outcome is CallbackOutcome.LATE
    assert life.told[-1] == "video.late"


def test_a_report_about_a_queued_task_is_believed() -> None:
    life = Life(2)
    life.tell(callback(video()))
    assert life.task.state is State.PROCESSING
    assert life.task.deadline_at == life.now + timedelta(seconds=3600)
