"""The laws of a task, of a decision and of a whole life: each a plain function whose docstring is the law.

The one place where they are written. `check_task` (`task_laws`) holds for every row at every moment, `check_step` for every
decision, `remember` for all that ever happened to one task. All raise AssertionError. Hypothesis, the walk over
all sequences (tests/models) and the tests of flows and store use the same ones.
"""

from collections.abc import Iterable
from dataclasses import replace

from service.core.event import ARCHIVE_EVENTS
from service.core.inputs import (
    Accepted,
    Archived,
    AskUpstream,
    Refused,
    Report,
    SubmitUnknown,
    TryLater,
)
from service.core.media import ArchiveState
from service.core.states import FINAL, MOVES, ResultState, State
from tests.support.steps import Memory, Step, files_of, paid_of, told_of
from tests.support.task_laws import check_task

FILES = {
    (ArchiveState.PENDING, ArchiveState.KEPT),
    (ArchiveState.PENDING, ArchiveState.FAILED),
    (ArchiveState.FAILED, ArchiveState.KEPT),
    (ArchiveState.KEPT, ArchiveState.DELETED),
}
TERMINAL = frozenset(f"task.{state.value}" for state in FINAL)


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
    """Nothing of a final task changes but its watch, its upstream id, its files and late videos behind it."""
    was, now = step.before, step.after
    if was.final:
        for before, after in zip(was.results, now.results, strict=False):
            assert replace(after, archive=before.archive) == before
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
    """A result that is settled never changes, whatever is said later, but by what becomes of its file."""
    for was, now in zip(step.before.results, step.after.results, strict=False):
        if was.state is ResultState.PENDING:
            continue
        told = was.state is ResultState.ARCHIVING and now.state is ResultState.COMPLETED
        same = replace(now, state=was.state, hold_until=was.hold_until) if told else now
        assert replace(same, archive=was.archive) == was
        assert was.archive == now.archive or isinstance(step.event, Archived)


def a_file_decides_nothing(step: Step) -> None:
    """What becomes of a file ends a task that only waited for it, as completed, and changes no verdict and no place."""
    if not isinstance(step.event, Archived):
        return
    was, now = step.before, step.after
    assert now.state is was.state or (was.holding and now.state is State.COMPLETED)
    assert [(r.video, r.error) for r in now.results] == [(r.video, r.error) for r in was.results]
    assert now.slot_since == was.slot_since
    assert now.upstream_id == was.upstream_id


def a_file_only_goes_forward(step: Step) -> None:
    """Pending becomes kept or failed, failed becomes kept, kept becomes deleted; nothing else."""
    for was, now in zip(step.before.results, step.after.results, strict=False):
        if was.archive is not None and now.archive is not None and was.archive != now.archive:
            assert (was.archive.state, now.archive.state) in FILES


def what_is_held_is_told_of_in_time(step: Step) -> None:
    """An open task is looked at no later than what it holds has waited for long enough."""
    task = step.after
    if step.moved and not task.final and task.hold_until is not None:
        assert task.look_again_at is not None
        assert task.look_again_at <= max(task.hold_until, step.now)


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
    elif task.deadline_at is not None and not task.holding:
        # Who asks long after that, because nobody looked, asks for now.
        assert task.look_again_at <= max(task.deadline_at + step.policy.deadline_grace, step.now)


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
    *(the_next_look_is_in_time, a_resend_is_allowed, no_refusal_after_an_unknown_is_final),
    *(a_file_decides_nothing, a_file_only_goes_forward, what_is_held_is_told_of_in_time),
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
    of_files = {a for a in told if a.type in ARCHIVE_EVENTS}
    of_results = {a for a in told if a.result_index is not None} - of_files
    assert of_results == told_of(step.after.results)
    # What failed first and was kept then has both.
    assert files_of(step.after.results) <= of_files
    assert {a for a in of_files if a.type == "video.archived"} <= files_of(step.after.results)
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
