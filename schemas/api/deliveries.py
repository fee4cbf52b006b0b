"""Deliveries of events: what became of each, and sending them again."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ..api.pages import Page
from ..base import Request, Strict, Whole

DELIVERY_ID = r"^[0-9]{1,17}-[0-9]{1,18}$"
DeliveryId = Annotated[str, Field(pattern=DELIVERY_ID, examples=["1763694303733000-42"])]
DeliveryState = Literal["pending", "sending", "delivered", "failed", "held", "canceled"]
MOST_OVERLAP_S = 2_592_000
"""Thirty days."""


class DeliveredEvent(Strict):
    """The event of a delivery; the feed has all of it."""

    id: UUID
    type: str
    time: AwareDatetime


class DeliveryView(Strict):
    """One event on its way to one target, as it is shown in lists."""

    id: DeliveryId = Field(description="Opaque: take it as it is.")
    event: DeliveredEvent
    subject: UUID = Field(description="The task of the event, or its batch or subscription.")
    subscription: UUID | None = Field(description="null: it goes to the task's `notifyURL`.")
    notifyHost: str | None = Field(
        description="Host and port of the `notifyURL`; null for subscriptions, and once the task was erased."
    )
    state: DeliveryState = Field(
        description=(
            "`failed`: given up. `held`: its subscription was disabled. `canceled`: its subscription was "
            "deleted, or its task erased."
        )
    )
    attempts: int = Field(ge=0)
    nextAttemptAt: AwareDatetime | None = Field(
        description="Not before then; it may wait longer for an earlier event of its task. null unless `pending`."
    )
    lastStatus: int | None
    lastError: str | None
    replay: UUID | None = Field(description="The last replay that queued it.")
    createdAt: AwareDatetime = Field(
        description="When its event happened: they are written together."
    )
    finishedAt: AwareDatetime | None


class AttemptView(Strict):
    """One attempt."""

    no: int = Field(ge=1)
    at: AwareDatetime = Field(description="When it ended.")
    durationMs: int = Field(ge=0)
    status: int | None
    error: str | None
    address: str | None = Field(description="The address that was connected to.")
    response: str = Field(description="The beginning of the answer, 4 KiB at most, as text.")


class DeliveryDetail(DeliveryView):
    """A delivery with its attempts."""

    attemptLog: list[AttemptView] = Field(
        description="Oldest first; of very many, the newest 200. An attempt to an erased task has no answer any more."
    )


class DeliveryPage(Page[DeliveryView]):
    """Deliveries, newest first."""


class SigningSecretRotate(Request):
    """How to rotate the tenant's default secret."""

    overlapSeconds: Whole = Field(
        default=86_400,
        ge=0,
        le=MOST_OVERLAP_S,
        description="For how long the secret before signs too; with 0 it ends at once.",
    )


class SigningSecretRotated(Strict):
    """The new default secret, which signs what goes to a notifyURL."""

    secret: str
    previousUntil: AwareDatetime | None = Field(
        description="Until when the one before signs too; null when there was none, or it ended."
    )
