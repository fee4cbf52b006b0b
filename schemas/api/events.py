"""The feed of events."""

from pydantic import Field

from ..base import Strict
from ..events.data import AnyEvent, Erased


class EventPage(Strict):
    """Events, oldest first."""

    items: list[AnyEvent | Erased] = Field(
        description="Of a task that was erased since, `data` says only so; `id`, `type`, `time` and `sequence` stay."
    )
    nextCursor: str = Field(description="Where to read on; a reader that follows it misses none.")
