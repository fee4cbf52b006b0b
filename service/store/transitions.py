"""The only code that changes a task's state; imported by `flows.apply` alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.core.media import write_archive
from service.core.task import Result, Task
from service.store import rows
from service.store.pool import Conn
from service.store.queries import load
from service.store.tasks import with_results

SQL = load("transitions")


@dataclass(frozen=True, slots=True)
class Locked:
    """Tasks that are locked until the transaction ends, and the time the last of their locks was got."""

    tasks: dict[UUID, Task]
    now: datetime | None


async def lock(
    conn: Conn, uuids: Sequence[UUID], now: datetime | None = None, *, skip_locked: bool = False
) -> Locked:
    """Lock tasks in uuid order; with `skip_locked`, those locked elsewhere are left out."""
    name = "lock_tasks_skip" if skip_locked else "lock_tasks"
    found = await conn.fetch(SQL[name], list(uuids), now)
    # Rows that had to be waited for come with a later time than those before them.
    latest = max((r["now"] for r in found), default=now)
    return Locked(await with_results(conn, found), latest)


async def write(conn: Conn, changed: Sequence[Task], terminal_events: dict[UUID, UUID]) -> None:
    """Write tasks as they were decided to be."""
    await conn.execute(
        SQL["update_tasks"],
        [t.task_uuid for t in changed],
        [t.state.value for t in changed],
        [t.deadline_at for t in changed],
        [t.first_sent_at for t in changed],
        [t.sent_at for t in changed],
        [t.submitted_at for t in changed],
        [t.finished_at for t in changed],
        [t.attempts for t in changed],
        [t.unknown for t in changed],
        [t.resend_at for t in changed],
        [t.read_empty_at for t in changed],
        [t.upstream_id for t in changed],
        [t.polls for t in changed],
        [t.settled_since for t in changed],
        [t.vague_polls for t in changed],
        [t.vague_since for t in changed],
        [t.look_again_at for t in changed],
        [t.lease_until for t in changed],
        [t.slot_since for t in changed],
        [t.event_sequence for t in changed],
        [terminal_events.get(t.task_uuid) for t in changed],
        [rows.fault_json(t.error) for t in changed],
        [None if t.final else t.hold_until for t in changed],
    )


async def leave_slots(conn: Conn, uuids: Sequence[UUID]) -> None:
    """Free the places that tasks held at their accounts."""
    await conn.execute(SQL["leave_slots"], list(uuids))


async def write_results(
    conn: Conn, changed: Sequence[tuple[UUID, Result]], events: dict[tuple[UUID, int], UUID]
) -> None:
    """Write results that were settled or that are late."""
    videos = [r.video for _, r in changed]
    await conn.execute(
        SQL["write_results"],
        [u for u, _ in changed],
        [r.index for _, r in changed],
        [r.state.value for _, r in changed],
        [v.video_uuid if v else None for v in videos],
        [v.url if v else None for v in videos],
        [v.seed if v else None for v in videos],
        [v.cost if v else None for v in videos],
        [v.nsfw if v else None for v in videos],
        [rows.fault_json(r.error) for _, r in changed],
        [r.settled_at for _, r in changed],
        [events.get((u, r.index)) for u, r in changed],
        [r.hold_until for _, r in changed],
        [write_archive(r.archive) for _, r in changed],
    )
