"""Runs the numbered files of `migrations/` once each, in order, one transaction each, one runner at a time.

What ran is kept with its checksum: a file that was edited afterwards stops the runner, and so does a
database that is newer than this program.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from importlib.resources import files

import asyncpg

from service.store.pool import Conn, connection, create_pool

LOCK = 7301955819
"""The advisory lock that keeps runners apart."""
LOCK_WAIT_S = 60.0


class MigrationError(Exception):
    """The schema and this program do not fit together."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """What the file is known by once it ran."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Give all files in order."""
    folder = files("service.store").joinpath("migrations")
    found = [
        Migration(int(f.name.split("_", 1)[0]), f.name.removesuffix(".sql"), f.read_text("utf-8"))
        for f in folder.iterdir()
        if f.name.endswith(".sql")
    ]
    return sorted(found, key=lambda m: m.number)


async def pending(conn: Conn) -> list[Migration]:
    """Give the files that did not run yet; raises MigrationError when the two do not fit together."""
    if await conn.fetchval("SELECT to_regclass('callboard.migrations')") is None:
        return migrations()
    rows = await conn.fetch("SELECT number, checksum FROM callboard.migrations ORDER BY number")
    ran = {int(r["number"]): str(r["checksum"]) for r in rows}
    files_by_number = {m.number: m for m in migrations()}
    if unknown := sorted(set(ran) - set(files_by_number)):
        raise MigrationError(
            f"The database has migration {unknown[-1]}, which this version of callboard does not know: "
            "run the newer version."
        )
    for number, checksum in ran.items():
        if files_by_number[number].checksum != checksum:
            raise MigrationError(f"Migration {number} was changed after it ran; put it back.")
    return [m for n, m in files_by_number.items() if n not in ran]


async def migrate(conn: Conn) -> list[str]:
    """Run what is missing and name it; safe when several processes call it at once."""
    if not await pending(conn):
        return []
    await _lock(conn)
    try:
        await conn.execute("SET lock_timeout = '5s'")
        await conn.execute("SET statement_timeout = '10min'")
        await conn.execute(
            "CREATE SCHEMA IF NOT EXISTS callboard;"
            "CREATE TABLE IF NOT EXISTS callboard.migrations (number integer PRIMARY KEY,"
            " name text NOT NULL, checksum text NOT NULL,"
            " ran_at timestamptz NOT NULL DEFAULT clock_timestamp())"
        )
        return [await _run(conn, m) for m in await pending(conn)]
    finally:
        await conn.execute("RESET lock_timeout")
        await conn.execute("RESET statement_timeout")
        await conn.execute("SELECT pg_advisory_unlock($1)", LOCK)


async def migrate_database(dsn: str) -> list[str]:
    """Run what is missing over a connection of its own; raises Unavailable when there is none."""
    pool = await create_pool(dsn, size=2, statement_timeout_s=600)
    try:
        async with connection(pool) as conn:
            return await migrate(conn)
    finally:
        await pool.close()


async def _run(conn: Conn, migration: Migration) -> str:
    try:
        async with conn.transaction():
            await conn.execute(migration.sql)
            await conn.execute(
                "INSERT INTO callboard.migrations (number, name, checksum) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"Migration {migration.name} failed: {error}") from error
    return migration.name


async def _lock(conn: Conn) -> None:
    """Wait for the lock by trying: a waiting lock would hold a snapshot open."""
    deadline = asyncio.get_running_loop().time() + LOCK_WAIT_S
    while not await conn.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        if asyncio.get_running_loop().time() > deadline:
            raise MigrationError(
                f"Another migration has been running for over {LOCK_WAIT_S:.0f} s."
            )
        await asyncio.sleep(0.1)
