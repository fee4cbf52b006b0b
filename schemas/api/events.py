"""The feed of events."""

from pydantic import Field

from schemas.base import Strict
from schemas.events.data import AnyEvent


class EventPage(Strict):
    """Events, oldest first."""

    items: list[AnyEvent]
    nextCursor: str = Field(description="Where to read on; a reader that follows it misses none.")
