"""Lanes: what deliveries share with their neighbours, and how the targets at their ends are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from service.core.breaker import Health
from service.store.pool import Conn, Record
from service.store.queries import load
from service.store.tasks import LATE_S

SQL = load("lanes")
NO_LANE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Floors:
    """Where claims begin to read: nothing is due before. As it stands, it lets them read everything."""

    created_from: datetime | None = None
    """Nothing that is open was created before."""
    of_lanes: Mapping[UUID, datetime] = field(default_factory=dict)
    of_others: datetime | None = None


EVERYTHING = Floors()


async def survey(conn: Conn, now: datetime | None = None) -> Floors:
    """Find the floor of every lane that waits; lanes that have no row get one."""
    # In this order: what is written in between lies above the floor of the others.
    others = await conn.fetchrow(SQL["oldest_open"], LATE_S, now)
    rows = await conn.fetch(SQL["survey_lanes"], LATE_S, now)
    if others is None:
        return EVERYTHING
    floors = {r["lane"]: r["floor"] for r in rows}
    # An event may be written late, in a transaction that began before midnight.
    created = min(others["created_from"] or others["floor"], others["floor"])
    return Floors(created, floors, others["floor"])


async def lock_due(
    conn: Conn,
    floors: Floors,
    last: UUID | None,
    most: int,
    now: datetime | None = None,
) -> list[Record]:
    """Lock lanes that have something due, until the transaction ends; the one after `last` comes first."""
    known, since = list(floors.of_lanes), list(floors.of_lanes.values())
    return list(
        await conn.fetch(
            SQL["lock_due_lanes"],
            known,
            since,
            floors.of_others,
            floors.created_from,
            last or NO_LANE,
            most,
            now,
        )
    )


async def served(conn: Conn, turns: Mapping[UUID, datetime]) -> None:
    """Write when the next turn of lanes with a limit a minute comes; they are locked."""
    await conn.execute(SQL["lanes_served"], list(turns), list(turns.values()))


def health(row: Record) -> Health:
    """Read how a lane is."""
    return Health(
        row["failures"],
        row["failing_since"],
        row["openings"],
        row["throttles"],
        row["blocked_since"],
        row["blocked_until"],
    )


async def lock(
    conn: Conn, lanes: Sequence[UUID], now: datetime | None = None
) -> tuple[dict[UUID, Health], datetime | None]:
    """Lock lanes, in their order; gives how they are, and the time when they were locked."""
    rows = await conn.fetch(SQL["lock_lanes"], list(lanes), now)
    return {r["lane"]: health(r) for r in rows}, rows[0]["now"] if rows else None


async def write(conn: Conn, lanes: Mapping[UUID, Health], names: Mapping[UUID, str]) -> None:
    """Write how lanes are; they are locked. `names` are those of hosts."""
    written = list(lanes.values())
    await conn.execute(
        SQL["write_lanes"],
        list(lanes),
        [names.get(lane, "") for lane in lanes],
        [h.failures for h in written],
        [h.failing_since for h in written],
        [h.openings for h in written],
        [h.throttles for h in written],
        [h.blocked_since for h in written],
        [h.blocked_until for h in written],
    )


async def show_failing(conn: Conn, lanes: Sequence[UUID]) -> None:
    """Let subscriptions say since when they fail; with no lane locked."""
    await conn.execute(SQL["show_failing"], list(lanes))


async def reset(conn: Conn, lane: UUID) -> None:
    """Make a lane well: its subscription is enabled again, or leads elsewhere.

    The subscription's row, if there is one, is to be locked before.
    """
    await conn.execute(SQL["reset_failing"], lane)
    await conn.execute(SQL["reset_lane"], lane)


async def fail_hopeless(
    conn: Conn, failing_s: float, schedule_s: float, most: int, now: datetime | None = None
) -> int:
    """Give up what waits for hosts that have failed for so long; gives how many."""
    return len(await conn.fetch(SQL["fail_hopeless"], failing_s, schedule_s, most, now))


async def forget(conn: Conn) -> None:
    """Drop the rows of lanes that nobody needs."""
    await conn.execute(SQL["forget_lanes"])
