"""Who wants an event: part of step 4, inside the transaction that writes it.

Matching reads the subscriptions in there, so a subscription whose creation or change was answered misses nothing
(`subscriptions.fence` closes the gap between reading and committing).

What a condition costs: nothing where no candidate has one. Else one more statement for all that is written together;
measured on two cores: 80 us for the statement, 10 us for each event of 1 KiB that is read, 4 us for each pair of an
event and a condition. Only conditions that take time in proportion to the data are taken (`core.condition`): the
worst one of 512 characters takes 11 ms on the largest metadata.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.core.event import About, Filter
from service.store import subscriptions
from service.store.events import NewDelivery, NewEvent
from service.store.pool import Conn, Record


@dataclass(frozen=True, slots=True)
class Candidate:
    """A delivery to be written, unless the event's data does not meet its condition."""

    delivery: NewDelivery
    data: bytes
    condition: str | None = None


class Listeners:
    """The live subscriptions of some tenants, as the writing transaction sees them."""

    def __init__(self, rows: Sequence[Record]) -> None:
        self._rows = [
            (row, Filter(row["types"], row["provider"], row["model"], json.loads(row["labels"])))
            for row in rows
        ]

    @classmethod
    async def load(cls, conn: Conn, tenants: Sequence[str]) -> "Listeners":
        """Read them."""
        return cls(await subscriptions.live(conn, tenants))

    def candidates(self, event: NewEvent, about: About | None) -> list[Candidate]:
        """Say whose filters take an event; `about` is none for an event that is of no task."""
        return [
            Candidate(_delivery(event, row), event.data, row["condition"])
            for row, wanted in self._rows
            if row["tenant"] == event.tenant and wanted.takes(event.type, about)
        ]


async def those_that_match(conn: Conn, candidates: Sequence[Candidate]) -> list[NewDelivery]:
    """Keep the candidates whose condition is met, in their order; nothing makes this fail but the database."""
    data: dict[UUID, bytes] = {}
    pairs: list[tuple[UUID, str]] = []
    positions: list[int] = []
    for position, candidate in enumerate(candidates):
        if candidate.condition is not None:
            data[candidate.delivery.event_id] = candidate.data
            pairs.append((candidate.delivery.event_id, candidate.condition))
            positions.append(position)
    unmet: set[int] = set()
    if pairs:
        place = {event_id: i for i, event_id in enumerate(data)}
        asked = [(place[event_id], condition) for event_id, condition in pairs]
        met = await subscriptions.match_conditions(conn, list(data.values()), asked)
        unmet = {p for i, p in enumerate(positions) if i not in met}
    return [c.delivery for i, c in enumerate(candidates) if i not in unmet]


async def deliveries_of(conn: Conn, event: NewEvent) -> list[NewDelivery]:
    """Fan out an event that is of no task: of a batch, of a subscription."""
    listeners = await Listeners.load(conn, [event.tenant])
    return await those_that_match(conn, listeners.candidates(event, None))


def _delivery(event: NewEvent, row: Record) -> NewDelivery:
    held = not row["enabled"]
    return NewDelivery(event.tenant, event.id, event.task_uuid, row["id"], held, row["id"])
