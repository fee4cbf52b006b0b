"""Wake-ups inside one process: they shorten waits, and nothing depends on them."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from enum import StrEnum
from uuid import UUID


class Topic(StrEnum):
    """What there may be work for."""

    SUBMIT = "submit"
    DUE = "due"
    DELIVER = "deliver"
    CALLBACKS = "callbacks"
    BATCHES = "batches"


class Wake:
    """Events that loops and waiting requests sleep on."""

    def __init__(self) -> None:
        self._topics = {topic: asyncio.Event() for topic in Topic}
        self._tasks: dict[UUID, set[asyncio.Event]] = defaultdict(set)

    def ring(self, topics: Iterable[Topic]) -> None:
        """Wake whoever sleeps on these topics."""
        for topic in topics:
            self._topics[topic].set()

    def finished(self, tasks: Iterable[UUID]) -> None:
        """Wake the requests that wait for these tasks."""
        for task_uuid in tasks:
            for event in self._tasks.get(task_uuid, ()):
                event.set()

    async def sleep(self, topic: Topic, seconds: float) -> None:
        """Sleep until woken or until the time is over."""
        event = self._topics[topic]
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            event.clear()

    async def wait_for(self, task_uuid: UUID, seconds: float) -> None:
        """Sleep until a task is final here, or until the time is over."""
        event = asyncio.Event()
        self._tasks[task_uuid].add(event)
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            self._tasks[task_uuid].discard(event)
            if not self._tasks[task_uuid]:
                del self._tasks[task_uuid]
