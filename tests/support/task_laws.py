"""The laws of a task at every moment, part of `laws`: each a plain function whose docstring is the law."""

from datetime import timedelta

from service.core.media import ArchiveState
from service.core.states import ResultState, State
from service.core.task import Task

OPEN = {ResultState.PENDING, ResultState.ARCHIVING}


def final_means_finished(task: Task) -> None:
    """A task is final exactly when it has the time it finished."""
    assert task.final == (task.finished_at is not None)


def somebody_looks(task: Task) -> None:
    """An open task is looked at again; a final one exactly while its place upstream is watched."""
    watched = task.slot_since is not None
    assert (task.look_again_at is not None) == (watched if task.final else True)


def a_place_is_held_since_a_send(task: Task) -> None:
    """Only what was sent, or what the upstream says it has, holds a place upstream."""
    if task.slot_since is not None:
        assert task.state is not State.QUEUED
        assert task.sent_at is not None or task.submitted_at is not None


def a_lease_is_of_what_is_looked_at(task: Task) -> None:
    """Nobody holds a lease on a task that nobody has to look at."""
    assert task.lease_until is None or task.look_again_at is not None


def nothing_is_upstream_of_a_queued_task(task: Task) -> None:
    """A queued task was certainly not accepted: no deadline runs, no outcome is unknown."""
    if task.state is State.QUEUED:
        assert (task.deadline_at, task.first_sent_at, task.sent_at) == (None, None, None)
        assert not task.unknown


def a_sent_task_has_a_deadline(task: Task) -> None:
    """Whatever may be upstream has its time limit."""
    if task.state in {State.SUBMITTING, State.PROCESSING}:
        assert task.deadline_at is not None


def every_result_has_its_row(task: Task) -> None:
    """The results asked for come first, the late ones after them, without gaps."""
    assert [r.index for r in task.results] == list(range(len(task.results)))
    late = [r.state is ResultState.LATE for r in task.results]
    assert late == [i >= task.results_expected for i in range(len(late))]
    assert len(late) >= task.results_expected


def a_result_is_what_its_state_says(task: Task) -> None:
    """Videos have their time, failures a reason and a time; what is open has nothing."""
    for r in task.results:
        kept = r.state in {ResultState.ARCHIVING, ResultState.COMPLETED, ResultState.LATE}
        assert (r.video is not None) == kept
        assert (r.error is not None) == (r.state is ResultState.FAILED)
        assert (r.settled_at is None) == (r.state is ResultState.PENDING)


def a_video_is_kept_once(task: Task) -> None:
    """No videoUUID is among the results twice."""
    seen = [r.video.video_uuid for r in task.results if r.video]
    assert len(seen) == len(set(seen))


def a_final_state_says_what_the_results_say(task: Task) -> None:
    """A final task has no open result; completed has a video, failed and timed out have none."""
    states = {r.state for r in task.results[: task.results_expected]}
    if not task.final:
        assert states & OPEN
        assert ResultState.CANCELED not in states
        return
    assert not states & OPEN
    assert (ResultState.CANCELED in states) == (task.state is State.CANCELED)
    if task.state is State.COMPLETED:
        assert ResultState.COMPLETED in states
    if task.state in {State.FAILED, State.TIMED_OUT}:
        assert states == {ResultState.FAILED}


def only_what_waits_for_its_file_is_held(task: Task) -> None:
    """A result is held exactly while it is archiving, no longer than its task allows, and only where that was asked."""
    for r in task.results:
        assert (r.hold_until is not None) == (r.state is ResultState.ARCHIVING)
        if r.hold_until is not None:
            assert task.hold_s is not None
            assert r.settled_at is not None
            assert r.hold_until <= r.settled_at + timedelta(seconds=task.hold_s)


def a_file_is_of_a_video(task: Task) -> None:
    """Every video of a task whose videos are kept has its file's state, and nothing else has one."""
    for r in task.results:
        assert (r.archive is not None) == (task.archives and r.video is not None)
        if r.archive is None:
            continue
        state = r.archive.state
        assert (r.archive.error is not None) == (state is ArchiveState.FAILED)
        assert (r.archive.media is not None) == (state in {ArchiveState.KEPT, ArchiveState.DELETED})
        assert (r.archive.url is not None) == (state is ArchiveState.KEPT)


def an_end_without_a_video_says_why(task: Task) -> None:
    """Failed, rejected and timed-out tasks carry an error; completed and canceled ones none."""
    if task.final:
        good = task.state in {State.COMPLETED, State.CANCELED}
        assert (task.error is None) == good


OF_A_TASK = (
    *(final_means_finished, somebody_looks, a_place_is_held_since_a_send),
    *(a_lease_is_of_what_is_looked_at, nothing_is_upstream_of_a_queued_task),
    *(a_sent_task_has_a_deadline, every_result_has_its_row, a_result_is_what_its_state_says),
    *(a_video_is_kept_once, a_final_state_says_what_the_results_say),
    *(an_end_without_a_video_says_why, only_what_waits_for_its_file_is_held, a_file_is_of_a_video),
)


def check_task(task: Task) -> None:
    """Hold a task against every law of a task."""
    for law in OF_A_TASK:
        law(task)
