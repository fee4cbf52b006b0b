"""The table of states and inputs, and what time and doubt do to a task."""

from collections.abc import Callable
from itertools import product

import pytest

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import (
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    Reading,
    ReadNothing,
    Refused,
    SendStarted,
    Tick,
    TryLater,
)
from service.core.states import MOVES, State
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
    never_started,
    one_of_each,
    poll,
    processing,
    sent_again,
    unknown,
    video,
)

WAYS: dict[str, Callable[[], Life]] = {
    "queued": lambda: Life().claim(),
    "being_sent": being_sent,
    "unknown": unknown,
    "sent_again": sent_again,
    "processing": processing,
    "canceled": lambda: ended(State.CANCELED),
    "completed": lambda: ended(State.COMPLETED),
}
TABLE = {
    #                queued    being_sent unknown   sent_again processing canceled  completed
    "SendStarted": ("move", "refuse", "refuse", "refuse", "refuse", "refuse", "refuse"),
    "Accepted": ("move", "move", "move", "move", "move", "move", "move"),
    "Refused": ("ignore", "move", "move", "move", "ignore", "ignore", "ignore"),
    "TryLater": ("ignore", "move", "move", "move", "ignore", "ignore", "ignore"),
    "SubmitUnknown": ("ignore", "move", "move", "move", "ignore", "ignore", "ignore"),
    "Report": ("move", "move", "move", "move", "move", "move", "ignore"),
    "ReadNothing": ("ignore", "ignore", "move", "ignore", "move", "move", "ignore"),
    "ReadFailed": ("ignore", "ignore", "move", "ignore", "move", "move", "ignore"),
    "Tick": ("ignore", "ignore", "ignore", "ignore", "ignore", "ignore", "ignore"),
    "CancelAsked": ("move", "move", "move", "move", "move", "ignore", "refuse"),
    "AskUpstream": ("ignore", "move", "move", "move", "move", "move", "ignore"),
    "Unconfirmed": ("move", "move", "move", "move", "move", "move", "ignore"),
}
CELLS = [
    (way, name, verdict)
    for name, row in TABLE.items()
    for way, verdict in zip(WAYS, row, strict=True)
]


@pytest.mark.parametrize(("way", "name", "verdict"), CELLS)
def test_every_state_and_input_has_its_verdict(way: str, name: str, verdict: str) -> None:
    life = WAYS[way]()
    event = one_of_each(life.task.lease_no)[name]
    assert life.tell(event).verdict is Verdict(verdict)


@pytest.mark.parametrize("years", [0, 10])
def test_the_table_is_total_at_any_time(years: int) -> None:
    lives = [*WAYS.values(), never_started, *(lambda s=s: ended(s, 2) for s in State if s in DONE)]
    for way, results in product(lives, ("SendStarted", *TABLE)):
        life = way().later(years * 365 * 86400)
        life.tell(one_of_each(life.task.lease_no)[results])


DONE = frozenset(State) - {State.QUEUED, State.SUBMITTING, State.PROCESSING}


def test_every_move_of_the_table_happens_and_no_other() -> None:
    ends: list[Input] = [
        callback(running=True),
        callback(video()),
        callback(faults=(BROKEN,)),
        poll(rejected=REFUSAL),
        CancelAsked(),
        ReadNothing(),
        TryLater(BUSY, 1),
        SendStarted(1),
        Tick(),
    ]
    seen: dict[State, set[State]] = {state: set() for state in State}
    for way, event, much_later in product(WAYS.values(), ends, (0, 10**7)):
        life = way().later(much_later)
        was = life.task.state
        life.tell(event)
        if life.task.state is not was:
            seen[was].add(life.task.state)
    assert seen == {state: set(moves) for state, moves in MOVES.items()}


# Time.


def test_a_task_that_is_not_sent_in_time_never_started() -> None:
    life = never_started()
    assert life.task.state is State.TIMED_OUT
    assert life.codes == ["never_started"]
    assert life.told == ["video.failed", "task.timed_out"]
    assert life.task.look_again_at is None


def test_a_send_that_comes_too_late_ends_the_task_instead() -> None:
    life = Life().later(86400)
    decision = life.send()
    assert decision.task.state is State.TIMED_OUT
    assert not life.history[-1].sends
    assert decision.task.attempts == 0


def test_at_the_deadline_the_upstream_is_asked_one_last_time() -> None:
    life = processing()
    life.until(life.task.deadline_at)
    assert life.due() is Due.READ
    life.tell(poll(running=True))
    assert (life.task.state, life.codes) == (State.TIMED_OUT, ["deadline"])
    assert life.task.slot_since is not None


def test_a_video_that_the_last_poll_finds_completes_the_task() -> None:
    life = processing()
    life.until(life.task.deadline_at).tell(poll(video()))
    assert life.task.state is State.COMPLETED


def test_the_deadline_settles_only_what_is_open() -> None:
    life = processing(2)
    life.later(10).tell(callback(video()))
    life.until(life.task.deadline_at).tell(poll(video(), running=True))
    assert (life.task.state, life.task.error) == (State.COMPLETED, None)
    assert life.codes == [None, "deadline"]
    assert life.told == ["task.processing", "video.completed", "video.failed", "task.completed"]


def test_inside_the_grace_a_failed_read_is_tried_again() -> None:
    life = processing()
    life.until(life.task.deadline_at).tell(ReadFailed(SILENCE))
    assert life.task.state is State.PROCESSING
    assert life.task.look_again_at == life.now + POLICY.deadline_grace / 10


def test_after_the_grace_an_unreachable_upstream_ends_the_task() -> None:
    life = processing()
    assert life.task.deadline_at is not None
    life.until(life.task.deadline_at + POLICY.deadline_grace).tell(ReadFailed(SILENCE))
    assert (life.task.state, life.codes) == (State.TIMED_OUT, ["upstream_unreachable"])


@pytest.mark.parametrize("reading", [ReadNothing(), ReadFailed(SILENCE)])
def test_an_unresolved_submit_ends_as_submit_unknown(reading: Reading) -> None:
    life = unknown()
    assert life.task.deadline_at is not None
    life.until(life.task.deadline_at + POLICY.deadline_grace).tell(reading)
    assert (life.task.state, life.codes) == (State.TIMED_OUT, ["submit_unknown"])
    assert life.task.slot_since is not None


def test_a_callback_after_the_deadline_still_counts_until_the_last_poll() -> None:
    life = processing()
    life.until(life.task.deadline_at).later(5).tell(callback(video()))
    assert life.task.state is State.COMPLETED


# Asking.


@pytest.mark.parametrize("way", ["unknown", "processing", "canceled"])
def test_what_cannot_be_trusted_makes_a_look_due_at_once_and_once(way: str) -> None:
    life = WAYS[way]()
    assert life.tell(AskUpstream("unverified_callback")).verdict is Verdict.MOVE
    assert life.task.look_again_at == life.now
    assert life.later(3).tell(AskUpstream("unverified_callback")).verdict is Verdict.IGNORE


def test_a_report_beats_a_cancel_and_a_cancel_beats_a_report() -> None:
    first = processing()
    first.tell(callback(video()))
    assert first.tell(CancelAsked()).verdict is Verdict.REFUSE
    second = processing()
    second.tell(CancelAsked())
    second.tell(callback(video()))
    assert (first.task.state, second.task.state) == (State.COMPLETED, State.CANCELED)
    assert second.told == ["task.processing", "task.canceled", "video.late"]


def test_an_ignored_input_does_not_stand_in_the_way_of_a_real_one() -> None:
    life = processing()
    assert life.tell(Refused(REFUSAL, life.task.lease_no)).verdict is Verdict.IGNORE
    assert life.tell(callback(video())).task.state is State.COMPLETED
