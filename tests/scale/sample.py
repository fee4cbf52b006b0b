"""What the statements are given: rows that are there, as the program would know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from service.store import lanes, tasks
from service.store.lanes import Floors

BATCH = 100
NOBODY = UUID("00000000-0000-4000-8000-000000000000")


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows to work on."""

    now: datetime
    processing: Sequence[Any]
    finished: Sequence[Any]
    queued: Sequence[Any]
    sending: Sequence[Any]
    due: Any
    pending: Sequence[Any]
    ended_deliveries: Sequence[Any]
    callback_id: int
    event_id: UUID
    event: Any
    batch: UUID
    last_seq: int
    queue_floors: Sequence[int | None]
    due_floor: datetime
    fetching: Sequence[Any]
    kept: Any
    failed: Any
    floors: Floors

    @property
    def open(self) -> list[UUID]:
        """A batch of tasks that callbacks come for."""
        return uuids(self.processing)

    @property
    def ended(self) -> list[UUID]:
        """A batch of tasks that are final."""
        return uuids(self.finished)


def uuids(rows: Sequence[Any]) -> list[UUID]:
    """Name the tasks of rows."""
    return [r["task_uuid"] for r in rows]


def new(count: int = BATCH) -> list[UUID]:
    """Make ids that nobody has."""
    return [uuid4() for _ in range(count)]


def times(value: object, count: int = BATCH) -> list[object]:
    """Give the same value to everyone of a batch."""
    return [value] * count


ARCHIVES = (
    "SELECT * FROM callboard.archives WHERE state = $1 ORDER BY lease_until, id DESC LIMIT $2"
)
SPREAD = " AND seq % 7 = 5 ORDER BY seq DESC LIMIT $1"


async def draw(conn: Any) -> Sample:
    """Find rows to work on."""
    one = "SELECT * FROM callboard.deliveries WHERE state = $1 AND subscription_id IS NOT NULL ORDER BY id DESC LIMIT 1"
    return Sample(
        now=await conn.fetchval("SELECT clock_timestamp()"),
        processing=await conn.fetch(of_state("processing"), BATCH),
        finished=await conn.fetch(of_state("completed"), BATCH),
        queued=await conn.fetch(of_state("queued"), BATCH),
        sending=await conn.fetch(one.replace("LIMIT 1", f"LIMIT {BATCH}"), "sending"),
        due=await conn.fetchrow(one, "pending"),
        pending=await conn.fetch(
            "SELECT * FROM callboard.callbacks WHERE outcome = 'pending' ORDER BY id LIMIT $1",
            BATCH,
        ),
        event_id=await conn.fetchval("SELECT id FROM callboard.events ORDER BY seq DESC LIMIT 1"),
        ended_deliveries=await conn.fetch(
            "SELECT created_at, id FROM callboard.deliveries WHERE state = 'delivered' AND id % 97 = 5"
            " ORDER BY id LIMIT $1",
            BATCH,
        ),
        callback_id=await conn.fetchval("SELECT max(id) - 1000 FROM callboard.callbacks"),
        event=await conn.fetchrow(
            "SELECT incarnation, xid::text::bigint AS xid, seq, task_uuid FROM callboard.events"
            " ORDER BY incarnation, xid, seq OFFSET 5000 LIMIT 1"
        ),
        batch=await conn.fetchval(
            "SELECT id FROM callboard.batches WHERE finished_at IS NULL ORDER BY seq DESC LIMIT 1"
        ),
        last_seq=await conn.fetchval("SELECT max(seq) FROM callboard.tasks"),
        queue_floors=await tasks.queue_floors(conn, "runware", "second"),
        due_floor=await tasks.due_floor(conn),
        floors=await lanes.survey(conn),
        fetching=await conn.fetch(ARCHIVES, "pending", BATCH),
        kept=await conn.fetchrow(ARCHIVES, "kept", 1),
        failed=await conn.fetchrow(ARCHIVES, "failed", 1),
    )


def of_state(state: str) -> str:
    """Find tasks of a state, not side by side."""
    return f"SELECT * FROM callboard.tasks WHERE state = '{state}'{SPREAD}"  # noqa: S608 - our own words


def moved(rows: Sequence[Any]) -> tuple[object, ...]:
    """Write tasks as they were after another poll."""
    later = timedelta(seconds=60)
    columns = (
        *(
            "task_uuid",
            "state",
            "deadline_at",
            "first_sent_at",
            "sent_at",
            "submitted_at",
            "finished_at",
            "attempts",
        ),
        *(
            "unknown",
            "resend_at",
            "read_empty_at",
            "upstream_id",
            "polls",
            "settled_since",
            "vague_polls",
            "vague_since",
        ),
        *(
            "look_again_at",
            "lease_until",
            "slot_since",
            "event_sequence",
            "terminal_event",
            "error",
            "hold_over_at",
        ),
    )
    values = [[r[c] for r in rows] for c in columns]
    at = columns.index("look_again_at")
    values[at] = [v and v + later for v in values[at]]
    return tuple(values)
