"""What still happens to final tasks: late videos, and the watch over a slot that is still taken.

Their state never changes.
"""

from dataclasses import replace

from service.core import retry
from service.core.decision import Announcement, Context, Decision, ignore, move, refuse
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
    Source,
    SubmitUnknown,
    Tick,
    TryLater,
)
from service.core.reporting import conflicting
from service.core.settle import add_late
from service.core.states import CallbackOutcome, State
from service.core.task import Task


def decide_final(task: Task, event: Input, ctx: Context) -> Decision:
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
        case ReadNothing() | ReadFailed() | Tick():
            return _watch(task, ctx)
        case AskUpstream():
            if task.slot_since is None:
                return ignore(task, event.reason)
            return move(replace(task, look_again_at=ctx.now), event.reason)
        case CancelAsked():
            canceled = task.state is State.CANCELED
            return ignore(task, "canceled_before") if canceled else refuse(task, "final")
        case SendStarted():
            return refuse(task, "final")


def _late(task: Task, said: Report, ctx: Context) -> Decision:
    if task.upstream_id and said.upstream_id and said.upstream_id != task.upstream_id:
        return conflicting(task, said, ctx)
    after, late = add_late(task, said.videos, ctx.now)
    if said.upstream_id and task.upstream_id is None:
        after = replace(after, upstream_id=said.upstream_id)
    whole = task.results_expected == 1 or said.source is Source.POLL
    if said.says_ended and whole and task.slot_since is not None:
        after = replace(after, slot_since=None, look_again_at=None, lease_until=None)
    if after == task:
        # A poll that says "still running" has to set the next look of the watch.
        return _watch(task, ctx) if said.source is Source.POLL else ignore(task, "final")
    told = tuple(Announcement("video.late", r.index) for r in late)
    outcome = CallbackOutcome.LATE if late else CallbackOutcome.DUPLICATE
    return move(after, "after_the_end", told, outcome)


def _never_accepted(task: Task, lease_no: int) -> Decision:
    """A send that was under way when the user canceled turned out not to be accepted."""
    if task.slot_since is None or task.unknown or lease_no != task.lease_no:
        return ignore(task, "final")
    return move(replace(task, slot_since=None, look_again_at=None), "never_accepted")


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
