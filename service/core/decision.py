"""What a decision is, and the few ways to make one."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from service.core import retry
from service.core.fault import Fault
from service.core.states import CallbackOutcome, ResultState, State
from service.core.task import Policy, Result, Task


class Verdict(StrEnum):
    """What `decide` makes of an input."""

    MOVE = "move"
    """The task changes."""
    IGNORE = "ignore"
    """Nothing new: late and doubled things are normal."""
    REFUSE = "refuse"
    """It must not happen now. Nothing changes."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """An event to write: its type, and the result it is about for `video.*`."""

    type: str
    result_index: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows. `task` is the task as it is afterwards, the very same unless it moves.

    `outcome` is what a callback that brought this input is called afterwards.
    """

    verdict: Verdict
    task: Task
    reason: str
    announce: tuple[Announcement, ...] = ()
    outcome: CallbackOutcome = CallbackOutcome.DUPLICATE


@dataclass(frozen=True, slots=True)
class Context:
    """What decisions may use besides task and input; `jitter` is one throw of the dice in [0, 1)."""

    now: datetime
    policy: Policy
    jitter: float


def move(
    task: Task,
    reason: str,
    announce: tuple[Announcement, ...] = (),
    outcome: CallbackOutcome = CallbackOutcome.APPLIED,
) -> Decision:
    """Change the task."""
    return Decision(Verdict.MOVE, task, reason, announce, outcome)


def ignore(task: Task, reason: str) -> Decision:
    """Change nothing, for a normal reason."""
    outcome = CallbackOutcome.DUPLICATE
    return Decision(Verdict.IGNORE, task, reason, outcome=outcome)


def refuse(task: Task, reason: str, outcome: CallbackOutcome | None = None) -> Decision:
    """Change nothing, because it must not happen now."""
    return Decision(Verdict.REFUSE, task, reason, outcome=outcome or CallbackOutcome.DUPLICATE)


def finish(
    task: Task,
    state: State,
    fault: Fault | None,
    ctx: Context,
    reason: str,
    before: tuple[Announcement, ...] = (),
) -> Decision:
    """End the task: settle what is open, say so, and keep watch while its slot is held.

    What is held is told of. Open results fail with `fault`, except those of a canceled task: nobody is told of them.
    """
    open_state = ResultState.CANCELED if state is State.CANCELED else ResultState.FAILED
    told = () if state is State.CANCELED else task.open_results
    held = task.held
    task = release(task, held)
    results = tuple(
        Result(r.index, open_state, None, fault, ctx.now) if r.state is ResultState.PENDING else r
        for r in task.results
    )
    watch = ctx.now + ctx.policy.poll_after if task.slot_since is not None else None
    ended = replace(
        task,
        state=state,
        results=results,
        error=None if state is State.COMPLETED else fault,
        finished_at=ctx.now,
        lease_until=None,
        polls=0,
        look_again_at=watch,
    )
    announce = (
        *before,
        *(Announcement("video.completed", r.index) for r in held),
        *(Announcement("video.failed", r.index) for r in told),
        Announcement(f"task.{state.value}"),
    )
    return move(ended, reason, announce)


def release(task: Task, held: tuple[Result, ...]) -> Task:
    """Complete results whose files were waited for."""
    told = {r.index: replace(r, state=ResultState.COMPLETED, hold_until=None) for r in held}
    return replace(task, results=tuple(told.get(r.index, r) for r in task.results))


def next_look(task: Task, ctx: Context) -> datetime:
    """When an open task that is upstream, or may be, has to be looked at again."""
    policy = ctx.policy
    submitting = task.state is State.SUBMITTING
    first = policy.unknown_read_after if submitting else policy.poll_after
    look = held_until(
        task, ctx, ctx.now + retry.poll_wait(task.polls, first, policy.poll_max, ctx.jitter)
    )
    resendable = submitting and task.upstream_id is None and task.read_empty_at is not None
    if resendable and task.resend_at and task.first_sent_at:
        resend = max(task.resend_at, ctx.now)
        if resend < task.first_sent_at + policy.resend_window:
            look = min(look, resend)
    deadline = task.deadline_at
    if deadline is None:
        return look
    if ctx.now < deadline:
        return min(look, deadline)
    # Inside the grace: a last answer is tried for about ten times.
    last = min(ctx.now + policy.deadline_grace / 10, deadline + policy.deadline_grace)
    return held_until(task, ctx, last)


def held_until(task: Task, ctx: Context, look: datetime) -> datetime:
    """Bring a look forward to when the first of what is held has waited long enough."""
    return look if task.hold_until is None else min(look, max(task.hold_until, ctx.now))


def asked_meanwhile(task: Task, ctx: Context) -> bool:
    """Whether somebody asked for a look while a send or a read is under way, which began before it.

    A send sets the next look to its lease's end, and a claim to read leaves the look it was due by: so the
    row itself tells, without a column for it.
    """
    if task.lease_until is None or not past(task.look_again_at, ctx.now):
        return False
    if task.being_sent:
        return not send_is_over(task, ctx)
    claimed_at = task.lease_until - ctx.policy.lease
    return task.look_again_at is not None and task.look_again_at > claimed_at


def send_is_over(task: Task, ctx: Context) -> bool:
    """Whether the lease that a send is under way by has ended, or somebody else claimed the task since."""
    if task.lease_until is None or task.sent_at is None or past(task.lease_until, ctx.now):
        return True
    return task.lease_until - ctx.policy.lease > task.sent_at


def look_at_once(task: Task, ctx: Context) -> Task:
    """Make a look due now, or as soon as what is under way ends; the very same if one is."""
    under_way = task.lease_until is not None and task.lease_until > ctx.now
    due = past(task.look_again_at, ctx.now)
    if task.look_again_at is None or asked_meanwhile(task, ctx) or (due and not under_way):
        return task
    return replace(task, look_again_at=ctx.now)


def past(moment: datetime | None, now: datetime) -> bool:
    """Whether the moment is known and has come."""
    return moment is not None and now >= moment


def seconds(value: float) -> timedelta:
    """Say a number of seconds as a timedelta."""
    return timedelta(seconds=value)
