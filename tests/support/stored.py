"""All that is stored, held against the laws."""

from uuid import UUID

from service.core.states import MOVES, ResultState, State
from service.core.task import Task
from service.store.pool import Pool
from tests.support.flows import task
from tests.support.laws import TERMINAL
from tests.support.task_laws import check_task

OF_RESULTS = frozenset({"video.completed", "video.failed", "video.late"})
"""The events of which each result has one; what becomes of its file has others."""


async def lawful(pool: Pool) -> None:
    """Hold all that is stored against the laws of tasks, events and histories."""
    for row in await pool.fetch("SELECT * FROM callboard.tasks"):
        found = await task(pool, row["task_uuid"])
        check_task(found)
        await _events_are_lawful(pool, found, row["terminal_event"])
        await _history_is_lawful(pool, found)


async def _events_are_lawful(pool: Pool, found: Task, terminal: UUID | None) -> None:
    rows = await pool.fetch(
        "SELECT id, type, sequence FROM callboard.events WHERE task_uuid = $1 ORDER BY sequence",
        found.task_uuid,
    )
    assert [r["sequence"] for r in rows] == list(range(1, found.event_sequence + 1))
    assert [r["id"] for r in rows if r["type"] in TERMINAL] == [terminal] * found.final
    videos = {r["id"] for r in rows if r["type"] in OF_RESULTS}
    results = await pool.fetch(
        "SELECT event_id, state FROM callboard.results WHERE task_uuid = $1", found.task_uuid
    )
    silent = {ResultState.PENDING, ResultState.ARCHIVING, ResultState.CANCELED}
    assert {r["event_id"] for r in results if r["state"] not in silent} == videos


async def _history_is_lawful(pool: Pool, found: Task) -> None:
    rows = await pool.fetch(
        "SELECT from_state, to_state FROM callboard.history"
        " WHERE task_uuid = $1 AND kind = 'transition' ORDER BY id",
        found.task_uuid,
    )
    at = State.QUEUED
    for row in rows:
        was, at = at, State(row["to_state"])
        assert State(row["from_state"]) is was
        assert at is was or at in MOVES[was]
    assert at is found.state
