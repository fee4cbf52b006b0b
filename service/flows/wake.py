"""Wake-ups: they shorten waits, and nothing depends on them.

What rings here is also told to the other processes, by `flows.others`; what they say is rung here with `ring_here`.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from uuid import UUID


class Topic(StrEnum):
    """What there may be work for."""

    SUBMIT = "submit"
    DUE = "due"
    DELIVER = "deliver"
    CALLBACKS = "callbacks"
    BATCHES = "batches"
    EVENTS = "events"
    ARCHIVE = "archive"


Teller = Callable[[frozenset[Topic], tuple[UUID, ...]], None]
"""Who tells the others which topics rang and which tasks ended; it must not wait."""


class Wake:
    """Events that loops and waiting requests sleep on."""

    def __init__(self) -> None:
        self._topics = {topic: asyncio.Event() for topic in Topic}
        self._tasks: dict[UUID, set[asyncio.Event]] = defaultdict(set)
        self.teller: Teller | None = None
        self.hears_others = False
        """Whether the ends of tasks in other processes are heard of here, so that waits may look less often."""

    def ring(self, topics: Iterable[Topic]) -> None:
        """Wake whoever sleeps on these topics, here and elsewhere."""
        rung = frozenset(topics)
        self.ring_here(rung)
        if self.teller is not None and rung:
            self.teller(rung, ())

    def ring_here(self, topics: Iterable[Topic]) -> None:
        """Wake whoever sleeps on these topics in this process."""
        for topic in topics:
            self._topics[topic].set()

    def finished(self, tasks: Iterable[UUID]) -> None:
        """Wake the requests that wait for these tasks, here and elsewhere."""
        ended = tuple(tasks)
        self.finished_here(ended)
        if self.teller is not None and ended:
            self.teller(frozenset(), ended)

    def finished_here(self, tasks: Iterable[UUID]) -> None:
        """Wake the requests of this process that wait for these tasks."""
        for task_uuid in tasks:
            for event in self._tasks.get(task_uuid, ()):
                event.set()

    def everything(self) -> None:
        """Wake whoever sleeps here: what others said meanwhile may have been missed."""
        self.ring_here(Topic)
        self.finished_here(list(self._tasks))

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
        """Sleep until a task is final, or until the time is over."""
        with self.expecting(task_uuid) as ended, suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await ended.wait()

    @contextmanager
    def expecting(self, task_uuid: UUID) -> Iterator[asyncio.Event]:
        """Have an event set whenever a task is final; what happens inside the block is not missed."""
        event = asyncio.Event()
        self._tasks[task_uuid].add(event)
        try:
            yield event
        finally:
            self._tasks[task_uuid].discard(event)
            if not self._tasks[task_uuid]:
                del self._tasks[task_uuid]
