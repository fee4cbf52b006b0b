"""What processes tell each other over NOTIFY. A lost notice is a longer wait, nothing else."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg

from service.core.errors import Unavailable
from service.store.pool import AWAY, Conn, Single
from service.store.queries import load

SQL = load("notices")

CHANNEL = "callboard"
"""One channel for all: before PostgreSQL 19 each notice wakes every listening backend, whatever its channel."""


async def notify(conn: Conn, payloads: Sequence[str]) -> None:
    """Tell every process that listens; the connection must not be in a transaction that writes."""
    await conn.execute(SQL["notify_others"], list(payloads))


class Line:
    """A connection that hears notices."""

    def __init__(self, conn: Single) -> None:
        self._conn = conn
        self.lost = asyncio.Event()
        conn.add_termination_listener(self._ended)

    def _ended(self, *_: object) -> None:
        self.lost.set()

    async def ping(self, seconds: float) -> None:
        """Ask whether the other end is there; raises Unavailable when it does not say so in time."""
        try:
            await self._conn.execute(SQL["ask_if_there"], timeout=seconds)
        except (*AWAY, asyncpg.PostgresError) as error:
            raise Unavailable("The connection that listens for notices was lost.") from error


@asynccontextmanager
async def listening(dsn: str, hear: Callable[[str], None]) -> AsyncIterator[Line]:
    """Listen over a connection of its own, which must not go through a pooler in transaction mode.

    Raises Unavailable when there is no connection.
    """
    try:
        conn = await asyncpg.connect(
            dsn,
            timeout=5,
            command_timeout=10,
            statement_cache_size=0,
            server_settings={"application_name": "callboard-listen"},
        )
    except (*AWAY, asyncpg.PostgresError, ValueError) as error:
        raise Unavailable(f"Nothing can be listened for: {error}") from error
    line = Line(conn)
    try:
        try:
            await conn.add_listener(CHANNEL, lambda *given: hear(str(given[-1])))
        except (*AWAY, asyncpg.PostgresError) as error:
            raise Unavailable("The connection that listens for notices was lost.") from error
        yield line
    finally:
        # Closing says goodbye over a wire that may be dead: no longer than this.
        conn.remove_termination_listener(line._ended)  # noqa: SLF001 - its own
        try:
            await conn.close(timeout=1)
        except (*AWAY, asyncpg.PostgresError):
            conn.terminate()
