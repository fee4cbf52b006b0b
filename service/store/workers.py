"""The processes that share the database: their beats, the leases that beats keep, and what dead ones left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.core.task import Task
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("workers")


Lease = tuple[UUID, int]
"""A task, and the lease number of its claim."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One process.

    `host` is the same for processes that can see each other's pids, and none where nobody can tell;
    `process_start` is in clock ticks since boot. A pid that was given anew has another start.
    """

    worker: UUID
    host: str | None
    machine: str
    pid: int
    process_start: int | None
    roles: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as the database knows it, and how long ago it said that it lives."""

    worker: Worker
    silent_s: float


async def beat(conn: Conn, me: Worker, now: datetime | None = None) -> None:
    """Say that a process lives."""
    await conn.execute(
        SQL["beat_worker"],
        me.worker,
        me.host,
        me.machine,
        me.pid,
        me.process_start,
        list(me.roles),
        me.version,
        now,
    )


async def extend(
    conn: Conn, held: Sequence[Lease], lease_s: float, now: datetime | None = None
) -> list[Lease]:
    """Keep leases for so many seconds from now; gives those that are lost."""
    uuids, numbers = [u for u, _ in held], [no for _, no in held]
    lost = await conn.fetch(SQL["extend_leases"], uuids, numbers, lease_s, now)
    return [(r["task_uuid"], r["lease_no"]) for r in lost]


async def remove(conn: Conn, workers: Sequence[UUID]) -> list[UUID]:
    """Forget processes that ended; gives those that were still there."""
    return [r["worker"] for r in await conn.fetch(SQL["remove_workers"], list(workers))]


async def forget(conn: Conn, silent_s: float) -> int:
    """Forget processes that have been silent for so many seconds; gives how many."""
    return int(await conn.fetchval(SQL["forget_workers"], silent_s))


async def seen(conn: Conn, host: str | None = None) -> list[Seen]:
    """List all processes, or those of one host."""
    return [_seen(r) for r in await conn.fetch(SQL["list_workers"], host)]


def _seen(row: Record) -> Seen:
    me = Worker(
        row["worker"],
        row["host"],
        row["machine"],
        row["pid"],
        row["process_start"],
        tuple(row["roles"]),
        row["version"],
    )
    return Seen(me, row["silent_s"])


async def end_leases(
    conn: Conn, workers: Sequence[UUID], now: datetime | None = None
) -> list[Record]:
    """End the leases of dead processes; gives the tasks they held, with their states."""
    return list(await conn.fetch(SQL["end_leases"], list(workers), now))


async def end_deliveries(
    conn: Conn, workers: Sequence[UUID], now: datetime | None = None
) -> list[int]:
    """Give back the deliveries of dead processes; gives their ids."""
    return [r["id"] for r in await conn.fetch(SQL["end_deliveries"], list(workers), now)]


async def release_looks(conn: Conn, claimed: Sequence[Task]) -> None:
    """Give back claims on tasks that were not looked at."""
    uuids = [t.task_uuid for t in claimed]
    await conn.execute(SQL["release_looks"], uuids, [t.lease_no for t in claimed])


async def release_deliveries(conn: Conn, claimed: Sequence[Record]) -> None:
    """Give back deliveries that were not sent."""
    await conn.execute(
        SQL["release_deliveries"],
        [r["created_at"] for r in claimed],
        [r["id"] for r in claimed],
        [r["lease_no"] for r in claimed],
    )
