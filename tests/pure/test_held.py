"""Tasks that wait for files: bounded, in order, and never another verdict for it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from service.core.decide import Step as Due
from service.core.inputs import (
    Archived,
    AskUpstream,
    Input,
    ReadFailed,
    ReadNothing,
    SendStarted,
    Tick,
)
from service.core.media import Archive, ArchiveState
from service.core.states import State
from tests.support.canonical import FILES
from tests.support.tasks import BROKEN, SILENCE, Life, callback, poll, processing, video

HOLD_S = 600
KEPT, FAILED, DELETED = (
    FILES[s] for s in (ArchiveState.KEPT, ArchiveState.FAILED, ArchiveState.DELETED)
)


def waiting(results: int = 1, *, hold_s: int | None = HOLD_S) -> Life:
    """Make a task upstream whose videos are waited for."""
    life = processing(results)
    life.task = replace(life.task, archives=True, hold_s=hold_s)
    return life


def held(results: int = 1) -> Life:
    """Make one whose videos all came."""
    life = waiting(results)
    life.tell(poll(*(video(n) for n in range(results))))
    assert life.task.holding
    return life


def test_the_place_upstream_is_free_while_a_file_is_waited_for() -> None:
    life = held()
    assert (life.task.state, life.task.slot_since) == (State.PROCESSING, None)
    assert life.told == ["task.processing"]
    assert life.task.look_again_at == life.now + timedelta(seconds=HOLD_S)


@pytest.mark.parametrize(("file", "word"), [(KEPT, "archived"), (FAILED, "archive_failed")])
def test_what_became_of_the_file_is_told_first_then_the_video_then_the_end(
    file: Archive, word: str
) -> None:
    life = held()
    life.tell(Archived(0, file))
    assert life.told[1:] == [f"video.{word}", "video.completed", "task.completed"]
    assert life.task.state is State.COMPLETED
    assert life.task.results[0].archive == file


@pytest.mark.parametrize("event", [Tick(), ReadNothing(), ReadFailed(SILENCE), poll(video(0))])
def test_whoever_looks_when_the_wait_is_over_ends_it(event: Input) -> None:
    life = held().later(HOLD_S)
    life.tell(event)
    assert life.told[1:] == ["video.completed", "task.completed"]
    life.tell(Archived(0, KEPT))
    assert life.told[-1] == "video.archived"


def test_the_wait_is_over_at_its_time_also_while_others_are_generated() -> None:
    # Found by any order: the look stood where the next poll was due, which may be minutes later.
    life = waiting(2, hold_s=45)
    life.tell(callback(video(1)))
    due = life.now + timedelta(seconds=45)
    assert life.task.look_again_at == due
    life.task = replace(life.task, hold_over_at=life.task.hold_until)
    life.until(due)
    assert life.due() is Due.TICK
    life.tell(Tick())
    assert life.told[-1] == "video.completed"
    assert (life.task.state, life.task.slot_since is None) == (State.PROCESSING, False)


def test_the_wait_is_over_at_its_time_also_inside_the_grace_of_a_deadline() -> None:
    life = waiting(2, hold_s=100)
    life.until(life.task.deadline_at).later(-1).tell(callback(video(1)))
    life.later(90).claim().tell(ReadFailed(SILENCE))
    assert life.task.look_again_at == life.now + timedelta(seconds=10)


def test_a_deadline_meanwhile_changes_nothing_of_a_verdict_that_is_known() -> None:
    life = held()
    life.task = replace(life.task, deadline_at=life.now + timedelta(seconds=1))
    life.later(60).tell(ReadNothing())
    assert life.task.holding
    life.tell(Archived(0, KEPT))
    assert life.task.state is State.COMPLETED


def test_a_video_that_nobody_asked_for_is_late_at_once_and_the_others_still_held() -> None:
    life = held()
    life.tell(callback(video(8)))
    assert life.told[-1] == "video.late"
    assert life.task.holding


def test_each_of_several_is_told_with_its_own_file_and_failures_are_not_waited_for() -> None:
    life = waiting(3)
    life.tell(poll(video(1), video(2), faults=(BROKEN,)))
    assert life.told == ["task.processing", "video.failed"]
    life.tell(Archived(1, KEPT))
    assert life.told[2:] == ["video.archived", "video.completed"]
    life.tell(Archived(0, FAILED))
    assert life.told[4:] == ["video.archive_failed", "video.completed", "task.completed"]


def test_what_is_not_waited_for_ends_at_once_and_its_file_is_told_of_after() -> None:
    life = waiting(hold_s=None)
    life.tell(poll(video()))
    assert life.task.state is State.COMPLETED
    for file in (FAILED, FAILED, KEPT, KEPT, FAILED, DELETED, KEPT):
        life.tell(Archived(0, file))
    assert life.told[-2:] == ["video.archive_failed", "video.archived"]
    assert life.task.results[0].archive == DELETED


@pytest.mark.parametrize("index", [1, 7])
def test_a_file_of_no_video_is_nothing(index: int) -> None:
    life = waiting(2)
    life.tell(callback(video(1)))
    before = life.task
    life.tell(Archived(index, KEPT))
    assert life.task == before


@pytest.mark.parametrize("event", [SendStarted(1), AskUpstream("unreadable_callback")])
def test_nothing_is_sent_or_asked_any_more(event: Input) -> None:
    life = held()
    before = life.task
    life.tell(event)
    assert life.task == before
