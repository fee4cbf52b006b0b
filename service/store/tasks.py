"""Tasks: accepting, claiming, loading. What changes their state is in `transitions.py`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from service.core.task import Card, FirstSend, Task
from service.store import rows
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("tasks")

LATE_S = 1.0
"""How much later than it read the clock a transaction may commit, and still be seen from a floor."""
LAST_DRAWN = 1000
"""How many seqs may be drawn between one that was drawn and its commit."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A submission that was validated, about to become a row."""

    task_uuid: UUID
    provider: str
    model: str
    results_expected: int
    request: str
    metadata: str
    labels: Mapping[str, str]
    warnings: tuple[str, ...]
    notify_url: str | None
    priority: int
    start_within_s: int
    deadline_s: int
    retry_of: UUID | None = None
    account: str | None = None
    """The account it names; none when any may send it."""
    batch_id: UUID | None = None
    fallback: str | None = None
    fallback_of: UUID | None = None
    archive: str | None = None
    hold_s: int | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """Tasks of one claim, and the database's time of it."""

    tasks: tuple[Task, ...]
    now: datetime | None


async def insert(
    conn: Conn, tenant: str, new: Sequence[NewTask], now: datetime | None = None
) -> set[UUID]:
    """Insert tasks with all that belongs to them; give back those whose taskUUID was free.

    Payloads are only written when every taskUUID was free: the caller rolls back otherwise.
    """
    inserted = await conn.fetch(
        SQL["insert_tasks"],
        [n.task_uuid for n in new],
        tenant,
        [n.provider for n in new],
        [n.model for n in new],
        [n.priority for n in new],
        [n.results_expected for n in new],
        [n.start_within_s for n in new],
        [n.deadline_s for n in new],
        [n.retry_of for n in new],
        now,
        [n.account for n in new],
        [n.batch_id for n in new],
        [n.fallback_of for n in new],
        [n.archive is not None for n in new],
        [n.hold_s for n in new],
    )
    seq = {r["task_uuid"]: r["seq"] for r in inserted}
    if len(seq) == len(new):
        return await _insert_payloads(conn, tenant, new, seq)
    return set(seq)


async def _insert_payloads(
    conn: Conn, tenant: str, new: Sequence[NewTask], seq: Mapping[UUID, int]
) -> set[UUID]:
    uuids = [n.task_uuid for n in new]
    written = await conn.fetch(
        SQL["insert_payloads"],
        uuids,
        [n.request for n in new],
        [n.metadata for n in new],
        [rows.json_text(dict(n.labels)) for n in new],
        [json.dumps(n.warnings) for n in new],
        [n.notify_url for n in new],
        [n.fallback for n in new],
        [n.archive for n in new],
    )
    await conn.execute(SQL["insert_results"], uuids, [n.results_expected for n in new])
    labels = [(n.task_uuid, key, value) for n in new for key, value in n.labels.items()]
    if labels:
        await conn.execute(
            SQL["insert_labels"],
            tenant,
            [u for u, _, _ in labels],
            [seq[u] for u, _, _ in labels],
            [key for _, key, _ in labels],
            [value for _, _, value in labels],
        )
    return {r["task_uuid"] for r in written}


async def claim_queued(
    conn: Conn,
    provider: str,
    account: str,
    limit: int,
    lease_s: float,
    owner: UUID,
    now: datetime | None = None,
    floors: Sequence[int | None] | None = None,
) -> tuple[Task, ...]:
    """Claim tasks to be sent by an account, those first that go first; their results are not loaded."""
    found = await conn.fetch(
        SQL["claim_queued"], provider, account, limit, lease_s, owner, now, floors
    )
    ordered = sorted(found, key=lambda r: (-r["priority"], r["seq"]))
    return tuple(rows.task_of(r, ()) for r in ordered)


async def queue_floors(conn: Conn, provider: str, account: str) -> list[int | None]:
    """Say from which seq on tasks wait for an account, in either of its queues."""
    found = await conn.fetch(SQL["queue_floors"], provider, account, LAST_DRAWN)
    return [r["floor"] for r in found]


async def claim_due(
    conn: Conn,
    limit: int,
    lease_s: float,
    owner: UUID,
    now: datetime | None = None,
    floor: datetime | None = None,
) -> Claimed:
    """Claim tasks that have to be looked at; their results are not loaded."""
    found = await conn.fetch(SQL["claim_due"], limit, lease_s, owner, now, floor)
    tasks = tuple(rows.task_of(r, ()) for r in found)
    return Claimed(tasks, found[0]["now"] if found else None)


async def due_floor(conn: Conn, now: datetime | None = None) -> datetime:
    """Say from when on something is due."""
    found: datetime = await conn.fetchval(SQL["due_floor"], LATE_S, now)
    return found


async def release(conn: Conn, claimed: Sequence[Task]) -> list[UUID]:
    """Give back claims on tasks that were not sent; gives those that still were this worker's."""
    uuids = [t.task_uuid for t in claimed]
    found = await conn.fetch(SQL["release_leases"], uuids, [t.lease_no for t in claimed])
    return [r["task_uuid"] for r in found]


async def never_started(conn: Conn, limit: int, now: datetime | None = None) -> list[UUID]:
    """Find queued tasks whose time to be sent passed."""
    found = await conn.fetch(SQL["list_never_started"], limit, now)
    return [r["task_uuid"] for r in found]


async def get(conn: Conn, uuids: Sequence[UUID]) -> dict[UUID, Task]:
    """Load tasks with their results."""
    found = await conn.fetch(SQL["get_tasks"], list(uuids))
    return await with_results(conn, found)


async def with_results(conn: Conn, found: Sequence[Record]) -> dict[UUID, Task]:
    """Make tasks of their rows, in the rows' order, with their results."""
    uuids = [r["task_uuid"] for r in found]
    results = rows.group_results(await conn.fetch(SQL["get_results"], uuids) if uuids else [])
    return {r["task_uuid"]: rows.task_of(r, results.get(r["task_uuid"], ())) for r in found}


async def cards(conn: Conn, uuids: Sequence[UUID], *, requests: bool = False) -> dict[UUID, Card]:
    """Load what is shown of tasks; their requests only when asked for."""
    texts: dict[UUID, str] = {}
    if requests:
        loaded = await conn.fetch(SQL["get_requests"], list(uuids))
        texts = {r["task_uuid"]: r["request"] for r in loaded}
    found = await conn.fetch(SQL["get_cards"], list(uuids))
    return {r["task_uuid"]: rows.card_of(r, texts.get(r["task_uuid"], "")) for r in found}


async def name_fallbacks(conn: Conn, started: Mapping[UUID, UUID]) -> None:
    """Note which tasks were started instead of others."""
    await conn.execute(SQL["name_fallbacks"], list(started), list(started.values()))


async def sends(conn: Conn, uuids: Sequence[UUID]) -> dict[UUID, tuple[str, FirstSend | None]]:
    """Load the requests of tasks and the bytes of their first sends."""
    found = await conn.fetch(SQL["get_sends"], list(uuids))
    return {r["task_uuid"]: (r["request"], _first_send(r)) for r in found}


def _first_send(row: Record) -> FirstSend | None:
    if row["first_body"] is None:
        return None
    return FirstSend(
        row["first_url"], row["first_body"], row["first_account"], row["first_key_hint"]
    )


async def keep_first_send(
    conn: Conn, task_uuid: UUID, send: FirstSend, callback_key: str | None
) -> None:
    """Keep the bytes of a first send, which every later send of it repeats, and the key of its callback URL."""
    kept = (send.url, send.body, send.account, send.key_hint)
    await conn.execute(SQL["keep_first_send"], task_uuid, *kept, callback_key)


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of tasks is narrowed to."""

    state: str | None = None
    provider: str | None = None
    model: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    labels: tuple[tuple[str, str], ...] = ()
    batch: UUID | None = None


async def page(
    conn: Conn, tenant: str, wanted: Filter, before_seq: int | None, limit: int
) -> list[tuple[int, Task]]:
    """Give a page of tasks with their seq, newest first."""
    given = (
        tenant,
        wanted.state,
        wanted.provider,
        wanted.model,
        wanted.created_after,
        wanted.created_before,
        [key for key, _ in wanted.labels],
        [value for _, value in wanted.labels],
        before_seq,
        limit,
    )
    if wanted.batch is not None:
        found = await conn.fetch(SQL["list_tasks_of_batch"], *given, wanted.batch)
    elif wanted.labels:
        found = await conn.fetch(SQL["list_labelled_tasks"], *given)
    elif wanted.state is not None:
        found = await conn.fetch(SQL["list_tasks_of_state"], *given)
    else:
        found = await conn.fetch(SQL["list_tasks"], *given)
    tasks = await with_results(conn, found)
    return [(r["seq"], tasks[r["task_uuid"]]) for r in found]


async def latest_retry(conn: Conn, task_uuid: UUID) -> UUID | None:
    """Find the newest task that repeats this one."""
    found: UUID | None = await conn.fetchval(SQL["latest_retry"], task_uuid)
    return found


class Known(StrEnum):
    """What is known of a task by its name."""

    HERE = "known"
    """It exists, and is not erased before the transaction ends."""
    LEAVING = "leaving"
    """Somebody is erasing it; or ending it, which cannot be told apart from here."""
    ERASED = "erased"
    """There was such a task."""


async def known(conn: Conn, uuids: Sequence[UUID]) -> dict[UUID, Known]:
    """Say which of these tasks exist or did; of others nothing is said."""
    found = await conn.fetch(SQL["known_tasks"], list(uuids))
    return {r["task_uuid"]: Known(r["was"]) for r in found}


@dataclass(frozen=True, slots=True)
class Locked:
    """A task that is locked until the transaction ends, without its results."""

    task: Task
    priority: int


async def lock_one(conn: Conn, task_uuid: UUID) -> Locked | None:
    """Lock a task to repeat it; its state is not changed here."""
    row = await conn.fetchrow(SQL["lock_one"], task_uuid)
    return None if row is None else Locked(rows.task_of(row, ()), row["priority"])
