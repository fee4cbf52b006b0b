"""Connections: a pool with time-outs, transactions, and the errors that mean "the database is away"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from service.core.errors import Unavailable
from service.store.queries import load

if TYPE_CHECKING:
    # Only the stubs are generic.
    Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
    Conn: TypeAlias = (
        "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
    )
else:
    Pool = asyncpg.Pool
    Conn = asyncpg.Connection
Record: TypeAlias = asyncpg.Record

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What asyncpg raises when the server is gone, starting, stopping or full."""

COLLIDED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
HELD_UP = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
SQL = load("upkeep")


class Busy(Unavailable):
    """The database was too busy with others; nothing was stored."""


class Collided(Busy):
    """The database was busy with others, who are gone; nothing was stored."""


async def create_pool(
    dsn: str, *, size: int, statement_timeout_s: float, connect_timeout_s: float = 5.0
) -> Pool:
    """Open a pool; every connection has its time-outs and speaks UTC.

    A session that sits idle in a transaction is ended after a minute: an old snapshot makes claims slow
    (queues.md E6). Raises Unavailable, with the server's own words, when there is no connection.
    """
    try:
        return await _open(dsn, size, statement_timeout_s, connect_timeout_s)
    except (*AWAY, asyncpg.PostgresError, ValueError) as error:
        text = f"The database cannot be reached (CALLBOARD_DATABASE_URL): {error}"
        raise Unavailable(text) from error


async def _open(dsn: str, size: int, statement_timeout_s: float, connect_timeout_s: float) -> Pool:
    return await asyncpg.create_pool(
        dsn,
        min_size=2,
        max_size=size,
        timeout=connect_timeout_s,
        command_timeout=statement_timeout_s + 5,
        max_inactive_connection_lifetime=300,
        server_settings={
            "application_name": "callboard",
            "timezone": "UTC",
            "statement_timeout": str(int(statement_timeout_s * 1000)),
            "lock_timeout": str(int(statement_timeout_s * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",
        },
    )


@asynccontextmanager
async def connection(pool: Pool, timeout_s: float = 10.0) -> AsyncIterator[Conn]:
    """Borrow a connection; raises Unavailable when the database is away, Busy when others are in the way."""
    try:
        async with pool.acquire(timeout=timeout_s) as conn:
            yield conn
    except AWAY as error:
        raise Unavailable("The database cannot be reached; nothing was stored.") from error
    except COLLIDED as error:
        raise Collided from error
    except HELD_UP as error:
        raise Busy from error
    except asyncpg.CheckViolationError as error:
        if error.constraint_name is not None:
            raise
        # Only rows that find no partition break a rule without a name.
        await _make_partitions(pool, timeout_s)
        raise Collided from error


@asynccontextmanager
async def transaction(pool: Pool, timeout_s: float = 10.0) -> AsyncIterator[Conn]:
    """Borrow a connection in a transaction that commits at the end or not at all."""
    async with connection(pool, timeout_s) as conn, conn.transaction():
        yield conn


@asynccontextmanager
async def brief_transaction(pool: Pool, seconds: float, lock_s: float) -> AsyncIterator[Conn]:
    """Borrow a connection in a transaction that is over after so many seconds, one way or the other.

    Locks are waited for shorter, so that another try fits in. A server that does not even answer cannot be
    asked to stop: then the connection is broken, and what had not been committed never is.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    async with connection(pool, seconds) as conn:
        limit = loop.call_at(until, conn.terminate)
        try:
            async with conn.transaction():
                await conn.execute(
                    SQL["limit_waits"], f"{int(lock_s * 1000)}ms", f"{int(seconds * 1000)}ms"
                )
                yield conn
        finally:
            limit.cancel()


async def limit_lock_wait(conn: Conn, seconds: float) -> None:
    """Wait for locks no longer than this, for the rest of the transaction."""
    await conn.execute(SQL["limit_lock_wait"], f"{int(seconds * 1000)}ms")


async def _make_partitions(pool: Pool, timeout_s: float) -> None:
    """Make the partitions of today: upkeep makes them days ahead, unless it was away for days."""
    async with connection(pool, timeout_s) as conn:
        await conn.execute(SQL["ensure_partitions"], 1)
