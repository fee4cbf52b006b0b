"""An event as it is kept, and which events a subscription wants."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

BATCH_COMPLETED = "batch.completed"
SUBSCRIPTION_DISABLED = "subscription.disabled"
EVENT_TYPES = (
    "task.processing",
    "video.completed",
    "video.failed",
    "task.completed",
    "task.failed",
    "task.rejected",
    "task.canceled",
    "task.timed_out",
    "video.late",
    BATCH_COMPLETED,
    SUBSCRIPTION_DISABLED,
    "callboard.test",
)
"""Every type there is; a test keeps it equal to the models in `schemas.events.data`."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """All that an envelope is made of, as it was written.

    `source` is kept with the event, so that a changed setting does not change old events. `subject` is
    the task (of a `batch.completed` the batch, of what tells of a subscription that one); `sequence` increases per task.
    """

    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    sequence: int
    data: bytes


FAMILIES = ("*", "task.*", "video.*", "batch.*", "subscription.*")
"""The patterns that stand for several types."""


def matches(types: Sequence[str], event_type: str) -> bool:
    """Say whether a list of types, `family.*` or `*` takes an event."""
    family = event_type.partition(".")[0]
    return any(wanted in {"*", event_type, f"{family}.*"} for wanted in types)
