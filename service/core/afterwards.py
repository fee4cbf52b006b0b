"""What still happens to final tasks: late videos, and the watch over a slot that is still taken.

Their state never changes.
"""

from dataclasses import replace

from service.core import retry
from service.core.decision import (
    Announcement,
    Context,
    Decision,
    Verdict,
    ignore,
    look_at_once,
    move,
    past,
    refuse,
)
from service.core.holding import archived
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
from service.core.reporting import conflicting
from service.core.settle import add_late
from service.core.states import CallbackOutcome, State
from service.core.task import Task


def decide_final(  # noqa: C901 - the table: one case an input
    task: Task, event: Input, ctx: Context
) -> Decision:
    """Decide what follows from an input to a final task."""
    match event:
        case Report():
            return _late(task, event, ctx)
        case Accepted():
            said = event.report or Report(Source.SUBMIT, running=True)
            return _late(
                task, replace(said, upstream_id=event.upstream_id or said.upstream_id), ctx
            )
        case SubmitUnknown():
            return _late(task, Report(Source.SUBMIT, upstream_id=event.upstream_id), ctx)
        case Refused() | TryLater():
            return _never_accepted(task, event.lease_no)
        case ReadNothing() | ReadFailed():
            return _watch(task, ctx)
        case Tick():
            return _tick(task, ctx)
        case AskUpstream():
            return _ask(task, event, ctx)
        case Unconfirmed():
            return _unconfirmed(task, event.report, ctx)
        case CancelAsked():
            canceled = task.state is State.CANCELED
            return ignore(task, "canceled_before") if canceled else refuse(task, "final")
        case Archived():
            return archived(task, event, ctx)
        case SendStarted():
            return refuse(task, "final")


def _late(task: Task, said: Report, ctx: Context) -> Decision:
    if task.upstream_id and said.upstream_id and said.upstream_id != task.upstream_id:
        return _watch_on(conflicting(task, said, ctx), said, ctx)
    after, late = add_late(task, said.videos, ctx.now)
    if said.upstream_id and task.upstream_id is None:
        after = replace(after, upstream_id=said.upstream_id)
    if task.slot_since is not None:
        after = _end_of_slot(after, said, ctx)
    if after == task:
        return _watch_on(ignore(task, "final"), said, ctx)
    told = tuple(Announcement("video.late", r.index) for r in late)
    moved = move(after, "after_the_end", told, CallbackOutcome.LATE)
    return _watch_on(moved, said, ctx)


def _end_of_slot(task: Task, said: Report, ctx: Context) -> Task:
    """Free the slot when nothing runs any more; with several results only a poll can know.

    Counted as for open tasks: a row that is not there yet must not end the watch over a paid video.
    """
    if task.results_expected == 1 or said.rejected is not None:
        ended, since = said.says_ended, task.settled_since
    elif said.source is not Source.POLL:
        return task
    else:
        since = (task.settled_since or ctx.now) if said.says_ended else None
        everything = len(said.videos) + len(said.faults) >= task.results_expected
        waited = since is not None and ctx.now - since >= ctx.policy.settle_wait
        ended = said.says_ended and (everything or waited)
    if not ended:
        return replace(task, settled_since=since)
    return replace(task, slot_since=None, look_again_at=None, lease_until=None)


def _watch_on(told: Decision, said: Report, ctx: Context) -> Decision:
    """Set the next look of a watch that a poll did not end."""
    if said.source is not Source.POLL or told.task.slot_since is None:
        return told
    watched = _watch(told.task, ctx)
    reason = watched.reason if told.verdict is Verdict.IGNORE else told.reason
    return replace(watched, reason=reason, announce=told.announce, outcome=told.outcome)


def _never_accepted(task: Task, lease_no: int) -> Decision:
    """A send that was under way when the user canceled turned out not to be accepted."""
    # An answer that contradicts what the upstream said otherwise frees nothing.
    heard = task.submitted_at or task.upstream_id or any(r.video for r in task.results)
    if task.slot_since is None or task.unknown or heard or lease_no != task.lease_no:
        return ignore(task, "final")
    free = replace(task, slot_since=None, look_again_at=None, lease_until=None)
    return move(free, "never_accepted")


def _tick(task: Task, ctx: Context) -> Decision:
    return _watch(task, ctx) if past(task.look_again_at, ctx.now) else ignore(task, "nothing_due")


def _ask(task: Task, event: AskUpstream, ctx: Context) -> Decision:
    asked = look_at_once(task, ctx)
    return ignore(task, event.reason) if asked is task else move(asked, event.reason)


def _unconfirmed(task: Task, said: Report, ctx: Context) -> Decision:
    """Ask about a late video that nobody vouches for; where nothing is watched, it stays in the inbox."""
    if all(task.has_video(v.video_uuid) for v in said.videos):
        return ignore(task, "final")
    asked = look_at_once(task, ctx)
    told = ignore(task, "unconfirmed") if asked is task else move(asked, "unconfirmed")
    return replace(told, outcome=CallbackOutcome.LATE)


def _watch(task: Task, ctx: Context) -> Decision:
    """Look again at a final task whose generation may still run upstream, within bounds."""
    if task.slot_since is None:
        return ignore(task, "final")
    until = task.slot_since + ctx.policy.slot_max
    if ctx.now >= until:
        given_up = replace(task, slot_since=None, look_again_at=None, lease_until=None)
        return move(given_up, "slot_given_up", outcome=CallbackOutcome.DUPLICATE)
    wait = retry.poll_wait(task.polls, ctx.policy.poll_after, ctx.policy.poll_max, ctx.jitter)
    look = min(ctx.now + wait, until)
    watched = replace(task, polls=task.polls + 1, lease_until=None, look_again_at=look)
    return move(watched, "watched", outcome=CallbackOutcome.DUPLICATE)
