"""What still happens to final tasks: late videos, the watch over a place upstream, second generations."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import (
    Accepted,
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    SubmitUnknown,
    Tick,
    TryLater,
)
from service.core.states import FINAL, CallbackOutcome, ResultState, State
from tests.support.tasks import (
    BROKEN,
    BUSY,
    POLICY,
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

FINALS = sorted(FINAL)


@pytest.mark.parametrize("state", FINALS)
def test_a_video_for_a_final_task_is_late_once(state: State) -> None:
    life = ended(state)
    before = len(life.told)
    first = life.later(60).tell(callback(video(9)))
    again = life.later(60).tell(poll(video(9)))
    assert (first.outcome, again.outcome) == (CallbackOutcome.LATE, CallbackOutcome.DUPLICATE)
    assert life.told[before:] == ["video.late"]
    assert life.task.results[-1].state is ResultState.LATE
    assert life.task.state is state


@pytest.mark.parametrize("state", FINALS)
def test_nothing_moves_a_final_task(state: State) -> None:
    life = ended(state)
    for event in (
        SendStarted(life.task.lease_no),
        Tick(),
        CancelAsked(),
        Accepted(),
        poll(faults=(BROKEN,)),
    ):
        life.tell(event)
    assert life.task.state is state


def test_cancel_says_whether_it_was_canceled_before() -> None:
    assert ended(State.CANCELED).tell(CancelAsked()).verdict is Verdict.IGNORE
    assert ended(State.FAILED).tell(CancelAsked()).verdict is Verdict.REFUSE


def test_open_results_of_a_canceled_task_are_told_to_nobody() -> None:
    life = processing(2)
    life.tell(callback(video()))
    life.tell(CancelAsked())
    assert [r.state for r in life.task.results] == [ResultState.COMPLETED, ResultState.CANCELED]
    assert life.told == ["task.processing", "video.completed", "task.canceled"]


def test_a_canceled_task_that_was_never_sent_is_not_watched() -> None:
    life = Life()
    life.tell(CancelAsked())
    assert life.task.look_again_at is None


# Canceled while it was being sent.


def test_a_refusal_after_the_cancel_frees_the_place() -> None:
    for answer in (Refused(REFUSAL, 1), TryLater(BUSY, 1)):
        life = being_sent()
        life.tell(CancelAsked())
        assert life.task.look_again_at == life.now + POLICY.poll_after
        life.later(1).tell(answer)
        assert life.task.look_again_at is None


def test_an_acceptance_after_the_cancel_keeps_the_place_and_the_id() -> None:
    life = being_sent()
    life.tell(CancelAsked())
    life.later(1).tell(Accepted("a"))
    assert (life.task.state, life.task.upstream_id) == (State.CANCELED, "a")
    assert life.due() is Due.READ
    life.later(60).tell(poll(video(), upstream_id="a"))
    assert life.told == ["task.canceled", "video.late"]
    assert life.task.slot_since is None


def test_an_id_in_an_unknown_answer_after_the_cancel_is_kept() -> None:
    life = being_sent()
    life.tell(CancelAsked())
    life.tell(SubmitUnknown(SILENCE, 1, upstream_id="a"))
    assert (life.task.upstream_id, life.task.slot_since) == ("a", life.task.sent_at)


def test_a_refusal_of_another_send_or_after_an_unknown_frees_nothing() -> None:
    life = being_sent()
    life.tell(CancelAsked())
    assert life.tell(Refused(REFUSAL, 0)).verdict is Verdict.IGNORE
    life = unknown()
    life.tell(CancelAsked())
    assert life.tell(Refused(REFUSAL, 1)).verdict is Verdict.IGNORE
    assert life.task.slot_since is not None


@pytest.mark.parametrize(
    "heard", [callback(running=True), callback(video()), callback(running=True, upstream_id="a")]
)
def test_regression_a_refusal_freed_the_place_of_what_the_upstream_had_reported(
    heard: Input,
) -> None:
    life = being_sent(2)
    life.tell(heard)
    life.tell(CancelAsked())
    life.tell(Refused(REFUSAL, 1))
    assert life.task.slot_since is not None


# The watch.


def test_a_watch_reads_and_backs_off_until_the_place_is_given_up() -> None:
    life = ended(State.CANCELED)
    waits: list[timedelta] = []
    steps: list[Due] = []
    while life.task.slot_since is not None:
        began = life.now
        life.until(life.task.look_again_at)
        waits.append(life.now - began)
        steps.append(life.due())
        life.tell(Tick() if steps[-1] is Due.TICK else ReadNothing())
    assert waits[:3] == [timedelta(seconds=60), timedelta(seconds=60), timedelta(seconds=90)]
    assert max(waits) <= POLICY.poll_max
    assert set(steps[:-1]) == {Due.READ}
    assert steps[-1] is Due.TICK
    assert life.now - life.history[0].now == POLICY.slot_max
    assert life.history[-1].decision.reason == "slot_given_up"


@pytest.mark.parametrize(
    "reading",
    [ReadNothing(), ReadFailed(SILENCE), poll(running=True), poll(), poll(upstream_id="b")],
)
def test_whatever_a_watch_reads_the_next_look_is_later(reading: Input) -> None:
    life = processing(upstream_id="a")
    life.tell(CancelAsked())
    for _ in range(5):
        life.until(life.task.look_again_at).claim().tell(reading)
        assert life.task.look_again_at is not None
        assert life.task.look_again_at > life.now
        assert life.task.lease_until is None


@pytest.mark.parametrize(
    "says", [callback(faults=(BROKEN,)), poll(faults=(BROKEN,)), poll(video())]
)
def test_a_watch_ends_when_the_generation_ended(says: Input) -> None:
    life = ended(State.CANCELED)
    decision = life.later(60).tell(says)
    assert (life.task.slot_since, life.task.look_again_at) == (None, None)
    assert decision.outcome is CallbackOutcome.LATE


def test_a_late_video_of_several_does_not_end_the_watch() -> None:
    life = processing(2)
    life.tell(CancelAsked())
    life.later(60).tell(callback(video(1)))
    assert life.due() is Due.READ
    life.tell(poll(video(1), video(2)))
    assert life.task.slot_since is None
    assert life.told.count("video.late") == 2


def test_regression_a_poll_that_showed_one_of_two_videos_ended_the_watch() -> None:
    life = processing(2)
    life.tell(CancelAsked())
    life.until(life.task.look_again_at).tell(poll(video(1)))
    assert life.due() is Due.READ
    life.until(life.task.look_again_at).tell(poll(video(1), video(2)))
    assert life.told.count("video.late") == 2
    assert life.task.slot_since is None


def test_two_quiet_polls_half_a_minute_apart_end_the_watch_over_several() -> None:
    life = processing(2)
    life.tell(CancelAsked())
    life.later(60).tell(poll(video(1)))
    life.later(29).tell(poll(video(1)))
    assert life.due() is Due.READ
    life.later(1).tell(poll(video(1)))
    assert life.task.slot_since is None


def test_regression_a_late_video_in_a_running_poll_left_the_watch_overdue() -> None:
    life = processing(2)
    life.tell(CancelAsked())
    life.until(life.task.look_again_at).claim().tell(poll(video(1), running=True))
    assert life.told[-1] == "video.late"
    assert life.task.look_again_at is not None
    assert life.task.look_again_at > life.now
    assert life.task.lease_until is None


def test_a_tick_before_its_time_does_not_put_the_watch_off() -> None:
    life = ended(State.TIMED_OUT)
    assert life.later(1).tell(Tick()).verdict is Verdict.IGNORE
    life.until(life.task.look_again_at).tell(Tick())
    assert life.task.look_again_at is not None
    assert life.task.look_again_at > life.now


def test_nobody_looks_at_a_final_task_without_a_place() -> None:
    life = ended(State.COMPLETED)
    for event in (ReadNothing(), AskUpstream("unreadable_callback"), poll(running=True)):
        assert life.tell(event).verdict is Verdict.IGNORE
    assert life.due() is Due.TICK


# Another generation of the same task.


def test_the_video_of_a_second_generation_is_late_and_conflicting() -> None:
    life = processing(upstream_id="a")
    decision = life.tell(callback(video(2), upstream_id="b"))
    assert decision.outcome is CallbackOutcome.CONFLICTING
    assert decision.reason == "other_upstream_id"
    assert life.told == ["task.processing", "video.late"]
    life.tell(callback(video(1), upstream_id="a"))
    assert life.task.state is State.COMPLETED
    assert life.task.upstream_id == "a"


@pytest.mark.parametrize("state", [State.CANCELED, State.TIMED_OUT])
def test_a_second_generation_of_a_final_task_is_conflicting_too(state: State) -> None:
    life = ended(state)
    life.tell(Accepted("a"))
    assert life.tell(callback(video(2), upstream_id="b")).outcome is CallbackOutcome.CONFLICTING
    assert life.told[-1] == "video.late"
    assert life.task.slot_since is not None


@pytest.mark.parametrize(
    "says", [callback(faults=(BROKEN,)), callback(rejected=REFUSAL), callback()]
)
def test_what_else_another_generation_says_is_refused(says: Report) -> None:
    life = processing(upstream_id="a")
    decision = life.tell(replace(says, upstream_id="b"))
    assert (decision.verdict, decision.outcome) == (Verdict.REFUSE, CallbackOutcome.CONFLICTING)
    assert life.tell(Accepted("b")).verdict is Verdict.REFUSE


def test_regression_polls_of_another_generation_kept_a_task_open_for_ever() -> None:
    life = processing(upstream_id="a")
    decision = life.until(life.task.look_again_at).tell(poll(video(2), upstream_id="b"))
    assert decision.outcome is CallbackOutcome.CONFLICTING
    assert life.task.look_again_at is not None
    assert life.task.look_again_at > life.now
    life.until(life.task.deadline_at).tell(poll(video(2), upstream_id="b"))
    assert (life.task.state, life.codes[0]) == (State.TIMED_OUT, "deadline")
    assert life.told == ["task.processing", "video.late", "video.failed", "task.timed_out"]
