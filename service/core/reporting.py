"""What the upstream says, and what a read of it comes to, for tasks that are open."""

from dataclasses import replace

from service.core.decision import (
    Announcement,
    Context,
    Decision,
    Verdict,
    finish,
    held_until,
    ignore,
    look_at_once,
    move,
    next_look,
    past,
    refuse,
    seconds,
)
from service.core.fault import Fault, FaultKind
from service.core.inputs import Accepted, ReadFailed, ReadNothing, Report, Source
from service.core.settle import Settled, add_late, settle
from service.core.states import CallbackOutcome, ResultState, State
from service.core.task import Result, Task

SUBMIT_UNKNOWN = Fault(
    "submit_unknown", "Whether the upstream accepted it could not be found out in time."
)


def accepted(task: Task, event: Accepted, ctx: Context) -> Decision:
    """Take the submit's acknowledgement; a callback may have told it before."""
    said = event.report or Report(Source.SUBMIT, running=True)
    if event.upstream_id is not None:
        said = replace(said, upstream_id=event.upstream_id)
    return report(task, said, ctx)


def report(task: Task, said: Report, ctx: Context) -> Decision:
    """Settle what a report settles and say what is new."""
    if _other_id(task, said):
        return _of_another(task, said, ctx)
    known = _is_upstream(task, said, ctx)
    settled = settle(known, said, ctx.now, ctx.policy)
    announce: tuple[Announcement, ...] = ()
    # What was refused before any work was never processed, and a taken taskUUID is not even ours.
    if task.state is not State.PROCESSING and (said.rejected is None or said.videos):
        announce = (Announcement("task.processing"),)
    announce += tuple(
        Announcement(f"video.{r.state.value}", r.index)
        for r in settled.settled
        if r.state is not ResultState.ARCHIVING
    )
    if said.rejected is not None and settled.task.open_results:
        ended = replace(settled.task, slot_since=None)
        return finish(ended, State.REJECTED, said.rejected, ctx, "rejected", announce)
    if not settled.task.open_results:
        return _all_settled(settled, said, ctx, announce)
    if past(settled.task.deadline_at, ctx.now) and said.source is Source.POLL:
        return time_up(settled.task, ctx, announce)
    return _still_open(task, settled, said, ctx, announce)


def unconfirmed(task: Task, said: Report, ctx: Context) -> Decision:
    """Believe a callback only that the upstream has the task, and ask at once about all else it says.

    Failures count no more than videos: a forged one would end a paid task, and its video would come too late.
    Its upstream id is not taken either: it would make the true one conflict.
    """
    if _other_id(task, said):
        return refuse(task, "other_upstream_id", CallbackOutcome.CONFLICTING)
    has = report(task, Report(Source.CALLBACK, running=True), ctx)
    new = any(not task.has_video(v.video_uuid) for v in said.videos)
    if not (new or said.faults or said.rejected):
        return has
    asked = look_at_once(has.task, ctx)
    if asked is task:
        return replace(ignore(task, "unconfirmed"), outcome=CallbackOutcome.APPLIED)
    return move(asked, "unconfirmed", has.announce)


def _other_id(task: Task, said: Report) -> bool:
    return None not in (task.upstream_id, said.upstream_id) and said.upstream_id != task.upstream_id


def _is_upstream(task: Task, said: Report, ctx: Context) -> Task:
    """Note that the upstream has it, whatever we believed before."""
    if task.upstream_id is None and said.upstream_id is not None:
        task = replace(task, upstream_id=said.upstream_id)
    if task.state is State.PROCESSING:
        return task
    now = replace(
        task,
        state=State.PROCESSING,
        submitted_at=ctx.now,
        deadline_at=task.deadline_at or ctx.now + seconds(task.deadline_seconds),
        slot_since=task.slot_since or ctx.now,
        unknown=False,
        resend_at=None,
        read_empty_at=None,
        lease_until=None,
        error=None,
        polls=0,
    )
    return replace(now, look_again_at=next_look(now, ctx))


def _all_settled(
    settled: Settled, said: Report, ctx: Context, announce: tuple[Announcement, ...]
) -> Decision:
    task = settled.task
    if not (said.running and said.source is Source.POLL):
        task = replace(task, slot_since=None)
    ended = settled_at_last(task, ctx, announce)
    after, late = add_late(ended.task, settled.extra, ctx.now)
    told = tuple(Announcement("video.late", r.index) for r in late)
    return replace(ended, task=after, announce=ended.announce + told)


def settled_at_last(
    task: Task, ctx: Context, announce: tuple[Announcement, ...], reason: str = "settled"
) -> Decision:
    """End a task whose results are all settled, or wait for the files of those that are held."""
    held = task.hold_until
    if held is not None:
        waits = replace(task, look_again_at=held, lease_until=None, polls=0)
        return move(waits, "archiving" if reason == "settled" else reason, announce)
    faults = [r.error for r in task.results if r.state is ResultState.FAILED and r.error]
    good = any(r.state is ResultState.COMPLETED for r in task.results)
    state = State.COMPLETED if good else State.FAILED
    return finish(task, state, faults[0] if faults else None, ctx, reason, announce)


def _still_open(
    before: Task, settled: Settled, said: Report, ctx: Context, announce: tuple[Announcement, ...]
) -> Decision:
    task = settled.task
    if settled.look_soon and (announce or task != before):
        look = min((t for t in (task.look_again_at, task.deadline_at) if t), default=ctx.now)
        look = held_until(task, ctx, look)
        asked = replace(task, look_again_at=look, lease_until=None)
        return move(asked, "asked_again", announce)
    if announce or settled.settled:
        fresh = replace(task, polls=0, lease_until=None)
        return move(replace(fresh, look_again_at=next_look(fresh, ctx)), "reported", announce)
    if said.source is Source.POLL:
        polled = replace(task, polls=before.polls + 1, lease_until=None)
        looks = replace(polled, look_again_at=next_look(polled, ctx))
        return move(looks, "still_running", outcome=CallbackOutcome.DUPLICATE)
    if task != before:
        return move(task, "known_upstream_as")
    return ignore(before, "nothing_new")


def conflicting(task: Task, said: Report, ctx: Context) -> Decision:
    """Keep the videos of a second generation of this task, which were paid for, and nothing else."""
    after, late = add_late(task, said.videos, ctx.now)
    if not late:
        return refuse(task, "other_upstream_id", CallbackOutcome.CONFLICTING)
    told = tuple(Announcement("video.late", r.index) for r in late)
    return move(after, "other_upstream_id", told, CallbackOutcome.CONFLICTING)


def _of_another(task: Task, said: Report, ctx: Context) -> Decision:
    """Keep what another generation brought; for a poll it is a read that found nothing of this one."""
    told = conflicting(task, said, ctx)
    looked = read(told.task, ReadNothing(), ctx) if said.source is Source.POLL else told
    if looked.verdict is not Verdict.MOVE or looked is told:
        return told
    announce = told.announce + looked.announce
    return replace(looked, reason=told.reason, announce=announce, outcome=told.outcome)


def read(task: Task, event: ReadNothing | ReadFailed, ctx: Context) -> Decision:
    """Note a read that brought nothing; only time may end a task by it, never the read."""
    if task.state is State.QUEUED:
        return ignore(task, "not_sent")
    if task.being_sent:
        return ignore(task, "being_sent")
    if event.lease_no not in {None, task.lease_no}:
        # A reader that was frozen and overtaken: a send may have left since it looked.
        return ignore(task, "stale_read")
    empty = isinstance(event, ReadNothing)
    deadline = task.deadline_at
    if past(deadline, ctx.now):
        if empty:
            return time_up(task, ctx)
        if deadline is not None and ctx.now >= deadline + ctx.policy.deadline_grace:
            return unreachable(task, ctx)
    after = replace(task, polls=task.polls + 1, lease_until=None)
    if task.state is State.SUBMITTING and empty:
        after = replace(after, read_empty_at=ctx.now)
    return move(replace(after, look_again_at=next_look(after, ctx)), "read")


def time_up(task: Task, ctx: Context, announce: tuple[Announcement, ...] = ()) -> Decision:
    """End a task whose deadline passed and whose upstream was asked one last time."""
    text = "Its deadline passed without an outcome."
    return _out_of_time(task, Fault("deadline", text, FaultKind.TRANSIENT), ctx, announce)


def unreachable(task: Task, ctx: Context) -> Decision:
    """End a task whose deadline and grace passed without an answer to a last read."""
    text = "Its deadline passed, and the upstream could not be asked one last time."
    return _out_of_time(task, Fault("upstream_unreachable", text, FaultKind.TRANSIENT), ctx, ())


def _out_of_time(
    task: Task, fault: Fault, ctx: Context, announce: tuple[Announcement, ...]
) -> Decision:
    if task.state is State.SUBMITTING:
        return finish(task, State.TIMED_OUT, SUBMIT_UNKNOWN, ctx, "submit_unknown", announce)
    if task.held:
        # The verdict is known, and its event waits a bounded time for the file.
        missing = task.open_results
        failed = {
            r.index: Result(r.index, ResultState.FAILED, None, fault, ctx.now) for r in missing
        }
        after = replace(task, results=tuple(failed.get(r.index, r) for r in task.results))
        told = tuple(Announcement("video.failed", r.index) for r in missing)
        return settled_at_last(after, ctx, announce + told, fault.code)
    good = any(r.state is ResultState.COMPLETED for r in task.results)
    state = State.COMPLETED if good else State.TIMED_OUT
    return finish(task, state, fault, ctx, fault.code, announce)
