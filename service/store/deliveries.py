"""Deliveries: claimed, sent, recorded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.store.pool import Conn, Record
from service.store.queries import load
from service.store.tasks import LATE_S

SQL = load("deliveries")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt. `wait_s` is set when another one follows."""

    state: str
    wait_s: float | None
    status: int | None
    error: str | None
    duration_ms: int
    response: bytes


async def claim(
    conn: Conn,
    limit: int,
    lease_s: float,
    under_way: Mapping[UUID, int],
    share: int,
    now: datetime | None = None,
    owner: UUID | None = None,
    floor: datetime | None = None,
) -> list[Record]:
    """Claim deliveries that are due, with all that sending them takes; no target gets more than its share."""
    targets, counts = list(under_way), list(under_way.values())
    return list(
        await conn.fetch(
            SQL["claim_deliveries"], limit, lease_s, targets, counts, share, now, owner, floor
        )
    )


async def floor(conn: Conn, now: datetime | None = None) -> datetime:
    """Say from when on deliveries are due."""
    found: datetime = await conn.fetchval(SQL["deliveries_floor"], LATE_S, now)
    return found


async def record(
    conn: Conn, delivery: Record, attempt: Attempt, now: datetime | None = None
) -> bool:
    """Record an attempt; false when the delivery was taken over in the meantime."""
    moved = await conn.fetchval(
        SQL["record_attempt"],
        delivery["created_at"],
        delivery["id"],
        delivery["lease_no"],
        attempt.state,
        attempt.wait_s,
        attempt.status,
        attempt.error,
        attempt.duration_ms,
        attempt.response,
        now,
    )
    if moved and attempt.state != "pending":
        await conn.execute(SQL["wake_followers"], delivery["target"], delivery["task_uuid"], now)
    return bool(moved)


async def rescue(conn: Conn, now: datetime | None = None) -> int:
    """Give deliveries back whose sender ended without recording; gives how many."""
    return len(await conn.fetch(SQL["rescue_deliveries"], now))


async def undelivered(conn: Conn, most: int) -> int:
    """Count the deliveries that wait or are under way, up to `most`."""
    return int(await conn.fetchval(SQL["count_undelivered"], most))
