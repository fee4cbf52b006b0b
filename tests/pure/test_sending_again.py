"""Unknown outcomes of a send: read first, and the same bytes leave again only when that is safe."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import (
    AskUpstream,
    Input,
    ReadFailed,
    ReadNothing,
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
    Life,
    being_sent,
    poll,
    sent_again,
    unknown,
)

# Unknown.


@pytest.mark.parametrize(
    "answer", [Refused(REFUSAL, 0), TryLater(BUSY, 0), SubmitUnknown(SILENCE, 0)]
)
def test_an_answer_of_an_overtaken_worker_tells_nothing(answer: Input) -> None:
    assert being_sent().tell(answer).verdict is Verdict.IGNORE


def test_the_end_of_a_lease_makes_the_outcome_unknown() -> None:
    life = being_sent()
    assert life.later(59).tell(Tick()).verdict is Verdict.IGNORE
    life.until(life.task.look_again_at)
    assert life.due() is Due.TICK
    life.claim().tell(Tick())
    assert (life.task.unknown, life.task.error and life.task.error.code) == (True, "no_answer")
    assert life.later(5).due() is Due.READ


def test_an_unknown_outcome_is_read_before_anything_else() -> None:
    life = unknown()
    assert life.task.look_again_at == life.now + POLICY.unknown_read_after
    assert life.later(300).due() is Due.READ
    assert life.send().verdict is Verdict.REFUSE


def test_after_a_5xx_and_an_empty_read_the_same_bytes_may_leave_again() -> None:
    life = unknown().later(5)
    life.tell(ReadNothing())
    assert life.due() is Due.SEND
    assert life.task.look_again_at == life.now
    life.send()
    assert (life.task.attempts, life.task.state) == (2, State.SUBMITTING)
    assert life.task.first_sent_at == life.history[0].now


def test_a_read_that_failed_allows_nothing() -> None:
    life = unknown().later(5)
    life.tell(ReadFailed(SILENCE))
    assert life.due() is Due.READ
    assert life.send().verdict is Verdict.REFUSE


def test_without_an_answer_nothing_leaves_before_the_call_must_have_ended() -> None:
    life = being_sent().later(30)
    life.tell(SubmitUnknown(SILENCE, 1))
    life.later(5).tell(ReadNothing())
    assert life.due() is Due.READ
    assert life.task.look_again_at is not None
    life.until(life.history[0].now + POLICY.call_limit + POLICY.resend_margin)
    assert life.due() is Due.SEND


def test_outside_the_window_it_is_only_read() -> None:
    life = unknown()
    life.later(598).tell(ReadNothing())
    assert life.due() is Due.READ
    assert life.send().verdict is Verdict.REFUSE
    assert life.task.look_again_at is not None
    assert life.task.look_again_at > life.now


def test_a_window_of_nothing_never_sends_again() -> None:
    life = unknown(policy=replace(POLICY, resend_window=timedelta(0))).later(5)
    life.tell(ReadNothing())
    assert life.due() is Due.READ


def test_what_a_read_finds_resolves_the_unknown() -> None:
    life = unknown().later(5)
    life.tell(poll(running=True, upstream_id="a"))
    assert (life.task.state, life.task.unknown) == (State.PROCESSING, False)
    assert life.tell(AskUpstream("unreadable_callback")).verdict is Verdict.MOVE


def test_a_named_generation_is_never_made_again() -> None:
    life = being_sent().later(2)
    life.tell(SubmitUnknown(SILENCE, 1, answered=True, upstream_id="a"))
    life.later(5).tell(ReadNothing())
    assert life.task.upstream_id == "a"
    assert life.due() is Due.READ
    assert life.send().verdict is Verdict.REFUSE


def test_regression_a_named_generation_was_read_without_a_pause() -> None:
    life = being_sent().later(2)
    life.tell(SubmitUnknown(SILENCE, 1, answered=True, upstream_id="a"))
    life.later(60).tell(ReadNothing())
    assert life.task.look_again_at is not None
    assert life.task.look_again_at > life.now


def test_regression_the_id_in_an_overtaken_answer_was_lost() -> None:
    life = being_sent()
    life.until(life.task.look_again_at).claim().tell(Tick())
    life.later(5).tell(ReadNothing())
    assert life.due() is Due.SEND
    life.tell(SubmitUnknown(SILENCE, 1, answered=True, upstream_id="a"))
    assert life.task.upstream_id == "a"
    life.claim()
    life.tell(SubmitUnknown(SILENCE, 1, answered=True, upstream_id="a"))
    assert life.due() is Due.READ


def test_another_id_than_the_first_is_an_alarm_and_not_taken() -> None:
    life = sent_again()
    life.tell(SubmitUnknown(SILENCE, 1, upstream_id="a"))
    decision = life.tell(SubmitUnknown(SILENCE, 2, upstream_id="b"))
    assert (decision.reason, life.task.upstream_id) == ("other_upstream_id", "a")
    assert not life.task.being_sent
    assert life.tell(SubmitUnknown(SILENCE, 1, upstream_id="b")).verdict is Verdict.REFUSE


# A resend that is under way.


def test_regression_a_lost_resend_was_repeated_before_its_call_had_ended() -> None:
    life = sent_again()
    again = life.now
    life.until(life.task.look_again_at).claim()
    assert life.due() is Due.TICK
    life.tell(Tick())
    life.tell(ReadNothing())
    assert life.task.resend_at == again + POLICY.call_limit + POLICY.resend_margin


def test_regression_a_late_read_took_a_resend_out_of_its_senders_hands() -> None:
    life = sent_again()
    before = life.task
    for event in (ReadNothing(), ReadFailed(SILENCE), AskUpstream("unreadable_callback")):
        assert life.later(1).tell(event).verdict is Verdict.IGNORE
    assert life.task == before
    assert life.claim().tell(SendStarted(3)).verdict is Verdict.REFUSE


def test_regression_a_read_from_before_the_answer_allowed_a_resend() -> None:
    life = being_sent()
    life.until(life.task.look_again_at).tell(Tick())
    life.later(5).tell(ReadNothing())
    life.later(1).tell(SubmitUnknown(SILENCE, 1, answered=True))
    assert life.later(5).due() is Due.READ


def test_regression_a_read_of_an_overtaken_worker_allowed_a_resend() -> None:
    life = unknown().later(5).claim()
    overtaken = life.task.lease_no
    life.later(60).claim().tell(ReadNothing(life.task.lease_no))
    life.send()
    life.later(2).tell(SubmitUnknown(SILENCE, life.task.lease_no, answered=True))
    before = life.task
    for event in (ReadNothing(overtaken), ReadFailed(SILENCE, overtaken)):
        assert life.later(1).tell(event).reason == "stale_read"
    assert life.task == before
    assert life.send().verdict is Verdict.REFUSE


def test_a_read_does_not_end_a_task_while_it_is_being_sent() -> None:
    life = Life(task=replace(Life().task, deadline_seconds=1))
    life.send()
    life.later(5)
    assert life.tell(ReadNothing()).verdict is Verdict.IGNORE
    life.until(life.task.look_again_at).tell(Tick())
    life.tell(ReadNothing())
    assert life.codes == ["submit_unknown"]
