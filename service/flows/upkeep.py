"""A side door: partitions, retention, and what the service needs of its database before it starts."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from service.store import (
    archives,
    callbacks,
    deliveries,
    events,
    keys,
    lanes,
    replays,
    upkeep,
    workers,
)
from service.store.pool import Busy, Conn, Pool, connection, transaction
from service.store.workers import Seen

log = structlog.get_logger()

DAYS_AHEAD = 7
MOST_COUNTED = 10_000
"""A backlog is counted no further: a probe costs the same however long it is."""
OLDEST, NEWEST = 150000, 190000
ALIVE_S = 300.0
"""Who said nothing for longer counts no connections."""
FORGOTTEN_S = 3600.0
"""A process that said nothing for so long is taken off the list."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the database does, for readiness and metrics; counts end at MOST_COUNTED."""

    days_ahead: int
    pending_callbacks: int
    undelivered: int
    waiting_archives: int
    feed_lag_s: float
    workers: int
    oldest_beat_s: float


class Upkeep:
    """Keeps the database in shape."""

    def __init__(self, pool: Pool, retention_days: int) -> None:
        self._pool = pool
        self._retention_days = retention_days

    async def run_once(self) -> int:
        """Make coming partitions and drop old ones; gives how many changed."""
        made = await self._unless_held_up(upkeep.ensure_partitions, DAYS_AHEAD)
        dropped = await self._unless_held_up(upkeep.drop_partitions, self._retention_days)
        async with connection(self._pool) as conn:
            await keys.drop_old(conn)
            await workers.forget(conn, FORGOTTEN_S)
            await lanes.forget(conn)
            await replays.forget(conn, self._retention_days)
        if made or dropped:
            log.info("partitions.kept", made=made, dropped=dropped)
        return made + dropped

    async def _unless_held_up(
        self, change: Callable[[Conn, int], Awaitable[int]], days: int
    ) -> int:
        """Change partitions, or leave it to the next run when somebody's lock is in the way."""
        try:
            async with connection(self._pool) as conn:
                return await change(conn, days)
        except Busy:
            log.warning("partitions.held_up", change=change.__name__)
            return 0

    async def pulse(self) -> Pulse:
        """Ask the database how it does; raises Unavailable when it is away."""
        async with connection(self._pool, timeout_s=2.0) as conn:
            others = await workers.seen(conn)
            return Pulse(
                await upkeep.days_ahead(conn),
                await callbacks.pending_count(conn, MOST_COUNTED),
                await deliveries.undelivered(conn, MOST_COUNTED),
                await archives.waiting(conn, MOST_COUNTED),
                await events.lag_seconds(conn),
                len(others),
                max((w.silent_s for w in others), default=0.0),
            )

    async def unfit(self) -> str | None:
        """Say in one line what the promises miss in this server, or nothing."""
        async with connection(self._pool) as conn:
            server = await upkeep.server(conn)
        if not OLDEST <= server["version"] < NEWEST:
            return f"PostgreSQL 15 to 18 is needed; this server is {server['version'] // 10000}."
        for name in ("fsync", "full_page_writes"):
            if server[name] != "on":
                return f"The server runs with {name}={server[name]}: a crash would lose what was answered."
        if server["synchronous_commit"] == "off":
            return (
                "The server runs with synchronous_commit=off: a crash would lose what was answered."
            )
        if server["isolation"] != "read committed":
            return (
                f"default_transaction_isolation is {server['isolation']}; read committed is needed."
            )
        return None

    async def renew_feed(self) -> None:
        """Begin a new incarnation of the feed after a restore. Writers are held up only then, for a moment."""
        async with connection(self._pool) as conn:
            if not await events.incarnation_ended(conn):
                return
        async with transaction(self._pool) as conn:
            incarnation = await events.raise_incarnation(conn)
        if incarnation is not None:
            log.warning("feed.restored", incarnation=incarnation)

    async def tight(self, pool_size: int, processes: int) -> str | None:
        """Say in one line when the processes may want more connections than the server gives; or nothing."""
        async with connection(self._pool) as conn:
            server = await upkeep.server(conn)
            alive = [w for w in await workers.seen(conn) if w.silent_s < ALIVE_S]
        # Each process holds its pool, and one connection that listens.
        wanted = max(len(alive), processes) * (pool_size + 1)
        if wanted <= server["connections"]:
            return None
        return (
            f"{max(len(alive), processes)} processes with CALLBOARD_POOL_SIZE={pool_size} may want {wanted} "
            f"connections; the server gives {server['connections']}: raise max_connections or lower the pool size."
        )

    async def workers(self) -> list[Seen]:
        """List the processes that share the database, oldest first."""
        async with connection(self._pool) as conn:
            return await workers.seen(conn)
