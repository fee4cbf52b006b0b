"""The laws of everything that ever happened to one task, in order, each with its sentence."""

from collections import Counter
from collections.abc import Sequence

from service.core.inputs import (
    Accepted,
    Input,
    ReadNothing,
    Refused,
    Report,
    SubmitUnknown,
    TryLater,
)
from service.core.states import State
from service.core.task import Result
from tests.support.laws import TERMINAL, Step


def told_once(history: Sequence[Step]) -> None:
    """`task.processing` and a terminal event are told at most once, each result at most once."""
    told = [a for s in history for a in s.decision.announce]
    assert all(
        n == 1 for n in Counter(a.result_index for a in told if a.result_index is not None).values()
    )
    types = Counter(a.type for a in told)
    assert types["task.processing"] <= 1
    assert sum(types[t] for t in TERMINAL) <= 1


def no_paid_video_is_silent(history: Sequence[Step]) -> None:
    """Every video that any report ever carried is kept, and told exactly once."""
    paid = {v.video_uuid for s in history if (r := reported(s.event)) for v in r.videos}
    last = history[-1].after
    kept: dict[str, Result] = {r.video.video_uuid: r for r in last.results if r.video}
    assert set(kept) == paid
    told = Counter(
        a.result_index
        for s in history
        for a in s.decision.announce
        if a.type in {"video.completed", "video.late"}
    )
    assert told == Counter(r.index for r in kept.values())


def one_send_at_a_time(history: Sequence[Step]) -> None:
    """A send waits until the one before was answered and read, or must have ended and was read."""
    sent: Step | None = None
    answered = read = queued = False
    for step in history:
        if step.sends:
            policy = step.policy
            over = sent is None or step.now >= sent.now + policy.call_limit + policy.resend_margin
            assert sent is None or queued or (read and (answered or over))
            sent, answered, read, queued = step, False, False, False
        elif sent is not None and step.moved:
            mine = getattr(step.event, "lease_no", None) == sent.before.lease_no
            match step.event:
                case Refused() | SubmitUnknown(answered=True) if mine:
                    answered, read = True, False
                case TryLater() if mine:
                    answered, read, queued = True, False, step.after.state is State.QUEUED
                case ReadNothing():
                    read = True
                case _:
                    pass


OF_A_HISTORY = (told_once, no_paid_video_is_silent, one_send_at_a_time)


def reported(event: Input) -> Report | None:
    """Give the report that an input carries."""
    if isinstance(event, Accepted):
        return event.report
    return event if isinstance(event, Report) else None


def check_history(history: Sequence[Step]) -> None:
    """Hold all that happened to one task against every law of a history; each step was checked."""
    for law in OF_A_HISTORY:
        law(history)
