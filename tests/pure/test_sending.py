"""The line `sent_at`, the four answers to a submit, and when the same bytes may leave again."""

from datetime import timedelta

import pytest

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import (
    Accepted,
    CancelAsked,
    Input,
    Refused,
    SendStarted,
    SubmitUnknown,
    Tick,
    TryLater,
)
from service.core.states import State
from tests.support.tasks import (
    BUSY,
    POLICY,
    REFUSAL,
    SILENCE,
    START_WITHIN_S,
    Life,
    being_sent,
    callback,
    processing,
    sent_again,
    video,
)

# Beginning to send.


def test_a_send_draws_the_line_and_starts_the_deadline() -> None:
    life = being_sent()
    task = life.task
    assert task.state is State.SUBMITTING
    assert task.sent_at == task.first_sent_at == task.slot_since == life.now
    assert task.deadline_at == life.now + timedelta(seconds=3600)
    assert task.look_again_at == task.lease_until == life.now + POLICY.lease
    assert (task.attempts, life.told) == (1, [])


def test_only_the_holder_of_the_present_lease_may_send() -> None:
    life = Life().claim()
    assert life.tell(SendStarted(0)).reason == "stale_lease"
    assert life.tell(SendStarted(2)).reason == "stale_lease"
    assert life.later(60).tell(SendStarted(1)).reason == "stale_lease"
    assert Life().tell(SendStarted(0)).reason == "stale_lease"


def test_a_lease_that_ends_before_the_call_would_does_not_allow_a_send() -> None:
    life = Life().claim()
    life.later(30)
    assert life.tell(SendStarted(1)).verdict is Verdict.MOVE
    life = Life().claim()
    life.later(31)
    assert life.tell(SendStarted(1)).verdict is Verdict.REFUSE


def test_a_task_that_is_being_sent_is_not_sent_beside_it() -> None:
    life = being_sent()
    life.later(61)
    assert life.send().reason == "not_to_be_sent"


@pytest.mark.parametrize("ends", [CancelAsked(), callback(video())])
def test_what_ended_before_the_line_is_not_sent(ends: Input) -> None:
    life = Life().claim()
    life.tell(ends)
    assert life.tell(SendStarted(1)).verdict is Verdict.REFUSE


# Accepted, and what may overtake it.


def test_an_acknowledgement_makes_the_task_processing() -> None:
    life = processing(upstream_id="a")
    assert (life.task.state, life.task.upstream_id) == (State.PROCESSING, "a")
    assert life.task.submitted_at == life.now
    assert life.task.look_again_at == life.now + POLICY.poll_after
    assert life.told == ["task.processing"]


def test_a_callback_that_overtakes_the_answer_leaves_nothing_for_it_to_do() -> None:
    life = being_sent(2)
    life.tell(callback(video()))
    assert life.told == ["task.processing", "video.completed"]
    assert life.tell(Accepted()).verdict is Verdict.IGNORE
    for answer in (Refused(REFUSAL, 1), TryLater(BUSY, 1), SubmitUnknown(SILENCE, 1)):
        assert life.tell(answer).verdict is Verdict.IGNORE
    life.tell(Accepted("a"))
    assert life.task.upstream_id == "a"


def test_an_answer_may_bring_the_video_at_once() -> None:
    life = being_sent()
    life.tell(Accepted("a", callback(video())))
    assert (life.task.state, life.task.upstream_id) == (State.COMPLETED, "a")


def test_an_acceptance_is_believed_from_whoever_brings_it() -> None:
    life = sent_again()
    life.tell(Accepted("a"))
    assert life.task.state is State.PROCESSING
    assert (life.task.unknown, life.task.resend_at, life.task.error) == (False, None, None)


# Refused.


def test_a_refusal_rejects_a_task_that_was_sent_once() -> None:
    life = being_sent(2)
    life.tell(Refused(REFUSAL, 1))
    assert (life.task.state, life.codes) == (State.REJECTED, ["invalid", "invalid"])
    assert life.told == ["video.failed", "video.failed", "task.rejected"]
    assert life.task.slot_since is None


@pytest.mark.parametrize("answer", [Refused(REFUSAL, 2), TryLater(BUSY, 2)])
def test_after_an_unresolved_unknown_no_refusal_is_final(answer: Input) -> None:
    life = sent_again()
    life.tell(answer)
    assert life.task.state is State.SUBMITTING
    assert life.task.unknown
    assert life.task.slot_since is not None


# Try later.


def test_try_later_brings_the_task_back_and_stops_the_deadline() -> None:
    life = being_sent()
    life.later(3).tell(TryLater(BUSY, 1), jitter=0.75)
    task = life.task
    assert (task.state, task.error, task.attempts) == (State.QUEUED, BUSY, 1)
    assert (task.deadline_at, task.first_sent_at, task.slot_since) == (None, None, None)
    assert task.look_again_at == life.now + timedelta(seconds=1.5)
    life.later(4000).send()
    assert life.task.deadline_at == life.now + timedelta(seconds=3600)
    assert life.task.first_sent_at == life.now


def test_try_later_waits_as_long_as_the_upstream_asks() -> None:
    life = being_sent()
    life.tell(TryLater(BUSY, 1, timedelta(seconds=77)))
    assert life.task.look_again_at == life.now + timedelta(seconds=77)


def test_regression_try_later_waited_past_the_time_to_start() -> None:
    life = Life().later(START_WITHIN_S - 2)
    life.send()
    life.tell(TryLater(BUSY, 1, timedelta(seconds=77)))
    assert life.task.look_again_at == life.task.start_by
    life.until(life.task.look_again_at)
    assert life.due() is Due.TICK
    life.tell(Tick())
    assert (life.task.state, life.codes) == (State.TIMED_OUT, ["never_started"])


def test_regression_a_resend_did_not_wait_as_long_as_the_upstream_asked() -> None:
    life = sent_again()
    life.tell(TryLater(BUSY, 2, timedelta(seconds=77)))
    assert life.task.resend_at == life.now + timedelta(seconds=77)
