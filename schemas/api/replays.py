"""Replays: a range of deliveries of one subscription that is sent again."""

import re
from datetime import UTC, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..api.pages import Page
from ..api.subscription_fields import EventPattern
from ..base import Request, Strict, Whole

MOST_PER_SECOND = 1000
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)


def _moment(value: object) -> object:
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise PydanticCustomError(
        "rfc3339", "Input should be an RFC 3339 time with its offset, as 2026-01-31T12:00:00Z"
    )


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Replayed = Literal["failed", "held", "missing", "any"]


class ReplayRequest(Request):
    """Which deliveries of a subscription are sent again."""

    since: Moment = Field(
        description="Of events from this time on; not before the oldest that is kept."
    )
    until: Moment | None = Field(default=None, description="And before this one. Default: now.")
    state: Replayed = Field(
        default="failed",
        description=(
            "`failed`: those that were given up. `held`: those that came while it was disabled. `missing`: events "
            "that fit its present filters and were never meant for it, as from before it was made. `any`: whatever "
            "became of them. What waits or is under way is left alone."
        ),
    )
    types: list[EventPattern] | None = Field(
        default=None, min_length=1, max_length=32, description="Only of these types."
    )
    ratePerSecond: Whole | None = Field(
        default=None,
        ge=1,
        le=MOST_PER_SECOND,
        description="How many are sent in a second at most. Default: a setting of the service.",
    )


class ReplayAsked(Strict):
    """What was asked for, with its defaults."""

    since: AwareDatetime
    until: AwareDatetime
    state: Replayed
    types: list[str] | None
    ratePerSecond: int = Field(ge=1)


class ReplayView(Strict):
    """How far a replay is."""

    id: UUID
    subscription: UUID
    request: ReplayAsked
    state: Literal["running", "completed", "canceled"] = Field(
        description="`completed`: all that matched was queued; `untried` and `retrying` say what is still on its way."
    )
    canceledBy: Literal["user", "subscription_disabled", "subscription_deleted"] | None
    reachedAt: AwareDatetime = Field(description="Events before this time were looked at.")
    matched: int = Field(ge=0, description="So many were found so far: queued and skipped.")
    queued: int = Field(ge=0)
    skipped: int = Field(
        ge=0, description="Left alone: they are on their way anyway, or their task was erased."
    )
    untried: int = Field(ge=0, description="Of the queued: not tried yet.")
    retrying: int = Field(ge=0, description="Of the queued: being tried, or to be tried again.")
    delivered: int = Field(ge=0, description="Of the queued.")
    failed: int = Field(ge=0, description="Of the queued: given up again.")
    held: int = Field(ge=0, description="Of the queued: the subscription was disabled meanwhile.")
    canceled: int = Field(
        ge=0,
        description="Of the queued: the subscription was deleted, or the task erased, meanwhile.",
    )
    createdAt: AwareDatetime
    finishedAt: AwareDatetime | None = Field(description="When it queued the last one.")


class ReplayPage(Page[ReplayView]):
    """Replays of a subscription, newest first."""
