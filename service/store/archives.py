"""Archives: the work of keeping videos, one row a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.core.task import Result, Task
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("archives")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A file that is to be fetched, or deleted, by whoever claimed it; `now` is the database's time of the claim."""

    id: int
    task_uuid: UUID
    index: int
    tenant: str
    place: str
    deleting: bool
    created_at: datetime
    attempts: int
    lease_no: int
    location: str | None
    now: datetime


async def begin(conn: Conn, wanted: Sequence[tuple[Task, Result]], now: datetime) -> None:
    """Have the videos of results kept; what was begun before stays as it is."""
    await conn.execute(
        SQL["begin_archives"],
        [task.task_uuid for task, _ in wanted],
        [result.index for _, result in wanted],
        [task.tenant for task, _ in wanted],
        now,
    )


async def get_archive(conn: Conn, task_uuid: UUID, index: int) -> Record | None:
    """Load where the file of a result is: tenant, place, state, location, kept_at."""
    return await conn.fetchrow(SQL["get_archive"], task_uuid, index)


async def claim(
    conn: Conn, limit: int, lease_s: float, owner: UUID, now: datetime | None = None
) -> list[Claimed]:
    """Claim what is due."""
    found = await conn.fetch(SQL["claim_archives"], limit, lease_s, owner, now)
    return [_claimed(r) for r in sorted(found, key=lambda r: r["next_at"])]


async def waiting(conn: Conn, most: int) -> int:
    """Count the files that wait to be fetched or deleted, or are under way, up to `most`."""
    return int(await conn.fetchval(SQL["count_waiting_archives"], most))


async def extend(conn: Conn, claimed: Claimed, lease_s: float, now: datetime | None = None) -> bool:
    """Keep a lease; false when it is lost."""
    return bool(
        await conn.fetchval(SQL["extend_archive"], claimed.id, claimed.lease_no, lease_s, now)
    )


async def release(conn: Conn, claimed: Sequence[Claimed]) -> None:
    """Give back claims."""
    ids, leases = [c.id for c in claimed], [c.lease_no for c in claimed]
    await conn.execute(SQL["release_archives"], ids, leases)


async def finish(
    conn: Conn,
    claimed: Claimed,
    location: str,
    size: int,
    days: int | None,
    now: datetime | None = None,
) -> bool:
    """Note where a file is kept; false when the claim is gone."""
    args = (claimed.id, claimed.lease_no, location, size, days, now)
    return bool(await conn.fetchval(SQL["finish_archive"], *args))


async def fail(conn: Conn, claimed: Claimed, why: str) -> bool:
    """Give a file up; false when the claim is gone."""
    return bool(await conn.fetchval(SQL["fail_archive"], claimed.id, claimed.lease_no, why))


async def postpone(
    conn: Conn,
    claimed: Claimed,
    why: str | None,
    wait_s: float,
    *,
    tried: bool,
    now: datetime | None = None,
) -> bool:
    """Try again later; false when the claim is gone."""
    args = (claimed.id, claimed.lease_no, why, wait_s, int(tried), now)
    return bool(await conn.fetchval(SQL["postpone_archive"], *args))


async def again(conn: Conn, tenant: str, task_uuid: UUID, index: int) -> bool:
    """Try again to keep what was given up; false when there is no such thing."""
    return bool(await conn.fetchval(SQL["retry_archive"], task_uuid, index, tenant))


async def expire(conn: Conn, limit: int, now: datetime | None = None) -> int:
    """Have files deleted whose time is over; gives how many."""
    return int(await conn.fetchval(SQL["expire_archives"], limit, now))


async def remove(conn: Conn, claimed: Claimed) -> bool:
    """Forget a file that was deleted; false when the claim is gone."""
    return bool(await conn.fetchval(SQL["remove_archive"], claimed.id, claimed.lease_no))


async def end(conn: Conn, workers: Sequence[UUID]) -> int:
    """Give back what processes were at that ended; gives how much."""
    return len(await conn.fetch(SQL["end_archives"], list(workers)))


def _claimed(row: Record) -> Claimed:
    return Claimed(
        id=row["id"],
        task_uuid=row["task_uuid"],
        index=row["index"],
        tenant=row["tenant"],
        place=row["place"],
        deleting=row["state"] == "deleting",
        created_at=row["created_at"],
        attempts=row["attempts"],
        lease_no=row["lease_no"],
        location=row["location"],
        now=row["now"],
    )
