"""The schema: what the migrations make, that every statement fits it, and that it defends itself."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from service.core.states import FINAL, KEPT, ResultState, State
from service.store import migrate, upkeep
from service.store.pool import Pool
from service.store.queries import load_all, parse
from tests.support import database

PARAMETER = re.compile(r"^-- \$(\d+) (\w+(?: precision)?(?:\[\])?)", re.MULTILINE)
TYPES = {"float8": "double precision", "int4": "integer", "int8": "bigint", "int2": "smallint"}
TYPES |= {"bool": "boolean"}


@pytest.mark.parametrize(
    ("file", "name"), [(f, n) for f, blocks in load_all().items() for n in blocks]
)
async def test_every_statement_prepares_with_the_parameters_it_declares(
    file: str, name: str, pool: Pool
) -> None:
    sql = load_all()[file][name]
    async with pool.acquire() as conn:
        parameters = (await conn.prepare(sql)).get_parameters()
    declared = {int(n): kind for n, kind in PARAMETER.findall(sql)}
    assert sorted(declared) == list(range(1, len(declared) + 1))
    real = [_name(p.name) for p in parameters]
    assert real == [declared[n] for n in sorted(declared)]


def _name(pg: str) -> str:
    base = pg.removesuffix("[]").removeprefix("_")
    array = "[]" if pg.endswith("[]") or pg.startswith("_") else ""
    return TYPES.get(base, base) + array


def test_a_file_with_a_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        parse("-- name: a_b\nSELECT 1\n-- name: a_b\nSELECT 2\n", "x.sql")


def test_a_file_with_text_before_its_first_name_is_refused() -> None:
    with pytest.raises(ValueError, match="before"):
        parse("SELECT 1\n-- name: a_b\nSELECT 2\n", "x.sql")


async def test_two_runners_at_once_migrate_once(pg_dsn: str) -> None:
    await database.execute(pg_dsn, "CREATE DATABASE migrated_twice")
    dsn = database.database_of(pg_dsn, "migrated_twice")
    try:
        ran = await asyncio.gather(_migrate(dsn), _migrate(dsn))
        assert sorted(ran, key=len) == [[], [m.name for m in migrate.migrations()]]
        assert await _migrate(dsn) == []
    finally:
        await database.execute(pg_dsn, "DROP DATABASE migrated_twice WITH (FORCE)")


async def _migrate(dsn: str) -> list[str]:
    conn = await asyncpg.connect(dsn)
    try:
        return await migrate.migrate(conn)
    finally:
        await conn.close()


async def test_a_migration_that_was_edited_after_it_ran_stops_the_runner(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute("UPDATE callboard.migrations SET checksum = 'other'")
        with pytest.raises(migrate.MigrationError, match="changed after it ran"):
            await migrate.pending(conn)


async def test_a_database_of_a_newer_version_stops_the_runner(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO callboard.migrations VALUES (9999, 'later', 'x')")
        with pytest.raises(migrate.MigrationError, match="does not know"):
            await migrate.pending(conn)


async def test_the_states_of_the_database_are_those_of_core(pool: Pool) -> None:
    assert await _allowed(pool, "tasks", "state") == {s.value for s in State}
    assert await _allowed(pool, "results", "state") == {s.value for s in ResultState}
    assert await _allowed(pool, "callbacks", "outcome") == {o.value for o in KEPT}


async def _allowed(pool: Pool, table: str, column: str) -> set[str]:
    async with pool.acquire() as conn:
        text = await conn.fetchval(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid = ('callboard.' || $1)::regclass AND conname = $1 || '_' || $2 || '_check'",
            table,
            column,
        )
    return set(re.findall(r"'(\w+)'::text", text))


INSERT = (
    "INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, results_expected, created_at,"
    " start_by, deadline_seconds, look_again_at, finished_at, terminal_event, slot_since)"
    " VALUES ($1, 'default', 'sync', 'm', $2, 1, now(), now(), 1, $3, $4, $5, $6)"
)
NOW = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize("state", sorted(FINAL))
async def test_a_final_task_without_its_end_is_refused(state: State, pool: Pool) -> None:
    await _refused(pool, "final_tasks_are_finished", state, None, None, uuid4(), None)
    await _refused(pool, "final_tasks_were_announced", state, None, NOW, None, None)


async def test_an_open_task_that_nobody_looks_at_is_refused(pool: Pool) -> None:
    await _refused(pool, "open_tasks_are_looked_at", State.PROCESSING, None, None, None, None)


async def test_a_queued_task_that_holds_a_slot_is_refused(pool: Pool) -> None:
    await _refused(pool, "slots_are_held_since_a_send", State.QUEUED, NOW, None, None, NOW)


async def _refused(pool: Pool, constraint: str, state: State, *values: object) -> None:
    async with pool.acquire() as conn:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await conn.execute(INSERT, uuid4(), state.value, *values)
    assert caught.value.constraint_name == constraint


async def test_partitions_are_there_for_the_coming_week_and_are_made_once(pool: Pool) -> None:
    async with pool.acquire() as conn:
        assert await upkeep.days_ahead(conn) == 7
        assert await upkeep.ensure_partitions(conn, 7) == 0
        assert await upkeep.ensure_partitions(conn, 8) == 4
        assert await upkeep.days_ahead(conn) == 8


async def test_retention_drops_old_days_and_keeps_those_with_open_work(pool: Pool) -> None:
    old = datetime.now(UTC) - timedelta(days=40)
    async with pool.acquire() as conn:
        await conn.execute("SELECT callboard.ensure_partitions($1::date - 1, 3)", old.date())
        await conn.execute(
            "INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome)"
            " VALUES ($1, 'sync', $2, '', 'pending')",
            old,
            uuid4(),
        )
        assert await upkeep.drop_partitions(conn, 30) == 11
        await conn.execute("UPDATE callboard.callbacks SET outcome = 'applied'")
        assert await upkeep.drop_partitions(conn, 30) == 1
