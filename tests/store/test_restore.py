"""A dump that is restored into a new cluster: whoever follows the feed misses nothing and gets nothing twice."""

import asyncio
import json
import random
import subprocess
from pathlib import Path
from uuid import UUID, uuid4

from service.embedded.programs import find
from service.flows.feed import Feed
from service.flows.upkeep import Upkeep
from service.store import outbox, upkeep
from service.store.events import NewEvent
from service.store.pool import Pool, create_pool
from tests.support.database import migrated, pg_bin, stoppable
from tests.support.flows import TENANT

BEFORE, AFTER = 40, 25


async def write(pool: Pool, count: int) -> list[UUID]:
    """Write events, some of them together, from several connections."""
    throw = random.Random(count)  # noqa: S311 - how many go together

    async def some(number: int) -> list[UUID]:
        async with pool.acquire() as conn, conn.transaction():
            made = [
                NewEvent(uuid4(), TENANT, "task.failed", uuid4(), 1, b"{}") for _ in range(number)
            ]
            await outbox.write(conn, await upkeep.clock(conn), "https://board.example", made, [])
        return [event.id for event in made]

    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(min(throw.randrange(1, 4), count - sum(sizes)))
    found = await asyncio.gather(*[some(size) for size in sizes])
    return [one for several in found for one in several]


async def follow(pool: Pool, cursor: str | None, most: int | None = None) -> tuple[list[UUID], str]:
    """Read on, to the end or up to a number of events."""
    seen: list[UUID] = []
    while True:
        page = await Feed(pool).page(TENANT, cursor, None, None, 7)
        assert page.next_cursor is not None
        cursor = page.next_cursor
        seen += [UUID(json.loads(item)["id"]) for item in page.items]
        if not page.items or (most is not None and len(seen) >= most):
            return seen, cursor


async def before(dsn: str) -> tuple[list[UUID], list[UUID], str]:
    """Write events and read some of them; more are written that nobody has read."""
    await migrated(dsn)
    pool = await create_pool(dsn, size=8, statement_timeout_s=10)
    # A reader's place is far on: the counter of the new cluster begins far behind it.
    for _ in range(50):
        await pool.execute("SELECT pg_current_xact_id()")
    written = await write(pool, BEFORE)
    seen, cursor = await follow(pool, None, BEFORE // 2)
    written += await write(pool, AFTER)
    await pool.close()
    return written, seen, cursor


async def after(dsn: str, cursor: str) -> tuple[list[UUID], list[UUID]]:
    """Start on the restored database while somebody writes already; gives what was written and what is read."""
    pool = await create_pool(dsn, size=8, statement_timeout_s=10)
    early, late = (await write(pool, AFTER)), asyncio.create_task(write(pool, AFTER))
    await Upkeep(pool, 30).renew_feed()
    await Upkeep(pool, 30).run_once()
    written = early + await late + await write(pool, AFTER)
    seen, cursor = await follow(pool, cursor)
    written += (last := await write(pool, 3))
    assert sorted((await follow(pool, cursor))[0]) == sorted(last)
    await pool.close()
    return written, seen + last


def test_a_reader_goes_on_in_the_restored_database_where_it_was(tmp_path: Path) -> None:
    dump = tmp_path / "dump.sql"
    programs = find(pg_bin())[0]
    with stoppable() as (_, dsn):
        written, seen, cursor = asyncio.run(before(dsn))
        run(programs / "pg_dump", "--schema", "callboard", "--file", str(dump), dsn)
    with stoppable() as (_, dsn):
        run(programs / "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(dump), dsn)
        more, seen_then = asyncio.run(after(dsn, cursor))
    assert len(seen + seen_then) == len(set(seen + seen_then))
    assert set(seen + seen_then) == set(written + more)


def run(*command: object) -> None:
    ended = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
