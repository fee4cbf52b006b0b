"""Connections: a pool with time-outs, transactions, and the errors that mean "the database is away"."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import asyncpg

from service.core.errors import Unavailable
from service.store.queries import load

if TYPE_CHECKING:
    # Only the stubs are generic.
    Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
    Single: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
    Conn: TypeAlias = "Single | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
else:
    Pool = asyncpg.Pool
    Single = Conn = asyncpg.Connection
Record: TypeAlias = asyncpg.Record


class Row(Protocol):
    """A row, or what was put together to be read like one."""

    def __getitem__(self, key: str, /) -> Any:
        """Give a column."""
        ...


AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)
"""What asyncpg raises when the server is gone, starting, stopping or full; an internal error is what it makes of a
connection whose end it has not noticed yet."""

COLLIDED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
HELD_UP = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
TIMEOUT_MS = "timeout_ms"
SQL = load("upkeep")


class Busy(Unavailable):
    """The database was too busy with others; nothing was stored."""


class Collided(Busy):
    """The database was busy with others, who are gone; nothing was stored."""


class _BehindPooler(Single):
    """A connection to a pooler in transaction mode: each transaction may meet another session of the server.

    So nothing may stay in a session: no prepared statement, no setting, no lock. Time-outs come with each
    transaction; a statement by itself is timed out from here.
    """


def _timeout_behind_pooler(conn: Conn) -> int | None:
    """Give the time-out that a transaction has to be told; none for a session of our own, which has it."""
    single = getattr(conn, "_con", conn)
    # Not isinstance: asyncpg says yes to it for every connection.
    return getattr(single, TIMEOUT_MS) if type(single) is _BehindPooler else None


async def create_pool(
    dsn: str,
    *,
    size: int,
    statement_timeout_s: float,
    connect_timeout_s: float = 5.0,
    pooler: bool = False,
) -> Pool:
    """Open a pool; every connection has its time-outs, and speaks UTC unless it is to a `pooler`.

    A session that sits idle in a transaction is ended after a minute: an old snapshot makes claims slow
    (queues.md E6). Raises Unavailable, with the server's own words, when there is no connection.
    """
    try:
        if pooler:
            return await _open_pooled(dsn, size, statement_timeout_s, connect_timeout_s)
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


async def _open_pooled(
    dsn: str, size: int, statement_timeout_s: float, connect_timeout_s: float
) -> Pool:
    async def limit(conn: Conn) -> None:
        setattr(conn, TIMEOUT_MS, int(statement_timeout_s * 1000))

    async def leave_alone(_: Conn) -> None:
        """Do not reset the session: the next one who asks gets another one."""

    return await asyncpg.create_pool(
        dsn,
        min_size=2,
        max_size=size,
        timeout=connect_timeout_s,
        # The server's own time-out of a transaction comes first, and says more.
        command_timeout=statement_timeout_s + 1,
        max_inactive_connection_lifetime=300,
        statement_cache_size=0,
        connection_class=_BehindPooler,
        init=limit,
        reset=leave_alone,
        server_settings={"application_name": "callboard"},
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
        timeout_ms = _timeout_behind_pooler(conn)
        if timeout_ms is not None:
            await conn.execute(SQL["limit_transaction"], f"{timeout_ms}ms")
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
