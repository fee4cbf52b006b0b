"""Deliveries as people look at them, and one that is sent again by hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("delivery_lists")

ODD = frozenset({"failed", "held", "canceled"})
OPEN = frozenset({"pending", "sending"})


class Key(NamedTuple):
    """What a delivery is found by; lists are sorted by it."""

    created_at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What a list of deliveries is narrowed to."""

    target: UUID | None = None
    task_uuid: UUID | None = None
    event_id: UUID | None = None
    states: tuple[str, ...] = ()
    """Any of these; all where there is none."""


async def keys(
    conn: Conn, tenant: str, narrowed: Narrowed, before: Key | None, limit: int
) -> list[Key]:
    """Give the keys of deliveries, newest first."""
    if narrowed.event_id is not None and narrowed.task_uuid is None:
        task_uuid = await conn.fetchval(SQL["find_event"], tenant, narrowed.event_id)
        return (
            []
            if task_uuid is None
            else await _of_task(conn, tenant, narrowed, task_uuid, before, limit)
        )
    if narrowed.task_uuid is not None:
        return await _of_task(conn, tenant, narrowed, narrowed.task_uuid, before, limit)
    found: list[Key] = []
    # A statement for each state: one for all of them could use no index of the rare ones.
    wanted: Sequence[str | None] = sorted(set(narrowed.states)) or [None]
    for state in wanted:
        at, last = before or (None, None)
        if narrowed.target is None:
            rows = await conn.fetch(_of_tenant(state), tenant, state, at, last, limit)
        else:
            rows = await conn.fetch(_to(state), narrowed.target, state, at, last, limit)
        found += [Key(r["created_at"], r["id"]) for r in rows]
    return sorted(found, reverse=True)[:limit]


async def _of_task(
    conn: Conn, tenant: str, narrowed: Narrowed, task_uuid: UUID, before: Key | None, limit: int
) -> list[Key]:
    at, last = before or (None, None)
    states = list(narrowed.states) or None
    wanted = (narrowed.target, narrowed.event_id, states)
    rows = await conn.fetch(SQL["deliveries_of_task"], tenant, task_uuid, *wanted, at, last, limit)
    return [Key(r["created_at"], r["id"]) for r in rows]


def _to(state: str | None) -> str:
    if state in ODD:
        return SQL["odd_deliveries_to"]
    return SQL["open_deliveries_to"] if state in OPEN else SQL["deliveries_to"]


def _of_tenant(state: str | None) -> str:
    if state in ODD:
        return SQL["odd_deliveries_of_tenant"]
    return SQL["open_deliveries_of_tenant"] if state in OPEN else SQL["deliveries_of_tenant"]


async def show(conn: Conn, tenant: str, found: Sequence[Key]) -> list[Record]:
    """Load what is shown of deliveries, in the given order; others' and dropped ones are left out."""
    times, ids = [k.created_at for k in found], [k.id for k in found]
    return list(await conn.fetch(SQL["show_deliveries"], tenant, times, ids))


async def attempts(conn: Conn, task_uuid: UUID, delivery_id: int, most: int) -> list[Record]:
    """Load the attempts of a delivery, oldest first; of more than `most`, the newest."""
    rows = await conn.fetch(SQL["attempts_of_delivery"], task_uuid, delivery_id, most)
    return list(reversed(rows))


async def lock(conn: Conn, tenant: str, key: Key) -> Record | None:
    """Lock a delivery that is to be sent again."""
    return await conn.fetchrow(SQL["lock_delivery"], tenant, *key)


async def retry(conn: Conn, key: Key) -> None:
    """Send a delivery that is locked here now, with a fresh schedule."""
    await conn.execute(SQL["retry_delivery"], *key)
