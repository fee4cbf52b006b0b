"""The inbox of callbacks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.core.states import CallbackOutcome
from service.store.pool import Conn, Record
from service.store.queries import load
from service.store.rows import json_text

SQL = load("callbacks")


@dataclass(frozen=True, slots=True)
class NewCallback:
    """A callback to keep, with what became of it."""

    provider: str
    task_uuid: UUID
    body: bytes
    headers: Mapping[str, str]
    outcome: CallbackOutcome
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a callback that was pending."""

    received_at: datetime
    id: int
    outcome: CallbackOutcome
    detail: str = ""


async def insert(
    conn: Conn, new: Sequence[NewCallback], now: datetime | None = None
) -> list[Record]:
    """Keep callbacks; gives id and received_at of each."""
    return list(
        await conn.fetch(
            SQL["insert_callbacks"],
            now,
            [c.provider for c in new],
            [c.task_uuid for c in new],
            [c.body for c in new],
            [json_text(dict(c.headers)) for c in new],
            [c.outcome.value for c in new],
            [c.detail.replace("\x00", "") for c in new],
        )
    )


async def claim_pending(conn: Conn, limit: int, most_tries: int, after_id: int = 0) -> list[Record]:
    """Lock callbacks that were stored unapplied, oldest first."""
    return list(await conn.fetch(SQL["claim_pending"], limit, most_tries, after_id))


@dataclass(frozen=True, slots=True)
class Looked:
    """A look through orphans: how many it saw, the id of the last one, and how many found their task."""

    seen: int
    last_id: int | None
    matched: int


async def match_orphans(conn: Conn, after_id: int, limit: int) -> Looked:
    """Make the next orphans past an id pending whose task appeared."""
    row = await conn.fetchrow(SQL["match_orphans"], after_id, limit)
    return Looked(row["looked"], row["last_id"], row["matched"]) if row else Looked(0, None, 0)


async def settle(conn: Conn, settled: Sequence[Settled]) -> None:
    """Note what became of callbacks that were pending."""
    await conn.execute(
        SQL["settle_callbacks"],
        [s.received_at for s in settled],
        [s.id for s in settled],
        [s.outcome.value for s in settled],
        [s.detail.replace("\x00", "") for s in settled],
    )


async def drop(conn: Conn, dropped: Sequence[Settled]) -> None:
    """Remove callbacks that are locked here: their tasks were erased."""
    await conn.execute(
        SQL["drop_callbacks"], [s.received_at for s in dropped], [s.id for s in dropped]
    )


async def pending_count(conn: Conn, most: int) -> int:
    """Count the callbacks that wait to be applied, up to `most`."""
    return int(await conn.fetchval(SQL["count_pending"], most))


async def page(
    conn: Conn,
    tenant: str,
    task_uuid: UUID | None,
    outcome: str | None,
    before_id: int | None,
    limit: int,
) -> list[Record]:
    """Give a page of the inbox, newest first."""
    if task_uuid is not None:
        name = SQL["list_callbacks_of_task"]
        return list(await conn.fetch(name, tenant, outcome, before_id, limit, task_uuid))
    odd = outcome not in {None, CallbackOutcome.APPLIED}
    name = SQL["list_odd_callbacks"] if odd else SQL["list_callbacks"]
    return list(await conn.fetch(name, tenant, outcome, before_id, limit))


async def get(conn: Conn, tenant: str, callback_id: int) -> Record | None:
    """Load one callback."""
    return await conn.fetchrow(SQL["get_callback"], tenant, callback_id)


def headers_of(row: Record) -> dict[str, str]:
    """Read the headers that a callback came with."""
    headers: dict[str, str] = json.loads(row["headers"])
    return headers
