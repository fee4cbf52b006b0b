"""Events to send, and a driver that sends each until it is confirmed, as deliveries are."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from service.ports import Outgoing, Sent, Sink, Target
from tests.conformance.sinks.bench import until

SOURCE = "https://board.example"


def task_of(number: int) -> UUID:
    """Name a task."""
    return UUID(int=(4 << 76) | (2 << 62) | number)


def make(count: int, *, tasks: int = 1, size: int = 0, first: int = 0) -> list[Outgoing]:
    """Make events of some tasks in turn, with text that every encoding may break."""
    return [_event(first + n, task_of(1 + n % tasks), size) for n in range(count)]


def _event(number: int, task: UUID, size: int) -> Outgoing:
    event_id = UUID(int=(4 << 76) | (2 << 62) | (1 << 32) | number)
    data = {"number": number, "text": "é\u2028\u0000'\"\\\n$5\r\n{type}", "filler": "x" * size}
    envelope = {
        "specversion": "1.0",
        "id": str(event_id),
        "source": SOURCE,
        "type": "task.completed",
        "subject": str(task),
        "data": data,
    }
    return Outgoing(
        event_id=event_id,
        event_type="task.completed",
        task_uuid=task,
        body=json.dumps(envelope, ensure_ascii=False).encode(),
        content_type="application/cloudevents+json; charset=UTF-8",
        sent_at=1_614_265_330,
        secrets=(b"s" * 32,),
    )


async def deliver(sink: Sink, target: Target, event: Outgoing) -> list[Sent]:
    """Send an event again and again until it is confirmed; gives what came of each attempt."""
    attempts: list[Sent] = []

    async def confirmed() -> bool:
        attempts.append(await sink.send(target, event))
        return attempts[-1].ok

    try:
        await until(confirmed)
    except TimeoutError:
        said = Counter((a.error, a.response) for a in attempts)
        pytest.fail(f"never confirmed: {said.most_common(5)}, at last {attempts[-1:]}")
    return attempts


async def deliver_lanes(sink: Sink, target: Target, events: Sequence[Outgoing]) -> None:
    """Send events: those of one task one after the other, tasks side by side."""

    async def lane(task: UUID | None) -> None:
        for event in events:
            if event.task_uuid == task:
                await deliver(sink, target, event)

    await asyncio.gather(*(lane(task) for task in {event.task_uuid for event in events}))
