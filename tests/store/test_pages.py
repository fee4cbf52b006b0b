"""Pages of tasks and of the inbox: whichever index they are found by, they are what a plain search finds."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.store import callbacks, tasks
from service.store.pool import Pool
from service.store.tasks import Filter

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATES = ("processing", "completed", "submitting", "failed")
# Whoever reads the clock first may draw its seq later: up to nine seconds here.
TASKS = """
INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, results_expected, created_at, start_by,
                             deadline_seconds, look_again_at, finished_at, terminal_event)
SELECT gen_random_uuid(), CASE n % 7 WHEN 0 THEN 'other' ELSE 'default' END, CASE n % 3 WHEN 0 THEN 'sync' ELSE 'runware' END,
       'model:' || n % 5, s.state, 1, c.at, c.at, 60, CASE WHEN f.at IS NULL THEN c.at END, f.at,
       CASE WHEN f.at IS NOT NULL THEN gen_random_uuid() END
FROM generate_series(1, 240) AS n,
     LATERAL (SELECT $1::timestamptz + make_interval(secs => n + (n * 7) % 10) AS at) AS c,
     LATERAL (SELECT ($2::text[])[1 + n % 4] AS state) AS s,
     LATERAL (SELECT CASE WHEN s.state IN ('completed', 'failed') THEN c.at END AS at) AS f
ORDER BY n;
"""
LABELS = """
INSERT INTO callboard.task_labels (tenant, key, value, seq, task_uuid)
SELECT t.tenant, l.key, l.value, t.seq, t.task_uuid
FROM callboard.tasks AS t, LATERAL (VALUES ('a', (t.seq % 2)::text), ('b', (t.seq % 6)::text)) AS l (key, value)
"""
AFTER, BEFORE = NOW + timedelta(seconds=90), NOW + timedelta(seconds=200)
FILTERS = {
    "all": Filter(),
    "state": Filter(state="failed"),
    "no such state": Filter(state="canceled"),
    "provider": Filter(provider="sync"),
    "state and model": Filter(state="completed", model="model:3"),
    "after": Filter(created_after=AFTER),
    "before": Filter(created_before=BEFORE),
    "between": Filter(created_after=AFTER, created_before=BEFORE),
    "state between": Filter(state="processing", created_after=AFTER, created_before=BEFORE),
    "label": Filter(labels=(("a", "1"),)),
    "labels": Filter(labels=(("b", "2"), ("a", "0"))),
    "labels that never meet": Filter(labels=(("b", "2"), ("a", "1"))),
    "label and state between": Filter(
        state="failed", labels=(("a", "1"),), created_after=AFTER, created_before=BEFORE
    ),
    "before everything": Filter(created_before=NOW - timedelta(hours=1)),
    "after everything": Filter(created_after=NOW + timedelta(hours=1)),
}


@pytest.fixture
async def conn(pool: Pool) -> AsyncIterator[Any]:
    async with pool.acquire() as borrowed:
        await borrowed.execute("INSERT INTO callboard.tenants (tenant) VALUES ('other')")
        await borrowed.execute(TASKS, NOW, list(STATES))
        await borrowed.execute(LABELS)
        yield borrowed


def wanted(row: Any, given: Filter) -> bool:
    """Say whether a task is what was asked for."""
    labels = {"a": str(row["seq"] % 2), "b": str(row["seq"] % 6)}
    return (
        row["tenant"] == "default"
        and given.state in {None, row["state"]}
        and given.provider in {None, row["provider"]}
        and given.model in {None, row["model"]}
        and (given.created_after is None or row["created_at"] > given.created_after)
        and (given.created_before is None or row["created_at"] < given.created_before)
        and all(labels[key] == value for key, value in given.labels)
    )


@pytest.mark.parametrize("name", FILTERS)
async def test_pages_put_together_are_all_that_was_asked_for_newest_first(
    conn: Any, name: str
) -> None:
    given = FILTERS[name]
    rows = await conn.fetch("SELECT * FROM callboard.tasks ORDER BY seq DESC")
    expected = [r["seq"] for r in rows if wanted(r, given)]
    found: list[int] = []
    while page := await tasks.page(conn, "default", given, found[-1] if found else None, 7):
        found += [seq for seq, _ in page]
    assert found == expected


@pytest.mark.parametrize("outcome", [None, "applied", "orphan", "pending", "late"])
@pytest.mark.parametrize("of_task", [False, True])
async def test_pages_of_the_inbox_are_found_by_task_and_outcome(
    pool: Pool, outcome: str | None, of_task: bool
) -> None:
    named: UUID = uuid4()
    outcomes = ("applied", "applied", "orphan", "pending")
    async with pool.acquire() as conn:
        for n in range(40):
            await conn.execute(
                "INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome)"
                " VALUES (clock_timestamp(), 'sync', $1, '', $2)",
                named if n % 3 else uuid4(),
                outcomes[n % 4],
            )
        rows = await conn.fetch("SELECT * FROM callboard.callbacks ORDER BY id DESC")
        task_uuid = named if of_task else None
        found: list[int] = []
        while page := await callbacks.page(
            conn, "default", task_uuid, outcome, found[-1] if found else None, 7
        ):
            found += [r["id"] for r in page]
    expected = [
        r["id"]
        for r in rows
        if outcome in {None, r["outcome"]} and task_uuid in {None, r["task_uuid"]}
    ]
    assert found == expected
