"""Connections: a pool with time-outs, transactions, and the errors that mean "the database is away"."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from service.core.errors import Unavailable

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

AGAIN = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
"""What a transaction may be tried again for."""


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
    """Borrow a connection; raises Unavailable when the database is away."""
    try:
        async with pool.acquire(timeout=timeout_s) as conn:
            yield conn
    except AWAY as error:
        raise Unavailable("The database cannot be reached; nothing was stored.") from error


@asynccontextmanager
async def transaction(pool: Pool, timeout_s: float = 10.0) -> AsyncIterator[Conn]:
    """Borrow a connection in a transaction that commits at the end or not at all."""
    async with connection(pool, timeout_s) as conn, conn.transaction():
        yield conn
