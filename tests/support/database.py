"""Databases for tests: one embedded Postgres a session, one fresh migrated database a test."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from service.embedded.manager import EmbeddedPostgres
from service.store.migrate import migrate
from tests.support.embedded import open_home

TEMPLATE = "callboard_template"


def pg_bin() -> Path | None:
    """Which PostgreSQL the tests run on: that of CALLBOARD_PG_BIN, else the one of the wheel."""
    chosen = os.environ.get("CALLBOARD_PG_BIN")
    return Path(chosen) if chosen else None


@contextmanager
def stoppable() -> Iterator[tuple[EmbeddedPostgres, str]]:
    """Run a Postgres that a test may stop and start; gives the DSN of its own, empty database."""
    with open_home() as home:
        postgres = EmbeddedPostgres(home / "data", pg_bin=pg_bin())
        dsn = postgres.start()
        try:
            yield postgres, dsn
        finally:
            postgres.stop()


@contextmanager
def server() -> Iterator[str]:
    """Run a Postgres with a migrated template database; gives the DSN of its own database."""
    with stoppable() as (_, dsn):
        asyncio.run(execute(dsn, f"CREATE DATABASE {TEMPLATE}"))
        asyncio.run(migrated(database_of(dsn, TEMPLATE)))
        yield dsn


def database_of(dsn: str, name: str) -> str:
    """Name another database of the same server."""
    return urlsplit(dsn)._replace(path=f"/{name}").geturl()


async def execute(dsn: str, statement: str) -> None:
    """Run one statement over a connection of its own."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def make(dsn: str, name: str) -> None:
    """Make a migrated database: a copy of the template, which takes a third of a second."""
    await execute(dsn, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY wal_log")


async def drop(dsn: str, name: str) -> None:
    """Drop a database, whoever is in it."""
    await execute(dsn, f"DROP DATABASE {name} WITH (FORCE)")


async def migrated(dsn: str) -> None:
    """Run all migrations on a database."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await migrate(connection)
    finally:
        await connection.close()
