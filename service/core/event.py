"""An event as it is kept, and which events a subscription wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

BATCH_COMPLETED = "batch.completed"
SUBSCRIPTION_DISABLED = "subscription.disabled"
ARCHIVE_EVENTS = ("video.archived", "video.archive_failed")
"""What is told of a file; not of a result, which has one event of its own."""
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
    *ARCHIVE_EVENTS,
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


@dataclass(frozen=True, slots=True)
class About:
    """The task that an event is about, as far as filters look at it."""

    provider: str
    model: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events a subscription wants, but for its condition, which Postgres evaluates."""

    types: Sequence[str]
    provider: str | None = None
    model: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def narrowed(self) -> bool:
        """Whether it asks for some tasks only."""
        return self.provider is not None or self.model is not None or bool(self.labels)

    def takes(self, event_type: str, about: About | None) -> bool:
        """Say whether an event is wanted; `about` is none for an event of a batch or a subscription.

        Who wants the events of some tasks only does not get those: a batch has neither provider, model nor labels,
        and its counts would tell of tasks that are none of theirs.
        """
        if not matches(self.types, event_type):
            return False
        if about is None:
            return not self.narrowed
        return (
            self.provider in {None, about.provider}
            and self.model in {None, about.model}
            and all(about.labels.get(key) == value for key, value in self.labels.items())
        )
