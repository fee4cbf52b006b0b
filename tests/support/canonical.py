"""Equal states merge: a task is put on one fixed clock, and what no decision can ever read again is blanked.

`canonical` changes nothing that `decide`, `next_step` or a law can see: a time that is over is as over as any
other, an id is only ever compared, a back-off that has reached its ceiling stays there. That it changes nothing
is a test of its own (test_decide_exhaustively): deciding and making canonical commute.
"""

from datetime import datetime, timedelta
from functools import cache

from service.core.fault import Fault
from service.core.media import Archive, ArchiveState, Media
from service.core.states import ResultState, State
from service.core.task import Policy, Result, Task, Video
from tests.support.steps import Memory, files_of, paid_of, told_of

SOME_FAULT = Fault("some", "Some fault.")
SOME_MEDIA = Media("0" * 64, 1, "video/mp4")
FILES = {
    ArchiveState.PENDING: Archive(),
    ArchiveState.KEPT: Archive(ArchiveState.KEPT, SOME_MEDIA, "https://board.example/video"),
    ArchiveState.FAILED: Archive(ArchiveState.FAILED, error=SOME_FAULT),
    ArchiveState.DELETED: Archive(ArchiveState.DELETED, SOME_MEDIA),
}
"""What may become of a file."""
LEASE_NO = 7
"""Of every canonical task; an older one is one less."""
OWN, OTHER = "own", "other"


def canonical(task: Task, now: datetime, at: datetime, policy: Policy) -> Task:
    """Give what the task at `now` is as a task at the moment `at`."""
    shift = at - now
    submitting = task.state is State.SUBMITTING
    open_ = not task.final
    held = task.slot_since is not None

    def over(moment: datetime | None, for_as_long: timedelta = timedelta(0)) -> datetime | None:
        # What lies back longer than anybody waits for lies back that long.
        return None if moment is None else max(moment + shift, at - for_as_long)

    sendable = task.state is State.QUEUED or (submitting and not task.unknown)
    counts = task.results_expected > 1 and (open_ or held)
    vague = over(task.vague_since, policy.vague_span) if open_ else None
    lease = task.lease_until if task.lease_until and task.lease_until > now else None
    first = policy.unknown_read_after if submitting else policy.poll_after
    return Task(
        task_uuid=task.task_uuid,
        tenant=task.tenant,
        provider=task.provider,
        account=task.account,
        model=task.model,
        state=task.state,
        results_expected=task.results_expected,
        results=_results(task.results, shift, at),
        created_at=at,
        start_by=(over(task.start_by) or at) if sendable else at,
        deadline_seconds=task.deadline_seconds,
        deadline_at=over(task.deadline_at, policy.deadline_grace) if open_ else None,
        first_sent_at=over(task.first_sent_at, policy.resend_window) if submitting else None,
        sent_at=_sent(task, over(task.sent_at, policy.call_limit + policy.resend_margin), at),
        submitted_at=at if task.submitted_at and (open_ or held) else None,
        finished_at=at if task.finished_at else None,
        attempts=_doublings(task.attempts, policy) if sendable or submitting else 0,
        unknown=task.unknown and (open_ or held),
        resend_at=over(task.resend_at) if submitting else None,
        read_empty_at=at if task.read_empty_at and submitting else None,
        upstream_id=None if task.upstream_id is None else OWN,
        polls=_grown(task.polls, first, policy) if open_ or held else 0,
        settled_since=over(task.settled_since, policy.settle_wait) if counts else None,
        vague_polls=task.vague_polls if vague else 0,
        vague_since=vague,
        look_again_at=_look(over(task.look_again_at), task, lease, shift, policy),
        lease_no=LEASE_NO,
        lease_until=None if lease is None else lease + shift,
        slot_since=over(task.slot_since, policy.slot_max),
        archives=task.archives,
        hold_s=task.hold_s,
        hold_over_at=None if task.final else over(task.hold_until),
        error=SOME_FAULT if task.error and task.final else None,
    )


def canonical_memory(
    memory: Memory, task: Task, now: datetime, at: datetime, policy: Policy
) -> Memory:
    """Give what is remembered at `now` as of the moment `at`, for the task as `canonical` gave it.

    That all settled results were told, and all paid videos kept, are laws: the task says it. What will never
    be sent again forgets its sends.
    """
    of_task = frozenset(a for a in memory.told if a.result_index is None)
    told = of_task | told_of(task.results) | files_of(task.results)
    paid = paid_of(task.results)
    if memory.sent_at is None or task.state not in {State.QUEUED, State.SUBMITTING}:
        return Memory(told, paid)
    reach = policy.call_limit + policy.resend_margin
    sent_at = max(memory.sent_at + (at - now), at - reach)
    return Memory(told, paid, sent_at, memory.answered, memory.read)


def _look(
    look: datetime | None,
    task: Task,
    lease: datetime | None,
    shift: timedelta,
    policy: Policy,
) -> datetime | None:
    """Give the next look; one that is due says under a lease whether it was asked for before the claim or since."""
    if look is None or lease is None or task.look_again_at is None or task.being_sent:
        return look
    claimed_at = lease - policy.lease
    return claimed_at + shift if task.look_again_at <= claimed_at else look


def _sent(task: Task, back: datetime | None, at: datetime) -> datetime | None:
    if task.state is State.SUBMITTING or back is None:
        return back
    return at if not task.final or task.slot_since else None


@cache
def _doublings(attempts: int, policy: Policy) -> int:
    """Give the fewest attempts with the same ceiling of the back-off."""
    ceilings = [
        min(policy.retry_base * 2 ** max(n - 1, 0), policy.retry_max) for n in range(attempts + 1)
    ]
    return ceilings.index(ceilings[attempts])


@cache
def _grown(polls: int, first: timedelta, policy: Policy) -> int:
    """Give the fewest polls with the same wait."""
    waits = [min(first * 1.5**n, policy.poll_max) for n in range(polls + 1)]
    return waits.index(waits[polls])


def order(results: tuple[Result, ...]) -> list[int]:
    """Give the indexes of results in the order in which they are canonical."""

    def rank(r: Result) -> tuple[object, ...]:
        name = r.video.video_uuid if r.video else ""
        file = "" if r.archive is None else r.archive.state.value
        until = "" if r.hold_until is None else r.hold_until.isoformat()
        return r.state is ResultState.LATE, r.state.value, name, file, until

    return [r.index for r in sorted(results, key=rank)]


@cache
def _results(results: tuple[Result, ...], shift: timedelta, at: datetime) -> tuple[Result, ...]:
    """Blank what is not compared; the order of results asked for, or of late ones, changes nothing."""
    return tuple(_result(results[old], new, shift, at) for new, old in enumerate(order(results)))


def _result(r: Result, index: int, shift: timedelta, at: datetime) -> Result:
    return Result(
        index,
        r.state,
        Video(r.video.video_uuid, None) if r.video else None,
        SOME_FAULT if r.error else None,
        at if r.settled_at else None,
        None if r.hold_until is None else max(r.hold_until + shift, at),
        None if r.archive is None else FILES[r.archive.state],
    )
