"""Events and their deliveries, made while they are written: part of step 4. Who wants them says `flows.matching`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

from service.core.event import ARCHIVE_EVENTS, About
from service.core.lanes import lane_of_url
from service.core.states import FINAL, State
from service.core.task import Card, Result, Task
from service.flows.matching import Candidate, Listeners, those_that_match
from service.ports import Dice
from service.store import tasks
from service.store.events import NewDelivery, NewEvent
from service.store.pool import Conn, Record
from service.wire.events import event_data

if TYPE_CHECKING:
    from service.flows.apply import Applied

TERMINAL = frozenset(f"task.{state.value}" for state in FINAL)
BATCHES = "batch."
"""What types of events begin with whose subject is a batch, though it may have the name of a task."""


@dataclass(slots=True)
class Written:
    """What is written for a batch, and where its ids go."""

    events: list[NewEvent] = field(default_factory=list)
    deliveries: list[NewDelivery] = field(default_factory=list)
    sequences: dict[UUID, int] = field(default_factory=dict)
    terminal: dict[UUID, UUID] = field(default_factory=dict)
    of_results: dict[tuple[UUID, int], UUID] = field(default_factory=dict)


class Fanout:
    """Makes events and fans them out."""

    def __init__(self, dice: Dice, source: str) -> None:
        self._dice = dice
        self.source = source

    async def plan(
        self, conn: Conn, moved: Sequence["Applied"], cards: Mapping[UUID, Card]
    ) -> Written:
        """Make the events of a batch of moves and their deliveries, in the order of the moves."""
        written = Written()
        tenants = sorted(
            {a.decision.task.tenant for a in moved if a.decision and a.decision.announce}
        )
        if not tenants:
            return written
        listeners = await Listeners.load(conn, tenants)
        candidates: list[Candidate] = []
        for applied in moved:
            if applied.decision is None:
                continue
            task = applied.decision.task
            for said in applied.decision.announce:
                card = cards[task.task_uuid]
                event = self._event(written, task, card, said.type, said.result_index)
                written.events.append(event)
                about = About(task.provider, task.model, card.labels)
                candidates += listeners.candidates(event, about)
                if card.notify_url is not None:
                    candidates.append(_to_notify_url(event, card.notify_url))
        written.deliveries = await those_that_match(conn, candidates)
        return written

    def _event(
        self, written: Written, task: Task, card: Card, kind: str, index: int | None
    ) -> NewEvent:
        sequence = written.sequences.get(task.task_uuid, task.event_sequence) + 1
        written.sequences[task.task_uuid] = sequence
        event_id = self._dice.uuid()
        if kind in TERMINAL:
            written.terminal[task.task_uuid] = event_id
        if index is not None and kind not in ARCHIVE_EVENTS:
            written.of_results[task.task_uuid, index] = event_id
        shown = _as_it_began(task) if kind == "task.processing" else task
        data = event_data(kind, shown, card, index)
        return NewEvent(event_id, task.tenant, kind, task.task_uuid, sequence, data)


def _as_it_began(task: Task) -> Task:
    """Show a task that began and ended in one report the way it was in between."""
    pending = tuple(Result(i) for i in range(task.results_expected))
    return replace(task, state=State.PROCESSING, results=pending, finished_at=None, error=None)


def _to_notify_url(event: NewEvent, url: str) -> Candidate:
    lane = lane_of_url(url)
    return Candidate(
        NewDelivery(event.tenant, event.id, event.task_uuid, None, False, lane), event.data
    )


async def missed(conn: Conn, row: Record, events: Sequence[NewEvent]) -> set[UUID]:
    """Say which past events a subscription would be sent if they happened now. Of erased tasks there is none.

    `row` is the whole subscription, as it is now.
    """
    known = await tasks.get(conn, sorted({e.task_uuid for e in events}))
    cards = await tasks.cards(conn, list(known))
    listeners = Listeners([row])
    candidates: list[Candidate] = []
    for event in events:
        task, card = known.get(event.task_uuid), cards.get(event.task_uuid)
        if task is not None and card is not None:
            about = About(task.provider, task.model, card.labels)
            candidates += listeners.candidates(event, about)
        elif event.type.startswith(BATCHES):
            candidates += listeners.candidates(event, None)
    return {delivery.event_id for delivery in await those_that_match(conn, candidates)}
