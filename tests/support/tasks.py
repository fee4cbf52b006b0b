"""Tasks, policies and inputs to test decisions with, and `Life`: one task, its clock and its history.

What `Life` is told goes through `decide` and is held against the laws at once, so every test that uses it
tests all of them.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from service.core.decide import Step as Due
from service.core.decide import decide, next_step
from service.core.decision import Decision
from service.core.fault import Fault, FaultKind
from service.core.inputs import (
    Accepted,
    Archived,
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    Source,
    SubmitUnknown,
    Tick,
    TryLater,
    Unconfirmed,
)
from service.core.media import Archive, ArchiveState
from service.core.states import State
from service.core.task import Policy, Result, Task, Video
from tests.support.laws import check_history, check_step
from tests.support.steps import Step

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UUID4 = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")
DEADLINE_S = 3600
START_WITHIN_S = 86400

BROKEN = Fault("broken", "The upstream gave up.", FaultKind.PERMANENT)
NO_REASON = Fault("failed", "Failed.", FaultKind.UNKNOWN)
REFUSAL = Fault("invalid", "The upstream does not want it.", FaultKind.PERMANENT)
BUSY = Fault("busy", "The upstream has no room.", FaultKind.TRANSIENT)
SILENCE = Fault("timeout", "No answer came.", FaultKind.TRANSIENT)

POLICY = Policy(
    poll_after=timedelta(seconds=60),
    poll_max=timedelta(seconds=600),
    unknown_read_after=timedelta(seconds=5),
    call_limit=timedelta(seconds=30),
    lease=timedelta(seconds=60),
    resend_window=timedelta(seconds=600),
    resend_margin=timedelta(seconds=30),
    deadline_grace=timedelta(seconds=300),
    slot_max=timedelta(days=1),
    settle_wait=timedelta(seconds=30),
    vague_span=timedelta(seconds=60),
    vague_polls=3,
    retry_base=timedelta(seconds=2),
    retry_max=timedelta(seconds=300),
)


def video(n: int = 1) -> Video:
    """Make the n-th video there is."""
    return Video(f"video-{n}", f"https://videos.example/{n}.mp4", n, Decimal("0.13"), nsfw=False)


def queued(results: int = 1) -> Task:
    """Make a task that was just accepted."""
    return Task(
        task_uuid=UUID4,
        tenant="default",
        provider="runware",
        account="default",
        model="sync:3@0",
        state=State.QUEUED,
        results_expected=results,
        results=tuple(Result(i) for i in range(results)),
        created_at=NOW,
        start_by=NOW + timedelta(seconds=START_WITHIN_S),
        deadline_seconds=DEADLINE_S,
        look_again_at=NOW,
    )


def callback(*videos: Video, faults: tuple[Fault, ...] = (), **more: object) -> Report:
    """Say what a callback says."""
    return replace(Report(Source.CALLBACK, videos=videos, faults=faults), **more)  # type: ignore[arg-type]  # replace is not typed by field


def poll(*videos: Video, faults: tuple[Fault, ...] = (), **more: object) -> Report:
    """Say what a poll says."""
    return replace(Report(Source.POLL, videos=videos, faults=faults), **more)  # type: ignore[arg-type]  # replace is not typed by field


class Life:
    """One task from its acceptance on."""

    def __init__(self, results: int = 1, policy: Policy = POLICY, task: Task | None = None) -> None:
        self.task = task or queued(results)
        self.policy = policy
        self.now = NOW
        self.history: list[Step] = []

    @property
    def told(self) -> list[str]:
        """All events so far."""
        return [t for step in self.history for t in step.told]

    @property
    def codes(self) -> list[str | None]:
        """The error codes of all results."""
        return [r.error.code if r.error else None for r in self.task.results]

    def tell(self, event: Input, jitter: float = 0.5) -> Decision:
        """Let something happen to the task now, and hold all that ever happened against the laws."""
        decision = self.step(event, jitter)
        check_history(self.history)
        return decision

    def step(self, event: Input, jitter: float = 0.5) -> Decision:
        """Let something happen now, for long lives, whose test looks at the whole history once."""
        decision = decide(self.task, event, self.now, self.policy, jitter)
        step = Step(self.now, self.task, event, decision, self.policy)
        self.history.append(step)
        task = decision.task
        self.task = replace(task, hold_over_at=None if task.final else task.hold_until)
        check_step(step)
        return decision

    def later(self, seconds: float) -> "Life":
        """Let time pass."""
        self.now += timedelta(seconds=seconds)
        return self

    def until(self, moment: datetime | None) -> "Life":
        """Let time pass until a moment, which must not be over."""
        assert moment is not None
        assert moment >= self.now
        self.now = moment
        return self

    def claim(self) -> "Life":
        """Claim the task as a worker does: only the lease and its number change."""
        lease = self.now + self.policy.lease
        self.task = replace(self.task, lease_no=self.task.lease_no + 1, lease_until=lease)
        return self

    def send(self) -> Decision:
        """Claim the task and begin to send it."""
        self.claim()
        return self.tell(SendStarted(self.task.lease_no))

    def due(self) -> Due:
        """Say what the task needs now."""
        return next_step(self.task, self.now, self.policy)


def being_sent(results: int = 1, policy: Policy = POLICY) -> Life:
    """Make a task that is being sent for the first time."""
    life = Life(results, policy)
    life.send()
    return life


def unknown(results: int = 1, policy: Policy = POLICY) -> Life:
    """Make a task whose send got a 5xx, two seconds after it began."""
    life = being_sent(results, policy).later(2)
    life.tell(SubmitUnknown(SILENCE, life.task.lease_no, answered=True))
    return life


def sent_again(results: int = 1, policy: Policy = POLICY) -> Life:
    """Make a task with an unknown outcome that was read, not found, and is being sent again."""
    life = unknown(results, policy).later(5)
    life.tell(ReadNothing())
    life.send()
    return life


def processing(results: int = 1, policy: Policy = POLICY, upstream_id: str | None = None) -> Life:
    """Make a task that the upstream acknowledged, two seconds after it was sent."""
    life = being_sent(results, policy).later(2)
    life.tell(Accepted(upstream_id))
    return life


def ended(state: State, results: int = 1) -> Life:
    """Make a task of a final state; canceled and timed-out ones still hold their place upstream."""
    life = processing(results)
    if state is State.CANCELED:
        life.tell(CancelAsked())
    elif state is State.TIMED_OUT:
        life.until(life.task.deadline_at).tell(ReadNothing())
    elif state is State.COMPLETED:
        life.tell(poll(*(video(n) for n in range(1, results + 1))))
    elif state is State.FAILED:
        life.tell(poll(faults=(BROKEN,) * results))
    else:
        life.tell(poll(rejected=REFUSAL))
    assert life.task.state is state
    return life


def never_started() -> Life:
    """Make a task that was not sent in time."""
    life = Life().later(START_WITHIN_S)
    life.tell(Tick())
    return life


def one_of_each(lease_no: int) -> dict[str, Input]:
    """Give one input of every kind, as the present holder of the lease would bring it."""
    return {
        "SendStarted": SendStarted(lease_no),
        "Accepted": Accepted("upstream-1"),
        "Refused": Refused(REFUSAL, lease_no),
        "TryLater": TryLater(BUSY, lease_no),
        "SubmitUnknown": SubmitUnknown(SILENCE, lease_no),
        "Report": callback(video(1)),
        "ReadNothing": ReadNothing(),
        "ReadFailed": ReadFailed(SILENCE),
        "Tick": Tick(),
        "CancelAsked": CancelAsked(),
        "AskUpstream": AskUpstream("unreadable_callback"),
        "Archived": Archived(0, Archive(ArchiveState.FAILED, error=BROKEN)),
        "Unconfirmed": Unconfirmed(callback(video(1))),
    }
