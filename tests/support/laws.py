"""The laws of a task, of a decision and of a whole life: each a plain function whose docstring is the law.

They are written here and in `laws_of_files` only. `check_task` holds for every row at every moment, `check_step` for
every decision, `remember` for all that ever happened to one task. All raise AssertionError; all kinds of tests use them.
"""

from collections.abc import Iterable
from dataclasses import replace

from service.core.event import ARCHIVE_EVENTS
from service.core.inputs import (
    Accepted,
    AskUpstream,
    Refused,
    Report,
    SubmitUnknown,
    TryLater,
)
from service.core.states import FINAL, MOVES, ResultState, State
from service.core.task import Task
from tests.support import laws_of_files as files
from tests.support.steps import Memory, Step, paid_of, told_of

TERMINAL = frozenset(f"task.{state.value}" for state in FINAL)


# Of a task, at every moment.


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
        kept = r.state in files.WITH_VIDEO
        assert (r.video is not None) == kept
        assert (r.error is not None) == (r.state is ResultState.FAILED)
        assert (r.settled_at is None) == (r.state is ResultState.PENDING)
        assert (r.archive is not None) == (kept and task.archives)


def a_video_is_kept_once(task: Task) -> None:
    """No videoUUID is among the results twice."""
    seen = [r.video.video_uuid for r in task.results if r.video]
    assert len(seen) == len(set(seen))


def a_final_state_says_what_the_results_say(task: Task) -> None:
    """A final task has no open result; completed has a video, failed and timed out have none."""
    states = {r.state for r in task.results[: task.results_expected]}
    if not task.final:
        assert states & files.OPEN
        assert ResultState.CANCELED not in states
        return
    assert not states & files.OPEN
    assert (ResultState.CANCELED in states) == (task.state is State.CANCELED)
    if task.state is State.COMPLETED:
        assert ResultState.COMPLETED in states
    if task.state in {State.FAILED, State.TIMED_OUT}:
        assert states == {ResultState.FAILED}


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
    *(an_end_without_a_video_says_why, files.what_is_held_has_its_time),
)

# Of one decision.


def only_a_move_changes(step: Step) -> None:
    """Ignored and refused inputs leave the task equal and tell nobody."""
    if not step.moved:
        assert step.after == step.before
        assert step.decision.announce == ()


def states_move_by_the_table(step: Step) -> None:
    """A state changes only as `states.MOVES` says, and a final one never."""
    was, now = step.before.state, step.after.state
    assert was is now or now in MOVES[was]


def what_is_final_stays(step: Step) -> None:
    """Nothing of a final task changes but its watch, its upstream id and late videos behind it."""
    was, now = step.before, step.after
    if was.final:
        assert [files.plain(r) for r in now.results[: len(was.results)]] == [
            files.plain(r) for r in was.results
        ]
        free = replace(
            was,
            results=now.results,
            upstream_id=now.upstream_id if was.upstream_id is None else was.upstream_id,
            slot_since=now.slot_since if now.slot_since is None else was.slot_since,
            look_again_at=now.look_again_at,
            lease_until=now.lease_until,
            settled_since=now.settled_since,
            polls=now.polls,
        )
        assert now == free


def settled_results_stay(step: Step) -> None:
    """A result that is settled never changes, whatever is said later."""
    for was, now in zip(step.before.results, step.after.results, strict=False):
        if was.state is ResultState.ARCHIVING and now.state is ResultState.COMPLETED:
            assert files.plain(replace(was, state=now.state, hold_until=None)) == files.plain(now)
        else:
            assert was.state is ResultState.PENDING or files.plain(was) == files.plain(now)


def what_never_changes(step: Step) -> None:
    """Decisions touch neither who a task is, nor its lease number, nor its event sequence."""
    was, now = step.before, step.after
    assert now.task_uuid == was.task_uuid
    assert now.results_expected == was.results_expected
    assert (now.lease_no, now.event_sequence) == (was.lease_no, was.event_sequence)


def events_come_in_order(step: Step) -> None:
    """`task.processing`, then the videos, then the end, then late videos; others' videos any time."""
    told = step.told
    if "task.processing" in told:
        assert told[0] == "task.processing"
    ends = [i for i, t in enumerate(told) if t in TERMINAL]
    if ends:
        assert {*told[ends[0] + 1 :]} <= {"video.late"}
    for archived in {"video.archived", "video.archive_failed"} & {*told}:
        assert told[0] == archived


def a_place_is_given_up_only_when_it_ended(step: Step) -> None:
    """A place upstream is freed by a definite word, or when the watch has lasted its time."""
    was, now = step.before, step.after
    if was.slot_since is not None and now.slot_since is None:
        waited = step.now >= was.slot_since + step.policy.slot_max
        assert waited or isinstance(step.event, Report | Accepted | Refused | TryLater)


def the_next_look_is_in_time(step: Step) -> None:
    """An open task is looked at by its deadline, inside its grace, or when its lease ends."""
    task = step.after
    if not step.moved or task.final or task.look_again_at is None:
        return
    if task.state is State.QUEUED:
        assert task.look_again_at <= task.start_by
    elif task.being_sent:
        began = step.after.lease_until if step.sends else step.before.look_again_at
        assert task.look_again_at == (step.now if isinstance(step.event, AskUpstream) else began)
    elif task.holding:
        assert task.hold_until is not None
        assert task.look_again_at <= max(task.hold_until, step.now)
    elif task.deadline_at is not None:
        assert task.look_again_at <= task.deadline_at + step.policy.deadline_grace


def a_resend_is_allowed(step: Step) -> None:
    """Only an unknown outcome, read and not found, unnamed, inside the window, is sent again."""
    was = step.before
    if not step.sends or was.state is State.QUEUED:
        return
    assert was.state is State.SUBMITTING
    assert was.unknown
    assert was.upstream_id is None
    assert was.read_empty_at is not None
    assert was.first_sent_at is not None
    assert step.now < was.first_sent_at + step.policy.resend_window


def no_refusal_after_an_unknown_is_final(step: Step) -> None:
    """While an outcome is unknown, no answer to another send ends the task or queues it again."""
    if step.before.unknown and isinstance(step.event, Refused | TryLater | SubmitUnknown):
        assert step.after.state is step.before.state
        assert step.after.slot_since == step.before.slot_since


OF_A_STEP = (
    *(only_a_move_changes, states_move_by_the_table, what_is_final_stays, settled_results_stay),
    *(what_never_changes, events_come_in_order, a_place_is_given_up_only_when_it_ended),
    *(files.a_file_changes_no_verdict, files.what_is_held_is_told_in_time),
    *(the_next_look_is_in_time, a_resend_is_allowed, no_refusal_after_an_unknown_is_final),
)


# Of a life.


def nothing_is_told_twice(memory: Memory, step: Step) -> None:
    """Every event of a task, its videos' included, is told at most once in its life."""
    told = step.decision.announce
    assert len({*told}) == len(told)
    assert not memory.told & {*told}


def all_that_is_settled_was_told(memory: Memory, step: Step) -> None:
    """Each settled result has exactly one event, each open or canceled one none; so has the end."""
    told = memory.told | {*step.decision.announce}
    of_results = {a for a in told if a.result_index is not None and a.type not in ARCHIVE_EVENTS}
    assert of_results == told_of(step.after.results)
    ends = [a.type for a in told if a.type in TERMINAL]
    assert ends == [f"task.{step.after.state}"] * step.after.final


def no_paid_video_is_silent(memory: Memory, step: Step) -> None:
    """Every video that any report ever carried is kept, and nothing else is."""
    assert paid_of(step.after.results) == memory.paid | {v.video_uuid for v in step.videos}


def one_send_at_a_time(memory: Memory, step: Step) -> None:
    """A send waits until the one before was answered and read, or must have ended and was read."""
    if step.sends and memory.sent_at is not None:
        over = memory.sent_at + step.policy.call_limit + step.policy.resend_margin
        assert memory.read
        assert memory.answered or step.now >= over


OF_A_LIFE = (
    *(nothing_is_told_twice, all_that_is_settled_was_told, no_paid_video_is_silent),
    *(one_send_at_a_time,),
)


def check_task(task: Task) -> None:
    """Hold a task against every law of a task."""
    for law in OF_A_TASK:
        law(task)


def check_step(step: Step) -> None:
    """Hold a decision, and the task after it, against every law."""
    for law in OF_A_STEP:
        law(step)
    check_task(step.after)


def remember(memory: Memory, step: Step) -> Memory:
    """Hold a step against all that was before it, and give what is to be remembered from now on."""
    for law in OF_A_LIFE:
        law(memory, step)
    return memory.after(step)


def check_history(history: Iterable[Step]) -> None:
    """Hold all that happened to one task since it was queued against the laws of a life."""
    memory = Memory()
    for step in history:
        memory = remember(memory, step)
