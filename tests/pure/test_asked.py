"""Callbacks that cannot be believed: the upstream is asked, at once or as soon as what is under way ends."""

from collections.abc import Callable

import pytest

from service.core.decision import Verdict
from service.core.inputs import (
    Accepted,
    AskUpstream,
    CancelAsked,
    ReadFailed,
    ReadNothing,
    SubmitUnknown,
    Tick,
    Unconfirmed,
)
from service.core.states import CallbackOutcome, State
from tests.support.tasks import (
    BROKEN,
    REFUSAL,
    SILENCE,
    Life,
    being_sent,
    callback,
    ended,
    poll,
    processing,
    unknown,
    video,
)

ASK = AskUpstream("unreadable_callback")
READ = [ReadNothing(), ReadFailed(SILENCE), poll(running=True)]


def read_under_way() -> Life:
    """Make a task whose poll was claimed two seconds ago."""
    life = processing()
    return life.until(life.task.look_again_at).claim().later(2)


# While something is under way.


def test_a_question_during_a_send_is_asked_as_soon_as_the_answer_is_there() -> None:
    life = being_sent().later(1)
    life.tell(ASK)
    assert life.task.being_sent
    assert life.later(1).tell(ASK).verdict is Verdict.IGNORE
    life.later(1).tell(Accepted("up-1"))
    assert life.task.look_again_at == life.now


def test_a_question_during_a_send_ends_no_send_before_its_lease() -> None:
    life = being_sent().later(1)
    life.tell(ASK)
    assert life.later(1).tell(Tick()).verdict is Verdict.IGNORE
    life.until(life.task.lease_until).tell(Tick())
    assert life.task.unknown


def test_a_question_during_a_send_that_fails_is_answered_by_the_read_that_follows() -> None:
    life = being_sent().later(1)
    life.tell(ASK)
    life.tell(SubmitUnknown(SILENCE, 1))
    assert life.task.look_again_at == life.now + life.policy.unknown_read_after


@pytest.mark.parametrize("reading", READ)
def test_a_question_during_a_read_is_not_answered_by_it(reading: ReadNothing) -> None:
    life = read_under_way()
    assert life.tell(ASK).verdict is Verdict.MOVE
    life.later(1).tell(reading)
    assert life.task.look_again_at == life.now
    life.claim().later(1).tell(reading)
    assert life.task.look_again_at != life.now


def test_a_question_during_the_watch_over_a_final_task_is_not_answered_by_its_read() -> None:
    life = ended(State.CANCELED)
    life.until(life.task.look_again_at).claim().later(2)
    life.tell(ASK)
    life.later(1).tell(ReadNothing())
    assert life.task.look_again_at == life.now


def test_without_a_question_a_read_is_followed_by_a_wait() -> None:
    life = read_under_way()
    life.tell(ReadNothing())
    assert life.task.look_again_at not in {None, life.now}


# Nobody vouches for it.


@pytest.mark.parametrize("begin", [Life, being_sent, unknown, processing])
@pytest.mark.parametrize(
    "said", [callback(video()), callback(faults=(BROKEN,)), callback(rejected=REFUSAL)]
)
def test_nothing_that_is_unconfirmed_counts_and_the_upstream_is_asked_at_once(
    begin: Callable[[], Life], said: object
) -> None:
    life = begin().later(1)
    decision = life.tell(Unconfirmed(said))  # type: ignore[arg-type]  # a report of the list above
    assert decision.outcome is CallbackOutcome.APPLIED
    assert life.task.state is State.PROCESSING
    assert life.codes == [None]
    assert life.task.look_again_at == life.now


def test_what_the_poll_says_then_settles_it() -> None:
    life = processing().later(1)
    life.tell(Unconfirmed(callback(video())))
    life.later(1).tell(poll(video()))
    assert life.told[-2:] == ["video.completed", "task.completed"]
    doubled = life.tell(Unconfirmed(callback(video())))
    assert (doubled.verdict, doubled.outcome) == (Verdict.IGNORE, CallbackOutcome.DUPLICATE)


def test_an_unconfirmed_name_does_not_make_the_true_one_conflict() -> None:
    life = processing().later(1)
    life.tell(Unconfirmed(callback(video(), upstream_id="forged")))
    assert life.task.upstream_id is None
    life.tell(poll(video(), upstream_id="true"))
    assert life.task.state is State.COMPLETED
    named = processing(upstream_id="true").tell(
        Unconfirmed(callback(video(), upstream_id="forged"))
    )
    assert (named.verdict, named.outcome) == (Verdict.REFUSE, CallbackOutcome.CONFLICTING)


def test_a_second_unconfirmed_result_is_asked_about_together_with_the_first() -> None:
    life = processing(2).later(1)
    life.tell(Unconfirmed(callback(video(1))))
    second = life.tell(Unconfirmed(callback(video(2))))
    assert (second.verdict, second.outcome) == (Verdict.IGNORE, CallbackOutcome.APPLIED)


def test_an_unconfirmed_video_of_a_watched_task_is_asked_about_and_late() -> None:
    life = processing().later(1)
    life.tell(CancelAsked())
    assert life.tell(Unconfirmed(callback(video()))).outcome is CallbackOutcome.LATE
    assert life.task.look_again_at == life.now
    life.later(1).tell(poll(video()))
    assert life.told[-1] == "video.late"


def test_an_unconfirmed_video_of_a_task_that_nobody_watches_stays_in_the_inbox() -> None:
    decision = ended(State.FAILED).tell(Unconfirmed(callback(video())))
    assert (decision.verdict, decision.outcome) == (Verdict.IGNORE, CallbackOutcome.LATE)
