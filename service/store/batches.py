"""Batches: made, listed, counted, concluded. Their tasks are in `tasks.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.core.batch import Batch, Progress
from service.core.states import State
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("batches")


@dataclass(frozen=True, slots=True)
class Locked:
    """A batch that is locked until the transaction ends, and the time its lock was got."""

    batch: Batch
    now: datetime


async def insert(
    conn: Conn, batch_id: UUID, tenant: str, total: int, now: datetime | None = None
) -> Batch:
    """Make a batch; its tasks are inserted by the caller, in the same transaction."""
    row = await conn.fetchrow(SQL["insert_batch"], batch_id, tenant, total, now)
    if row is None:
        raise LookupError("the batch was not stored")
    return _batch(row)


async def get(conn: Conn, tenant: str, batch_id: UUID) -> Batch | None:
    """Load one batch."""
    row = await conn.fetchrow(SQL["get_batch"], tenant, batch_id)
    return None if row is None else _batch(row)


async def page(
    conn: Conn, tenant: str, before_seq: int | None, limit: int
) -> list[tuple[int, Batch]]:
    """Give a page of batches with their seq, newest first."""
    found = await conn.fetch(SQL["list_batches"], tenant, before_seq, limit)
    return [(r["seq"], _batch(r)) for r in found]


async def progress(conn: Conn, batch_ids: Sequence[UUID]) -> dict[UUID, Progress]:
    """Count the tasks of batches by their state, and what they cost so far."""
    counts: dict[UUID, dict[State, int]] = {b: {} for b in batch_ids}
    costs: dict[UUID, list[Decimal]] = {b: [] for b in batch_ids}
    for row in await conn.fetch(SQL["batch_progress"], list(batch_ids)):
        counts[row["batch_id"]][State(row["state"])] = row["tasks"]
        if row["cost"] is not None:
            costs[row["batch_id"]].append(row["cost"])
    return {
        b: Progress(counts[b], sum(costs[b], Decimal(0)) if costs[b] else None) for b in batch_ids
    }


async def open_tasks(conn: Conn, batch_id: UUID, limit: int) -> list[UUID]:
    """Name some tasks of a batch that are not final, oldest first."""
    found = await conn.fetch(SQL["open_tasks_of_batch"], batch_id, limit)
    return [r["task_uuid"] for r in found]


async def ended(conn: Conn, limit: int) -> list[UUID]:
    """Name batches whose tasks are all final and that were not announced, oldest first."""
    return [r["id"] for r in await conn.fetch(SQL["ended_batches"], limit)]


async def lock_running(conn: Conn, batch_id: UUID, now: datetime | None = None) -> Locked | None:
    """Lock a batch that was not announced; none when another process has it, or had it."""
    row = await conn.fetchrow(SQL["lock_running_batch"], batch_id, now)
    return None if row is None else Locked(_batch(row), row["now"])


async def finish(conn: Conn, batch_id: UUID, at: datetime, event_id: UUID) -> bool:
    """Note that a batch was announced; false when it was before."""
    return await conn.fetchval(SQL["finish_batch"], batch_id, at, event_id) is not None


def _batch(row: Record) -> Batch:
    return Batch(row["id"], row["tenant"], row["total"], row["created_at"], row["finished_at"])
