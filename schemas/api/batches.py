"""Batches: submissions that are stored together and told of together."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ..base import Strict
from .pages import Page


class BatchCounts(Strict):
    """How many tasks are in each state, fallbacks included; those that were erased are in none."""

    queued: int = Field(ge=0)
    submitting: int = Field(ge=0)
    processing: int = Field(ge=0)
    completed: int = Field(ge=0)
    failed: int = Field(ge=0)
    rejected: int = Field(ge=0)
    canceled: int = Field(ge=0)
    timed_out: int = Field(ge=0)


class BatchView(Strict):
    """A batch as it is shown."""

    id: UUID
    state: Literal["running", "completed"] = Field(
        description="`completed` once every task is final and `batch.completed` was written."
    )
    total: int = Field(ge=1, description="How many submissions it had; erased ones count.")
    counts: BatchCounts
    cost: float | None = Field(
        description="What its videos cost so far in USD, late ones included, erased ones not, as far as the upstream said."
    )
    createdAt: AwareDatetime
    finishedAt: AwareDatetime | None


class BatchCanceled(BatchView):
    """A batch after its cancel."""

    canceledNow: int = Field(
        ge=0, description="How many tasks this call canceled; all others were final already."
    )


class BatchPage(Page[BatchView]):
    """Batches, newest first."""
