"""One step of a task's life, and what the laws of a whole life have to remember of the steps before."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache

from service.core.decision import Announcement, Decision, Verdict
from service.core.inputs import (
    Accepted,
    Input,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    SubmitUnknown,
    TryLater,
)
from service.core.media import ArchiveState
from service.core.states import ResultState, State
from service.core.task import Policy, Result, Task, Video

TOLD_AS = {
    ResultState.COMPLETED: "video.completed",
    ResultState.FAILED: "video.failed",
    ResultState.LATE: "video.late",
}
FILE_TOLD_AS = {
    ArchiveState.KEPT: "video.archived",
    ArchiveState.DELETED: "video.archived",
    ArchiveState.FAILED: "video.archive_failed",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One input to a task, when it came, and what was decided."""

    now: datetime
    before: Task
    event: Input
    decision: Decision
    policy: Policy

    @property
    def after(self) -> Task:
        return self.decision.task

    @property
    def moved(self) -> bool:
        return self.decision.verdict is Verdict.MOVE

    @property
    def told(self) -> list[str]:
        return [a.type for a in self.decision.announce]

    @property
    def sends(self) -> bool:
        """Whether bytes leave now: only what is being sent afterwards is sent."""
        return isinstance(self.event, SendStarted) and self.moved and self.after.being_sent

    @property
    def videos(self) -> tuple[Video, ...]:
        """The videos that this input reports."""
        said = self.event.report if isinstance(self.event, Accepted) else self.event
        return said.videos if isinstance(said, Report) else ()


@dataclass(frozen=True, slots=True)
class Memory:
    """What has to be remembered of a task's past to know whether it was lawful."""

    told: frozenset[Announcement] = frozenset()
    paid: frozenset[str] = frozenset()
    """Every videoUUID that any report ever carried."""
    sent_at: datetime | None = None
    """The latest send; the rest is about it."""
    answered: bool = False
    read: bool = False
    """A read found nothing after its answer, or after it when no answer came."""

    def after(self, step: Step) -> "Memory":
        """Give what is to be remembered from this step on."""
        if not step.moved:
            return self
        told = self.told | {*step.decision.announce}
        paid = self.paid | {v.video_uuid for v in step.videos}
        if step.sends:
            return Memory(told, paid, step.now)
        now = replace(self, told=told, paid=paid)
        match step.event:
            case TryLater() if step.after.state is State.QUEUED:
                return replace(now, sent_at=None)
            case Refused() | TryLater() | SubmitUnknown(answered=True):
                # Of an overtaken send only an id is taken; whether this one is answered it does not say.
                mine = step.event.lease_no == step.before.lease_no
                return replace(now, answered=True, read=False) if mine else now
            case ReadNothing() if step.event.lease_no in {None, step.before.lease_no}:
                return replace(now, read=True)
            case _:
                return now


@cache
def told_of(results: tuple[Result, ...]) -> frozenset[Announcement]:
    """Give the events that results in these states must have had."""
    return frozenset(Announcement(TOLD_AS[r.state], r.index) for r in results if r.state in TOLD_AS)


@cache
def files_of(results: tuple[Result, ...]) -> frozenset[Announcement]:
    """Give the events that files in these states must have had."""
    return frozenset(
        Announcement(FILE_TOLD_AS[r.archive.state], r.index)
        for r in results
        if r.archive is not None and r.archive.state in FILE_TOLD_AS
    )


@cache
def paid_of(results: tuple[Result, ...]) -> frozenset[str]:
    """Give the videos that are kept in results."""
    return frozenset(r.video.video_uuid for r in results if r.video)
