"""Callbacks while the database is frozen, stopped or locked: 503 in time, nothing stored, nothing kept."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from service.embedded.manager import EmbeddedPostgres
from service.store.pool import Pool, create_pool
from tests.support import database
from tests.support.callbacks import outcome, stored
from tests.support.fakes import said
from tests.support.web import Api, serving

PATIENCE_S = 1.0
LIMIT_S = 3.0
"""Far less than any time-out of the pool (10 s and more): what is answered by then did not wait for one."""


@pytest.fixture
def server() -> Iterator[tuple[EmbeddedPostgres, str]]:
    """Run a Postgres that a test may freeze and stop."""
    with database.stoppable() as (postgres, dsn):
        asyncio.run(database.migrated(dsn))
        yield postgres, dsn


@pytest.fixture
async def pool(server: tuple[EmbeddedPostgres, str]) -> AsyncIterator[Pool]:
    """Open a pool on it."""
    opened = await create_pool(server[1], size=6, statement_timeout_s=10)
    yield opened
    opened.terminate()


async def refused(api: Api, *names: UUID) -> None:
    """Have callbacks come, all at once; every one is told to come again, and none is kept in memory."""
    async with asyncio.timeout(LIMIT_S):
        replies = await asyncio.gather(*(api.call_back(n, said("v1")) for n in names))
    for reply in replies:
        reply.problem(503, "unavailable")
        assert "Retry-After" in reply.headers
    assert api.house.batcher.waiting == 0


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    """Stop processes where they are."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def processes(pool: Pool) -> list[int]:
    """Name the processes of the server that answer clients."""
    folder = await pool.fetchval("SELECT current_setting('data_directory')")
    told = await asyncio.to_thread(Path(folder, "postmaster.pid").read_text, "utf-8")
    backends = await pool.fetch(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    return [int(told.split()[0]), *(r["pid"] for r in backends)]


async def test_a_frozen_database_is_a_503_and_stores_nothing_when_it_thaws(
    pool: Pool,
) -> None:
    async with serving(pool, patience_s=PATIENCE_S) as api:
        names = [await api.made() for _ in range(3)]
        with frozen(await processes(pool)):
            await refused(api, *names)
            # The flushers are free again, and do not stand in a queue for what is over.
            await refused(api, *names)
        for name in names:
            assert await stored(pool, name) == []
            assert outcome(await api.call_back(name, said("v1"))) == "applied"


async def test_a_database_that_is_shut_down_is_a_503_until_it_is_back(
    server: tuple[EmbeddedPostgres, str], pool: Pool
) -> None:
    postgres, _ = server
    async with serving(pool, patience_s=PATIENCE_S) as api:
        names = [await api.made() for _ in range(3)]
        postgres.stop()
        await refused(api, *names)
        postgres.start()
        assert outcome(await api.call_back(names[0], said("v1"))) == "applied"
        assert await stored(pool, names[1]) == []


async def test_a_locked_inbox_is_a_503_and_stores_nothing_when_it_is_unlocked(
    server: tuple[EmbeddedPostgres, str], pool: Pool
) -> None:
    async with serving(pool, patience_s=PATIENCE_S) as api:
        names = [await api.made() for _ in range(3)]
        holder = await asyncpg.connect(server[1], timeout=10)
        try:
            async with holder.transaction():
                await holder.execute("LOCK TABLE callboard.callbacks IN ACCESS EXCLUSIVE MODE")
                await refused(api, *names)
        finally:
            await holder.close()
        for name in names:
            assert await stored(pool, name) == []
            assert outcome(await api.call_back(name, said("v1"))) == "applied"


async def test_locked_events_cost_only_the_application(
    server: tuple[EmbeddedPostgres, str], pool: Pool
) -> None:
    """Two tries to apply and one to store fit into a caller's patience."""
    async with serving(pool, patience_s=PATIENCE_S) as api:
        name = await api.made()
        holder = await asyncpg.connect(server[1], timeout=10)
        try:
            async with holder.transaction():
                await holder.execute("LOCK TABLE callboard.events IN ACCESS EXCLUSIVE MODE")
                async with asyncio.timeout(LIMIT_S):
                    assert outcome(await api.call_back(name, said("v1"))) == "pending"
        finally:
            await holder.close()
        await api.house.pending.run_once()
        assert await stored(pool, name) == ["applied"]
