"""The laws of files that are kept: of a task, and of a decision. Checked by `laws`, which has all the others."""

from dataclasses import replace
from datetime import timedelta

from service.core.inputs import Archived
from service.core.media import ArchiveState
from service.core.states import ResultState
from service.core.task import Result, Task
from tests.support.steps import Step

OPEN = {ResultState.PENDING, ResultState.ARCHIVING}
WITH_VIDEO = {ResultState.ARCHIVING, ResultState.COMPLETED, ResultState.LATE}


def plain(result: Result) -> Result:
    """Give a result without what became of its file, which may change after all else is settled."""
    return replace(result, archive=None)


def _verdict(result: Result) -> tuple[object, ...]:
    state = ResultState.COMPLETED if result.state is ResultState.ARCHIVING else result.state
    return (result.index, state, result.video, result.error, result.settled_at)


def what_is_held_has_its_time(task: Task) -> None:
    """A video waits for its file only where that is wanted, as long as it may, and not beyond the task's end."""
    for r in task.results:
        assert (r.hold_until is not None) == (r.state is ResultState.ARCHIVING)
        if r.hold_until is not None and r.settled_at is not None:
            assert task.hold_s is not None
            assert r.hold_until == r.settled_at + timedelta(seconds=task.hold_s)
    assert not (task.held and task.final)


def a_file_changes_no_verdict(step: Step) -> None:
    """What becomes of a file settles nothing, fails nothing and frees no place; it is told of once it is new."""
    if not isinstance(step.event, Archived):
        return
    verdicts = [[_verdict(r) for r in t.results] for t in (step.before, step.after)]
    assert verdicts[0] == verdicts[1]
    assert step.after.slot_since == step.before.slot_since
    kept = step.event.archive.state
    told = {ArchiveState.KEPT: "video.archived", ArchiveState.FAILED: "video.archive_failed"}
    if step.moved and kept in told:
        assert step.told[0] == told[kept]


def what_is_held_is_told_in_time(step: Step) -> None:
    """A held video is told of when its file is there or cannot be had, its time is over, or its task ends."""
    for was, now in zip(step.before.results, step.after.results, strict=False):
        if was.state is ResultState.ARCHIVING and now.state is ResultState.COMPLETED:
            mine = isinstance(step.event, Archived) and step.event.index == was.index
            over = was.hold_until is not None and step.now >= was.hold_until
            assert mine or over or step.after.final
            assert "video.completed" in step.told
