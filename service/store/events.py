"""The feed of events. Its cursor is (incarnation, transaction, seq)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("events")


class Position(NamedTuple):
    """A place in the feed; it is compared as a tuple."""

    incarnation: int
    xid: int
    seq: int


START = Position(0, 0, 0)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to write."""

    id: UUID
    tenant: str
    type: str
    task_uuid: UUID
    """Its subject: the task, or the batch."""
    sequence: int
    data: bytes


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A delivery to write; without a subscription it goes to the task's notifyURL."""

    tenant: str
    event_id: UUID
    task_uuid: UUID
    subscription_id: UUID | None
    held: bool
    lane: UUID
    """What shares limits with it: the subscription, or the host of its notifyURL (`core.lanes`)."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where the feed ends now, and up to where it was dropped."""

    end: Position
    dropped: Position


async def head(conn: Conn) -> Head:
    """Read where the feed ends: below the oldest transaction that still runs."""
    row = await conn.fetchrow(SQL["feed_head"])
    if row is None:
        raise LookupError("the feed has lost its row")
    dropped = Position(row["dropped_incarnation"], row["dropped_xid"], row["dropped_seq"])
    return Head(Position(row["incarnation"], row["xmin"] - 1, 2**63 - 1), dropped)


async def read(
    conn: Conn,
    tenant: str,
    after: Position,
    types: Sequence[str] | None,
    task_uuid: UUID | None,
    limit: int,
) -> list[Record]:
    """Give a page of the feed, oldest first."""
    wanted = list(types) if types is not None else None
    if task_uuid is None:
        return list(await conn.fetch(SQL["read_feed"], tenant, *after, wanted, limit))
    return list(
        await conn.fetch(SQL["read_feed_of_task"], tenant, *after, wanted, limit, task_uuid)
    )


async def get(conn: Conn, tenant: str, event_id: UUID) -> Record | None:
    """Load one event."""
    return await conn.fetchrow(SQL["get_event"], tenant, event_id)


async def incarnation_ended(conn: Conn) -> bool:
    """Whether this is not the cluster that wrote the feed, or it went back in time."""
    return bool(await conn.fetchval(SQL["incarnation_ended"]))


async def raise_incarnation(conn: Conn) -> int | None:
    """Begin a new incarnation if the present one ended, once, whoever else does it at the same time.

    In the caller's transaction, which has to be short: nobody writes events before it ends.
    """
    await conn.execute(SQL["fence_events"])
    if not await incarnation_ended(conn):
        return None
    return int(await conn.fetchval(SQL["raise_incarnation"]))


async def lag_seconds(conn: Conn) -> float:
    """Say by how many seconds a running transaction holds the feed back."""
    return max(float(await conn.fetchval(SQL["feed_lag"])), 0.0)
