"""A batch and how far its tasks are: plain frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from service.core.states import State


@dataclass(frozen=True, slots=True)
class Batch:
    """Submissions that were stored together. Times are aware UTC, on the database's clock."""

    id: UUID
    tenant: str
    total: int
    """How many submissions it had. Fallbacks join it, so it may have more tasks than that."""
    created_at: datetime
    finished_at: datetime | None
    """When `batch.completed` was written, after its last task ended."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How many tasks of a batch are in each state, and what its videos cost in USD so far."""

    counts: Mapping[State, int]
    cost: Decimal | None
