"""Whatever comes in whatever order at whatever time breaks no law, and every task comes to an end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, product

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.decide import Step as Due
from service.core.decision import Verdict
from service.core.inputs import (
    Accepted,
    Archived,
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    Reading,
    ReadNothing,
    Refused,
    SendStarted,
    SubmitUnknown,
    Tick,
    TryLater,
    Unconfirmed,
)
from service.core.media import ArchiveState
from service.core.task import Policy
from tests.support.canonical import FILES
from tests.support.laws import check_history
from tests.support.tasks import (
    BROKEN,
    BUSY,
    NO_REASON,
    POLICY,
    REFUSAL,
    SILENCE,
    Life,
    being_sent,
    callback,
    poll,
    processing,
    queued,
    sent_again,
    unknown,
    video,
)

NAMES = [None, None, "a", "b"]
VIDEOS: list[tuple[int, ...]] = [(), (1,), (2,), (1, 2), (3, 4, 1), (5, 5, 6)]
REPORTS = [
    replace(of(*(video(n) for n in videos), faults=faults), running=running, upstream_id=name)
    for of in (callback, poll)
    for videos, faults, running, name in [
        *product(VIDEOS, [()], [False, True], [None, "a"]),
        *product(VIDEOS[:4], [(BROKEN,), (BROKEN,) * 3], [False, True], [None]),
        *product(VIDEOS[:3], [(), (BROKEN,)], [False], ["b"]),
    ]
]
VAGUE = [
    of(faults=(NO_REASON,), vague=True, upstream_id=name)
    for of, name in product((callback, poll), (None, "a", "b"))
]
# Answers count lease numbers from the last send's: 0 answers that send, -1 an earlier one.
ANSWERS: list[Input] = [
    *(Accepted(name) for name in (None, "a", "b")),
    Accepted("a", callback(video(1))),
    Accepted(None, callback(video(7))),
    *(Refused(REFUSAL, no) for no in (0, 0, -1)),
    *(TryLater(BUSY, no, timedelta(seconds=90)) for no in (0, 0, -1)),
    *(
        SubmitUnknown(SILENCE, no, answered, name)
        for answered, name, no in product((True, False), NAMES, (0, -1))
    ),
]
OTHERS: list[Input] = [
    Tick(),
    ReadFailed(SILENCE),
    AskUpstream("unverified_callback"),
    Unconfirmed(callback(video(1))),
    Unconfirmed(callback(video(8), faults=(BROKEN,), upstream_id="b")),
    CancelAsked(),
    poll(rejected=REFUSAL),
    callback(video(8), video(9), rejected=REFUSAL),
]
FILED: list[Input] = [
    Archived(index, FILES[state])
    for index, state in product(
        range(4), (ArchiveState.KEPT, ArchiveState.FAILED, ArchiveState.DELETED)
    )
]
INPUTS: list[Input] = [
    *[SendStarted(0)] * 30,
    *[ReadNothing()] * 20,
    *ANSWERS,
    *OTHERS * 2,
    *REPORTS,
    *VAGUE * 2,
    *FILED * 2,
]
HOLDS = [(False, None), (True, None), (True, 45), (True, 600), (True, 5000)]
"""Whether videos are kept, and for how many seconds they are waited for."""
DUE = "until it is due"
GAPS: list[float | str] = [0, 0, 0, 1, 6, 31, 61, 400, 3600, 90000, DUE, DUE, DUE]
POLICIES = [
    POLICY,
    replace(
        POLICY, resend_window=timedelta(0), deadline_grace=timedelta(0), settle_wait=timedelta(0)
    ),
    replace(
        POLICY, deadline_grace=timedelta(seconds=5), slot_max=timedelta(seconds=900), vague_polls=1
    ),
]


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([Life, being_sent, unknown, sent_again, processing]),
    st.integers(1, 4),
    st.sampled_from(POLICIES),
    st.sampled_from(HOLDS),
    st.lists(st.tuples(st.sampled_from(GAPS), st.sampled_from(INPUTS)), max_size=25),
)
def test_no_order_of_inputs_breaks_a_law(
    begin: Callable[[int], Life],
    results: int,
    policy: Policy,
    hold: tuple[bool, int | None],
    lived: list[tuple[float | str, Input]],
) -> None:
    life = begin(results)
    life.policy = policy
    life.task = replace(life.task, archives=hold[0], hold_s=hold[1])
    for gap, event in lived:
        _wait(life, gap)
        decision = life.step(_brought(life, event))
        if decision.verdict is Verdict.IGNORE:
            assert life.step(life.history[-1].event).verdict is Verdict.IGNORE
    if life.history:
        check_history(life.history)


def _wait(life: Life, gap: float | str) -> None:
    look = life.task.look_again_at
    if isinstance(gap, str):
        life.until(max(look or life.now, life.now))
    else:
        life.later(gap)


def _brought(life: Life, event: Input) -> Input:
    """Give an input its lease number; claim first as the store does, which never takes a live lease."""
    lease = life.task.lease_until
    free = life.task.look_again_at and (lease is None or lease <= life.now)
    if free and isinstance(event, SendStarted | ReadNothing):
        life.claim()
    if isinstance(event, SendStarted):
        return SendStarted(life.task.lease_no)
    if isinstance(event, Refused | TryLater | SubmitUnknown):
        sent = [s.before.lease_no for s in life.history if s.sends]
        return replace(event, lease_no=event.lease_no + (sent[-1] if sent else 0))
    return event


# Always an end.

SENDS: list[Callable[[int], Input]] = [
    lambda no: TryLater(BUSY, no),
    lambda no: SubmitUnknown(SILENCE, no),
    lambda no: SubmitUnknown(SILENCE, no, answered=True),
    lambda no: SubmitUnknown(SILENCE, no, answered=True, upstream_id="a"),
    lambda no: Refused(REFUSAL, no),
    lambda _: Accepted("a"),
]
READINGS: list[Reading] = [
    ReadNothing(),
    ReadFailed(SILENCE),
    poll(running=True),
    poll(video(1), running=True),
    poll(video(1)),
    poll(upstream_id="b", running=True),
    poll(faults=(NO_REASON,), vague=True),
    poll(),
]


class Driver:
    """The loops of the service, one task long: claims what is due and does the step that is named."""

    def __init__(
        self, life: Life, sends: list[Callable[[int], Input]], reads: list[Reading]
    ) -> None:
        self.life = life
        self.sends = cycle(sends)
        self.reads = cycle(reads)
        self.steps = 0

    def run(self, call_s: float, crashes: frozenset[int]) -> None:
        """Go on until nobody has to look any more; processes die at the steps in `crashes`."""
        life = self.life
        while (look := life.task.look_again_at) is not None:
            self.steps += 1
            assert self.steps < 600, "it never ends, or looks in circles"
            life.until(max(life.now, look, life.task.lease_until or look))
            life.claim()
            life.task = replace(life.task, hold_over_at=life.task.hold_until)
            self._do(life.due(), call_s, crashes=self.steps in crashes)

    def _do(self, due: Due, call_s: float, *, crashes: bool) -> None:
        life = self.life
        if due is Due.SEND:
            lease_no = life.task.lease_no
            life.step(SendStarted(lease_no))
            if life.history[-1].sends and not crashes:
                life.later(call_s).step(next(self.sends)(lease_no), jitter=0.7)
        elif not crashes:
            life.later(call_s if due is Due.READ else 0)
            life.step(next(self.reads) if due is Due.READ else Tick(), jitter=0.7)


@settings(max_examples=70, deadline=None)
@given(
    st.integers(1, 3),
    st.sampled_from(POLICIES),
    st.lists(st.sampled_from(SENDS), min_size=1, max_size=4),
    st.lists(st.sampled_from(READINGS), min_size=1, max_size=6),
    st.sampled_from([0.0, 3.0, 30.0]),
    st.frozensets(st.integers(1, 12), max_size=3),
    st.sampled_from([None, 90, 1800]),
)
def test_every_task_ends_in_time_whatever_the_upstream_does(
    results: int,
    policy: Policy,
    sends: list[Callable[[int], Input]],
    reads: list[Reading],
    call_s: float,
    crashes: frozenset[int],
    hold_s: int | None,
) -> None:
    short = replace(policy, slot_max=timedelta(hours=2))
    task = replace(queued(results), deadline_seconds=900)
    task = replace(task, archives=hold_s is not None, hold_s=hold_s)
    life = Life(
        task=replace(task, start_by=task.created_at + timedelta(seconds=1200)), policy=short
    )
    Driver(life, sends, reads).run(call_s, crashes)
    check_history(life.history)
    done = life.task
    assert done.finished_at is not None
    limit = done.deadline_at + short.deadline_grace if done.deadline_at else done.start_by
    # Whoever dies leaves a lease that has to end first, and so does the last send.
    slack = short.lease * (len(crashes) + 1) + timedelta(seconds=2 * call_s + (hold_s or 0))
    assert done.finished_at <= limit + slack
