"""How results are counted.

Successes count by videoUUID, whoever brings them. Failures are never added up across sources: with one
result any failure settles it, with several only a poll does, which shows the whole present state. So the
same failure told by a callback and by a poll counts once, and no table of digests is needed.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from service.core.fault import Fault, FaultKind
from service.core.inputs import Report, Source
from service.core.media import Archive
from service.core.states import ResultState
from service.core.task import Policy, Result, Task, Video

MISSING = Fault(
    "missing", "The upstream is done and never delivered this result.", FaultKind.UNKNOWN
)
UNKNOWN = Fault("unknown", "The upstream gave no reason.", FaultKind.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Settled:
    """What a report settled: the task after it, the results it settled, and what is left over."""

    task: Task
    settled: tuple[Result, ...] = ()
    extra: tuple[Video, ...] = ()
    """New videos beyond those that were asked for."""
    look_soon: bool = False
    """The report is not enough to settle: `look_again_at` says when to ask."""


def settle(task: Task, report: Report, now: datetime, policy: Policy) -> Settled:
    """Count what a report says about an open task; a rejection is the caller's business."""
    after, settled, extra = _videos(task, report, now)
    if not after.open_results or not (report.faults or report.source is Source.POLL):
        return Settled(after, settled, extra)
    if report.vague and not report.videos:
        asked = _ask_for_reason(after, report, now, policy)
        if asked is not None:
            return Settled(asked, settled, extra, look_soon=asked != after)
        named = tuple(replace(f, code=UNKNOWN.code) for f in report.faults)
        report = replace(report, faults=named or (UNKNOWN,))
    elif report.source is Source.POLL:
        # Whatever failed without a reason before is at work again, or has a reason now.
        after = replace(after, vague_since=None, vague_polls=0)
    if task.results_expected == 1:
        return _fail(after, settled, extra, report.faults[:1], now)
    if report.source is not Source.POLL:
        due = after.look_again_at is not None and after.look_again_at <= now
        asked = after if due else replace(after, look_again_at=now)
        return Settled(asked, settled, extra, look_soon=True)
    return _polled(after, settled, extra, report, now, policy)


def add_late(
    task: Task, videos: tuple[Video, ...], now: datetime
) -> tuple[Task, tuple[Result, ...]]:
    """Keep the videos that the task does not know, as late results after the others."""
    late: list[Result] = []
    for video in videos:
        if task.has_video(video.video_uuid):
            continue
        archive = Archive() if task.archives else None
        result = Result(len(task.results), ResultState.LATE, video, None, now, archive=archive)
        task = replace(task, results=(*task.results, result))
        late.append(result)
    return task, tuple(late)


def _videos(
    task: Task, report: Report, now: datetime
) -> tuple[Task, tuple[Result, ...], tuple[Video, ...]]:
    results = list(task.results)
    known = {r.video.video_uuid for r in results if r.video}
    settled: list[Result] = []
    extra: list[Video] = []
    for video in report.videos:
        if video.video_uuid in known:
            continue
        known.add(video.video_uuid)
        free = next((r for r in results if r.state is ResultState.PENDING), None)
        if free is None:
            extra.append(video)
            continue
        done = _arrived(task, free.index, video, now)
        results[free.index] = done
        settled.append(done)
    after = replace(task, results=tuple(results)) if settled else task
    return after, tuple(settled), tuple(extra)


def _arrived(task: Task, index: int, video: Video, now: datetime) -> Result:
    archive = Archive() if task.archives else None
    if archive is None or task.hold_s is None:
        return Result(index, ResultState.COMPLETED, video, None, now, archive=archive)
    until = now + timedelta(seconds=task.hold_s)
    return Result(index, ResultState.ARCHIVING, video, None, now, until, archive)


def _ask_for_reason(task: Task, report: Report, now: datetime, policy: Policy) -> Task | None:
    """Ask again about a failure without a reason; none when it was asked often enough."""
    since = task.vague_since
    if since is None:
        return replace(task, vague_since=now, vague_polls=1, look_again_at=now)
    if report.source is not Source.POLL:
        return task
    if task.vague_polls >= policy.vague_polls or now - since >= policy.vague_span:
        return None
    look = now + policy.vague_span / policy.vague_polls
    return replace(task, vague_polls=task.vague_polls + 1, look_again_at=look)


def _polled(
    task: Task,
    settled: tuple[Result, ...],
    extra: tuple[Video, ...],
    report: Report,
    now: datetime,
    policy: Policy,
) -> Settled:
    if len(report.faults) >= len(task.open_results):
        return _fail(task, settled, extra, report.faults, now)
    if report.running or not (report.videos or report.faults):
        return Settled(replace(task, settled_since=None), settled, extra)
    since = task.settled_since or now
    if now - since >= policy.settle_wait:
        return _fail(task, settled, extra, report.faults, now)
    waiting = replace(task, settled_since=since, look_again_at=since + policy.settle_wait)
    return Settled(waiting, settled, extra, look_soon=True)


def _fail(
    task: Task,
    settled: tuple[Result, ...],
    extra: tuple[Video, ...],
    faults: tuple[Fault, ...],
    now: datetime,
) -> Settled:
    """Settle the open results as failed; with one result and no fault there is nothing to settle."""
    if task.results_expected == 1 and not faults:
        return Settled(task, settled, extra)
    failed = tuple(
        Result(r.index, ResultState.FAILED, None, fault, now)
        for r, fault in zip(
            task.open_results, (*faults, *[MISSING] * len(task.open_results)), strict=False
        )
    )
    by_index = {r.index: r for r in failed}
    results = tuple(by_index.get(r.index, r) for r in task.results)
    return Settled(replace(task, results=results), (*settled, *failed), extra)
