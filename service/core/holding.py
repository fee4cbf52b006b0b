"""Tasks of which all is known, while their `video.completed` waits for the files to be kept; and what comes of files.

The verdict stands: nothing here changes it, and the wait is bounded by `hold_until` of each result.
"""

from dataclasses import replace

from service.core.decision import (
    Announcement,
    Context,
    Decision,
    ignore,
    move,
    next_look,
    past,
    refuse,
    release,
)
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
from service.core.media import ArchiveState
from service.core.reporting import conflicting, settled_at_last
from service.core.settle import add_late
from service.core.states import CallbackOutcome, ResultState
from service.core.task import Result, Task


def decide_holding(  # noqa: C901 - the table: one case an input
    task: Task, event: Input, ctx: Context
) -> Decision:
    """Decide what follows from an input to a task that only waits for its files."""
    match event:
        case Archived():
            return archived(task, event, ctx)
        case Tick() | ReadNothing() | ReadFailed():
            return _look_later(task, ctx)
        case Report():
            return _more(task, event, ctx)
        case Accepted():
            said = event.report or Report(Source.SUBMIT, running=True)
            return _more(
                task, replace(said, upstream_id=event.upstream_id or said.upstream_id), ctx
            )
        case SubmitUnknown():
            return _more(task, Report(Source.SUBMIT, upstream_id=event.upstream_id), ctx)
        case CancelAsked():
            # Its videos are there and paid for: there is nothing left to cancel but the wait.
            return _tell(task, task.held, ctx, "canceled_too_late")
        case AskUpstream():
            return ignore(task, event.reason)
        case Unconfirmed():
            known = all(task.has_video(v.video_uuid) for v in event.report.videos)
            told = ignore(task, "archiving")
            return told if known else replace(told, outcome=CallbackOutcome.LATE)
        case Refused() | TryLater():
            return ignore(task, "archiving")
        case SendStarted():
            return refuse(task, "archiving")


def archived(task: Task, event: Archived, ctx: Context) -> Decision:
    """Note what became of a file, and tell of it; a result that was held is told of with it."""
    result = next((r for r in task.results if r.index == event.index), None)
    if result is None or result.archive is None or not _news(result, event):
        return ignore(task, "archived_before")
    noted = replace(result, archive=event.archive)
    after = replace(task, results=tuple(noted if r is result else r for r in task.results))
    kind = _KINDS.get(event.archive.state)
    announce = () if kind is None else (Announcement(kind, event.index),)
    reason = f"archive_{event.archive.state.value}"
    if result.state is not ResultState.ARCHIVING:
        return move(after, reason, announce)
    return _tell(after, (noted,), ctx, reason, announce)


def hold_over(task: Task, ctx: Context) -> Decision:
    """Tell of the results that were held for as long as they may be; their files may still come."""
    over = tuple(r for r in task.held if past(r.hold_until, ctx.now))
    told = _tell(task, over, ctx, "archive_waited_for")
    if told.task.final or told.task.holding:
        return told
    looks = replace(told.task, lease_until=None, look_again_at=next_look(told.task, ctx))
    return replace(told, task=looks)


_KINDS = {
    ArchiveState.KEPT: "video.archived",
    ArchiveState.FAILED: "video.archive_failed",
}


def _news(result: Result, event: Archived) -> bool:
    """Whether it says more than is known: what was kept only goes, and what failed may still be kept."""
    was = None if result.archive is None else result.archive.state
    match event.archive.state:
        case ArchiveState.PENDING:
            return False
        case ArchiveState.FAILED:
            return was is ArchiveState.PENDING
        case ArchiveState.KEPT:
            return was in {ArchiveState.PENDING, ArchiveState.FAILED}
        case ArchiveState.DELETED:
            return was is ArchiveState.KEPT


def _tell(
    task: Task,
    held: tuple[Result, ...],
    ctx: Context,
    reason: str,
    announce: tuple[Announcement, ...] = (),
) -> Decision:
    after = release(task, held)
    announce += tuple(Announcement("video.completed", r.index) for r in held)
    if after.open_results:
        return move(after, reason, announce)
    return settled_at_last(after, ctx, announce, reason)


def _more(task: Task, said: Report, ctx: Context) -> Decision:
    """Keep videos beyond those that were asked for: they were paid for, and the others are known."""
    if task.upstream_id and said.upstream_id and said.upstream_id != task.upstream_id:
        return conflicting(task, said, ctx)
    after, late = add_late(task, said.videos, ctx.now)
    if said.upstream_id and task.upstream_id is None:
        after = replace(after, upstream_id=said.upstream_id)
    if after == task:
        return _look_later(task, ctx)
    told = tuple(Announcement("video.late", r.index) for r in late)
    return move(after, "after_the_videos", told, CallbackOutcome.LATE)


def _look_later(task: Task, ctx: Context) -> Decision:
    """Nothing new; the wait is over, or somebody who was sent to look is not needed before it is."""
    if past(task.hold_until, ctx.now):
        return hold_over(task, ctx)
    if task.look_again_at == task.hold_until or not past(task.look_again_at, ctx.now):
        return ignore(task, "archiving")
    later = replace(task, look_again_at=task.hold_until, lease_until=None)
    return move(later, "archiving_still", outcome=CallbackOutcome.DUPLICATE)
