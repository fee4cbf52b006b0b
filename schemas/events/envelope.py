"""The envelope of every event: CloudEvents 1.0, JSON format."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ..base import Strict

Sequence = Annotated[str, Field(pattern=r"^[0-9]{10}$", examples=["0000000001"])]
"""Padded with zeros: the `sequence` extension asks for strings whose order as text is their order.

Ten digits hold every 32-bit integer, which is what CloudEvents calls an Integer.
"""


class Attributes(Strict):
    """All of an event but its data; `id` is what a receiver deduplicates on."""

    specversion: Literal["1.0"]
    id: UUID = Field(description="The same on every attempt and every sink.")
    source: str = Field(min_length=1)
    type: str
    subject: UUID = Field(
        description="The task; of a batch.completed, the batch; of a callboard.test and a subscription.disabled, the subscription."
    )
    time: AwareDatetime = Field(description="When it happened.")
    sequence: Sequence = Field(description="Increases per task.")
    datacontenttype: Literal["application/json"]
    dataref: str = Field(
        default="",
        description="Where the whole data is, if the event was too large for its target: what is here"
        " lacks the caller's own request and metadata.",
    )


class CloudEvent(Attributes):
    """An event."""

    data: Any


class ClaimCheck(Attributes):
    """An event of any type that was too large for its target by far: its data is at `dataref` only."""

    dataref: str = Field(min_length=1, description="Where the data is.")
