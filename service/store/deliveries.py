"""Deliveries: claimed, sent, recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.store.lanes import EVERYTHING, NO_LANE, Floors
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("deliveries")


@dataclass(frozen=True, slots=True)
class Share:
    """What a claim may take of a lane that is locked. A parcel is what goes in one call."""

    lane: UUID
    at_once: int
    """How many parcels may be under way, over all processes."""
    most: int
    """How many parcels may be taken now."""
    width: int
    """How many deliveries that were never tried make one parcel."""
    lease_s: float
    floor: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt. `wait_s` is set when another one follows."""

    state: str
    wait_s: float | None
    status: int | None
    error: str | None
    duration_ms: int
    response: bytes
    address: str | None = None


async def claim(
    conn: Conn,
    shares: Sequence[Share],
    limit: int,
    *,
    floors: Floors = EVERYTHING,
    last: UUID | None = None,
    owner: UUID | None = None,
    now: datetime | None = None,
) -> list[Record]:
    """Claim deliveries of locked lanes, with all that sending them takes; `last` is the lane served last.

    Where a lane has a width, its deliveries that were never tried are one parcel, and one alone is claimed.
    """
    return list(
        await conn.fetch(
            SQL["claim_deliveries"],
            limit,
            [s.lane for s in shares],
            [s.at_once for s in shares],
            [s.most for s in shares],
            [s.width for s in shares],
            [s.lease_s for s in shares],
            [s.floor for s in shares],
            last or NO_LANE,
            floors.created_from,
            owner,
            now,
        )
    )


async def record(
    conn: Conn, made: Sequence[tuple[Record, Attempt]], now: datetime | None = None
) -> dict[int, bool]:
    """Record attempts. Gives the ids of those that were not taken over meanwhile, with whether their lane is unwell."""
    ordered = sorted(made, key=lambda m: int(m[0]["id"]))
    rows = await conn.fetch(
        SQL["record_attempts"],
        [d["created_at"] for d, _ in ordered],
        [d["id"] for d, _ in ordered],
        [d["lease_no"] for d, _ in ordered],
        [a.state for _, a in ordered],
        [a.wait_s for _, a in ordered],
        [a.status for _, a in ordered],
        [a.error for _, a in ordered],
        [a.duration_ms for _, a in ordered],
        [a.response for _, a in ordered],
        [a.address for _, a in ordered],
        now,
    )
    return {r["id"]: bool(r["unwell"]) for r in rows}


async def rescue(conn: Conn, now: datetime | None = None) -> int:
    """Give deliveries back whose sender ended without recording; gives how many."""
    return len(await conn.fetch(SQL["rescue_deliveries"], now))


async def undelivered(conn: Conn, most: int) -> int:
    """Count the deliveries that wait or are under way, up to `most`."""
    return int(await conn.fetchval(SQL["count_undelivered"], most))
