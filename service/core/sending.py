"""Sending: what the line `sent_at` and the four answers to a submit do to a task.

DESIGN.md "Submitting". Every answer but *accepted* carries the lease number of its send: an answer that
comes from a worker whose lease was taken over tells nothing new.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from service.core import retry
from service.core.decision import (
    Context,
    Decision,
    finish,
    ignore,
    move,
    refuse,
    seconds,
)
from service.core.fault import Fault, FaultKind
from service.core.inputs import Refused, SendStarted, SubmitUnknown, TryLater
from service.core.states import CallbackOutcome, State
from service.core.task import Policy, Task


def send_started(task: Task, event: SendStarted, ctx: Context) -> Decision:
    """Commit that a send begins now; only the holder of the present lease may.

    Only a task that is *submitting* afterwards is sent: one that is too late ends here instead. The lease has
    to outlive the call, or somebody else would take the outcome for unknown while the call is under way.
    """
    if event.lease_no != task.lease_no or task.lease_until is None:
        return refuse(task, "stale_lease")
    if task.lease_until <= ctx.now or task.lease_until < ctx.now + ctx.policy.call_limit:
        return refuse(task, "stale_lease")
    if task.state is State.QUEUED:
        return never_started(task, ctx) if ctx.now >= task.start_by else _sending(task, ctx)
    if may_resend(task, ctx.now, ctx.policy):
        return _sending(task, ctx)
    return refuse(task, "not_to_be_sent")


def may_resend(task: Task, now: datetime, policy: Policy) -> bool:
    """Whether the same bytes may be sent again without the danger of paying twice."""
    return (
        task.state is State.SUBMITTING
        and task.unknown
        and task.upstream_id is None
        and task.read_empty_at is not None
        and task.first_sent_at is not None
        and now < task.first_sent_at + policy.resend_window
        and task.resend_at is not None
        and now >= task.resend_at
        and (task.deadline_at is None or now < task.deadline_at)
    )


def never_started(task: Task, ctx: Context) -> Decision:
    """End a task that was not sent in time."""
    text = "It could not be sent within startWithinSeconds."
    fault = Fault("never_started", text, FaultKind.TRANSIENT)
    return finish(task, State.TIMED_OUT, fault, ctx, "never_started")


def _sending(task: Task, ctx: Context) -> Decision:
    first = task.first_sent_at or ctx.now
    sending = replace(
        task,
        state=State.SUBMITTING,
        first_sent_at=first,
        sent_at=ctx.now,
        deadline_at=task.deadline_at or first + seconds(task.deadline_seconds),
        attempts=task.attempts + 1,
        resend_at=None,
        read_empty_at=None,
        slot_since=task.slot_since or ctx.now,
        # Nobody else touches it before the lease ends; past that, its outcome is unknown.
        look_again_at=task.lease_until,
    )
    return move(sending, "sent" if task.state is State.QUEUED else "sent_again")


def refused(task: Task, event: Refused, ctx: Context) -> Decision:
    """End the task as rejected, unless an earlier send may have been accepted."""
    if _stale(task, event.lease_no):
        return ignore(task, "stale_answer")
    if task.unknown:
        return stay_unknown(task, event.fault, ctx, answered=True)
    return finish(replace(task, slot_since=None), State.REJECTED, event.fault, ctx, "refused")


def try_later(task: Task, event: TryLater, ctx: Context) -> Decision:
    """Bring the task back to the queue: certainly nothing was accepted."""
    if _stale(task, event.lease_no):
        return ignore(task, "stale_answer")
    if task.unknown:
        return stay_unknown(task, event.fault, ctx, answered=True, retry_after=event.retry_after)
    wait = retry.submit_wait(
        task.attempts, ctx.policy.retry_base, ctx.policy.retry_max, event.retry_after, ctx.jitter
    )
    if event.account:
        # The account is paused, not the task: another account may take it at once.
        wait = seconds(0)
    waiting = replace(
        task,
        state=State.QUEUED,
        # Neither the deadline nor the resend window has begun.
        first_sent_at=None,
        deadline_at=None,
        sent_at=None,
        slot_since=None,
        lease_until=None,
        error=event.fault,
        look_again_at=min(ctx.now + wait, task.start_by),
    )
    return move(waiting, "try_later")


def submit_unknown(task: Task, event: SubmitUnknown, ctx: Context) -> Decision:
    """Keep the task submitting: it is read before anything else happens.

    An id is taken from a stale answer too: what names the generation must keep it from being made again.
    """
    given = event.upstream_id
    if given is not None and task.upstream_id not in {None, given}:
        return _generated_twice(task, event, ctx)
    known = replace(task, upstream_id=given or task.upstream_id)
    if not _stale(task, event.lease_no):
        return stay_unknown(known, event.fault, ctx, answered=event.answered)
    if known == task or task.state is State.QUEUED:
        return ignore(task, "stale_answer")
    return move(known, "known_upstream_as")


def _generated_twice(task: Task, event: SubmitUnknown, ctx: Context) -> Decision:
    """Say that another generation of this task was named; the first one stays the task's."""
    if _stale(task, event.lease_no):
        return refuse(task, "other_upstream_id", CallbackOutcome.CONFLICTING)
    stays = stay_unknown(task, event.fault, ctx, answered=event.answered)
    return replace(stays, reason="other_upstream_id")


def stay_unknown(
    task: Task, fault: Fault, ctx: Context, *, answered: bool, retry_after: timedelta | None = None
) -> Decision:
    """Note that the outcome is unknown, when to read it, and from when on it may be sent again."""
    policy = ctx.policy
    if answered:
        wait = retry.submit_wait(
            task.attempts, policy.retry_base, policy.retry_max, retry_after, ctx.jitter
        )
        resend_at = ctx.now + wait
    else:
        # The call may still be under way: nothing is sent again before it must have ended.
        resend_at = (task.sent_at or ctx.now) + policy.call_limit + policy.resend_margin
    look = ctx.now + policy.unknown_read_after
    unknown = replace(
        task,
        unknown=True,
        resend_at=resend_at,
        # What a read said before this answer says nothing about it.
        read_empty_at=None,
        lease_until=None,
        error=fault,
        polls=0,
        look_again_at=look if task.deadline_at is None else min(look, task.deadline_at),
    )
    return move(unknown, "unknown")


def _stale(task: Task, lease_no: int) -> bool:
    return task.state is not State.SUBMITTING or lease_no != task.lease_no
