"""The timeline of a task."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from service.store.pool import Conn, Record
from service.store.queries import load
from service.store.rows import json_text

SQL = load("history")


@dataclass(frozen=True, slots=True)
class Entry:
    """A transition or an upstream call; without a time it happened now."""

    task_uuid: UUID
    kind: str
    name: str
    at: datetime | None = None
    from_state: str | None = None
    to_state: str | None = None
    detail: dict[str, object] = field(default_factory=dict)


async def insert(conn: Conn, entries: Sequence[Entry]) -> None:
    """Note what happened."""
    await conn.execute(
        SQL["insert_history"],
        [e.task_uuid for e in entries],
        [e.at for e in entries],
        [e.kind for e in entries],
        [e.name for e in entries],
        [e.from_state for e in entries],
        [e.to_state for e in entries],
        [json_text(e.detail) for e in entries],
    )


async def timeline(
    conn: Conn, task_uuid: UUID, after: tuple[datetime, int, int] | None, limit: int
) -> list[Record]:
    """Give a page of everything that happened to a task, oldest first."""
    at, rank, entry = after or (None, 0, 0)
    return list(await conn.fetch(SQL["timeline"], task_uuid, at, rank, entry, limit))
