"""The feed of events, read in pages: whoever follows its cursor misses nothing and gets nothing twice."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.core.errors import CursorExpired, Erased, NotFound
from service.core.event import StoredEvent
from service.flows import cursors
from service.store import events
from service.store.events import Position
from service.store.pool import Conn, Pool, Record, connection
from service.wire.events import envelope, tombstone


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a list: its items, and where the next one begins."""

    items: list[bytes]
    next_cursor: str | None


class Feed:
    """Reads events by their place, or by their id."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def page(
        self,
        tenant: str,
        cursor: str | None,
        types: Sequence[str] | None,
        task_uuid: UUID | None,
        limit: int,
    ) -> Page:
        """List events, oldest first; there is always a next cursor.

        Raises CursorExpired for a place that retention took.
        """
        async with connection(self._pool) as conn:
            if cursor == "now":
                return Page([], cursors.encode(*(await events.head(conn)).end))
            after = position(cursor) if cursor else events.START
            found, following = await read(conn, tenant, after, types, task_uuid, limit)
        return Page([envelope(stored(r)) for r in found], cursors.encode(*following))

    async def one(self, tenant: str, event_id: UUID) -> StoredEvent:
        """Load an event; raises NotFound, or Erased for one of a task that was erased since."""
        async with connection(self._pool) as conn:
            row = await events.get(conn, tenant, event_id)
        if row is None:
            raise NotFound("There is no such event, or it is older than what is kept.")
        if row["data"] == tombstone(row["task_uuid"]):
            raise Erased("The task of this event was erased since.")
        return stored(row)


async def read(
    conn: Conn,
    tenant: str,
    after: Position,
    types: Sequence[str] | None,
    task_uuid: UUID | None,
    limit: int,
) -> tuple[list[Record], Position]:
    """Read a page after a place, and say where the next one begins.

    Raises CursorExpired for a place that retention took.
    """
    head = await events.head(conn)
    found = await events.read(conn, tenant, after, types, task_uuid, limit)
    if after != events.START:
        # Asked after the read: what was dropped before it was not read.
        _still_kept(after, found, (await events.head(conn)).dropped)
    places = [place(r) for r in found[-1:]]
    if len(found) < limit:
        # Nothing else lies before the end there was; who filters does not stay behind with old days.
        places.append(head.end)
    return found, max(after, *places)


def place(row: Record) -> Position:
    """Say where an event stands."""
    return Position(row["incarnation"], row["xid"], row["seq"])


def position(cursor: str) -> Position:
    """Read a cursor; raises Malformed."""
    incarnation, xid, seq = cursors.integers(cursor, 3)
    return Position(cursors.small(incarnation), xid, seq)


def stored(row: Record) -> StoredEvent:
    """Give a row as an event."""
    return StoredEvent(
        row["id"],
        row["source"],
        row["type"],
        row["task_uuid"],
        row["created_at"],
        row["sequence"],
        row["data"],
    )


def _still_kept(after: Position, found: Sequence[Record], dropped: Position) -> None:
    first = found[0] if found else None
    if after < dropped and (first is None or place(first) > dropped):
        raise CursorExpired
