"""The newest part of the feed, read once for all who follow it in this process.

Who is at the end of the feed is served from memory; who is behind reads pages until it is not. Places are those of
`flows.feed`, so nothing is skipped in between. Notices wake it; without any it looks each second.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from service.core.errors import Unavailable
from service.flows import cursors
from service.flows.feed import place, position, read, stored
from service.flows.wake import Topic, Wake
from service.store import events
from service.store.events import Position
from service.store.pool import Pool, Record, connection
from service.wire.events import envelope

PAGE = 200
SOON_S = 0.02
"""When to look again after a bell with nothing to see: some other transaction holds the feed back."""
MOST_KEPT = 2_000
"""Events kept for those at the end, some 8 MB; who is further behind reads pages."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in the feed."""

    place: Position
    type: str
    task_uuid: UUID
    body: bytes

    @property
    def cursor(self) -> str:
        """Say where to read on after it."""
        return cursors.encode(*self.place)


@dataclass(slots=True)
class Window:
    """What is kept of a tenant's feed: all events after `start`, up to `end`."""

    start: Position
    end: Position
    readers: int = 0
    entries: list[Entry] = field(default_factory=list)
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, more: Sequence[Entry], end: Position) -> None:
        """Take what was read, let go of what is old, and wake whoever waits."""
        self.entries += more
        if len(self.entries) > MOST_KEPT:
            gone = len(self.entries) - MOST_KEPT
            self.start = self.entries[gone - 1].place
            del self.entries[:gone]
        self.end = max(self.end, end)
        if more:
            self.moved.set()
            self.moved = asyncio.Event()


class Reader:
    """One who follows the feed from a place on. Not for two at once."""

    def __init__(
        self,
        tail: "Tail",
        window: Window,
        tenant: str,
        after: Position,
        types: Sequence[str] | None,
        task_uuid: UUID | None,
    ) -> None:
        self._tail = tail
        self._window = window
        self._tenant = tenant
        self._after = after
        self._types = None if types is None else frozenset(types)
        self._task_uuid = task_uuid

    @property
    def cursor(self) -> str:
        """Say up to where everything was given."""
        return cursors.encode(*self._after)

    async def next(self, patience_s: float) -> list[Entry]:
        """Give what comes next, oldest first; nothing when nothing came in time, or at the end of the process.

        Raises CursorExpired when retention took what would have come.
        """
        deadline = asyncio.get_running_loop().time() + patience_s
        while not self._tail.closing:
            moved = self._window.moved
            behind = self._after < self._window.start
            found = await self._behind() if behind else self._kept()
            if found:
                return found
            if behind:
                continue
            try:
                async with asyncio.timeout_at(deadline):
                    await moved.wait()
            except TimeoutError:
                break
        return []

    async def _behind(self) -> list[Entry]:
        types = None if self._types is None else sorted(self._types)
        async with connection(self._tail.pool) as conn:
            found, self._after = await read(
                conn, self._tenant, self._after, types, self._task_uuid, PAGE
            )
        return [entry(row) for row in found]

    def _kept(self) -> list[Entry]:
        window = self._window
        first = bisect_right(window.entries, self._after, key=lambda e: e.place)
        self._after = max(self._after, window.end)
        return [e for e in window.entries[first:] if self._wants(e)]

    def _wants(self, event: Entry) -> bool:
        return (self._types is None or event.type in self._types) and (
            self._task_uuid is None or event.task_uuid == self._task_uuid
        )


class Tail:
    """Reads the end of the feed for its readers; `run` has to run."""

    def __init__(self, pool: Pool, wake: Wake, *, poll_s: float, most_readers: int) -> None:
        self.pool = pool
        self._wake = wake
        self._poll_s = poll_s
        self._most_readers = most_readers
        self._windows: dict[str, Window] = {}
        self.readers = 0
        self.closing = False

    @contextmanager
    def _reading(self, tenant: str, start: Position) -> Iterator[Window]:
        window = self._windows.setdefault(tenant, Window(start, start))
        window.readers += 1
        self.readers += 1
        try:
            yield window
        finally:
            self.readers -= 1
            window.readers -= 1
            if not window.readers:
                del self._windows[tenant]

    async def start_of(self, tenant: str, cursor: str | None) -> tuple[Position, Position]:
        """Say where a reader begins and where the feed ends now; raises Malformed or CursorExpired."""
        async with connection(self.pool) as conn:
            end = (await events.head(conn)).end
            if cursor == "now":
                return end, end
            after = position(cursor) if cursor else events.START
            await read(conn, tenant, after, None, None, 1)
        return after, end

    @contextmanager
    def follow(
        self,
        tenant: str,
        places: tuple[Position, Position],
        types: Sequence[str] | None,
        task_uuid: UUID | None,
    ) -> Iterator[Reader]:
        """Follow the feed from the first of the places that `start_of` gave.

        Raises Unavailable when too many do, or when the process stops.
        """
        after, end = places
        if self.closing:
            raise Unavailable("The service is stopping; come again.")
        if self.readers >= self._most_readers:
            raise Unavailable(f"{self._most_readers} streams are open here; none is free.")
        with self._reading(tenant, end) as window:
            yield Reader(self, window, tenant, after, types, task_uuid)

    async def run(self, stop: asyncio.Event) -> None:
        """Read what comes, as long as somebody follows."""
        loop = asyncio.get_running_loop()
        rest_s = self._poll_s
        while not stop.is_set():
            began = loop.time()
            await self._wake.sleep(Topic.EVENTS, rest_s)
            rung = loop.time() - began < rest_s
            found = [await self._advance(*one) for one in list(self._windows.items())]
            rest_s = SOON_S if rung or any(found) else min(2 * rest_s, self._poll_s)

    async def _advance(self, tenant: str, window: Window) -> bool:
        async with connection(self.pool) as conn:
            found, end = await read(conn, tenant, window.end, None, None, PAGE)
        if found or end > window.end:
            window.add([entry(row) for row in found], end)
        return bool(found)

    def close(self) -> None:
        """Let every reader end: the process stops."""
        self.closing = True
        for window in self._windows.values():
            window.moved.set()


def entry(row: Record) -> Entry:
    """Make an entry of a row."""
    return Entry(place(row), row["type"], row["task_uuid"], envelope(stored(row)))
