"""A side door: tells other processes what there may be work for and which tasks ended, and hears them.

NOTIFY in a writing transaction costs 59 % of all commits even with nobody listening (queues.md E4), so one flusher
sends what gathered, over a connection of its own, at most once each 10 ms. A hint that is lost makes a wait longer:
every loop and every waiting request also looks by itself.
"""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from uuid import UUID

import structlog

from service.core.errors import Unavailable
from service.flows.wake import Topic, Wake
from service.store import notices
from service.store.pool import Pool, connection

log = structlog.get_logger()

REST_S = 0.01
"""At most one notice in this time and process."""
IDLE_S = 1.0
"""How long the flusher waits for something to say before it looks whether to stop."""
TASKS_A_NOTICE = 200
"""32 digits, quotes and a comma each: 7,000 of the 8,000 bytes that a notice may have."""
MOST_UNSAID = 10_000
"""Tasks that are remembered while the database is away; who waits for more than these looks by itself."""
PING_EVERY_S, PING_LIMIT_S = 10.0, 5.0
"""A connection that went silent is found out within the sum: nothing else would tell."""


class Others:
    """The other processes that share the database."""

    def __init__(self, pool: Pool, wake: Wake, *, me: UUID, dsn: str) -> None:
        self._pool = pool
        self._wake = wake
        self._me = me
        self._dsn = dsn
        self._topics: set[Topic] = set()
        self._ended: dict[UUID, None] = {}
        self._unsaid = asyncio.Event()
        wake.teller = self.tell

    def tell(self, topics: frozenset[Topic], ended: tuple[UUID, ...]) -> None:
        """Remember what to tell the others."""
        self._topics |= topics
        room = MOST_UNSAID - len(self._ended)
        self._ended.update(dict.fromkeys(ended[:room]))
        self._unsaid.set()

    async def flush_once(self, wait_s: float = IDLE_S) -> int:
        """Wait for something to say, and say all of it; gives how many notices that took."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._unsaid.wait()
        if not self._unsaid.is_set():
            return 0
        self._unsaid.clear()
        topics, ended = sorted(self._topics), list(self._ended)
        self._topics, self._ended = set(), {}
        said = list(payloads(self._me, topics, ended))
        async with connection(self._pool) as conn:
            await notices.notify(conn, said)
        return len(said)

    async def listen(self, stop: asyncio.Event) -> None:
        """Hear the others until told to stop; raises Unavailable when the connection is lost."""
        async with notices.listening(self._dsn, self.hear) as line:
            log.info("others.heard")
            self._wake.hears_others = True
            # What was said before this moment was not heard.
            self._wake.everything()
            try:
                while not stop.is_set():
                    await _first(stop, line.lost, PING_EVERY_S)
                    if line.lost.is_set():
                        raise Unavailable("The connection that listens for notices was lost.")
                    if not stop.is_set():
                        await line.ping(PING_LIMIT_S)
            finally:
                self._wake.hears_others = False
                # Who waits shall look by itself from now on, and more often.
                self._wake.everything()

    def hear(self, payload: str) -> None:
        """Ring here for what another process said; what nobody of ours wrote is left alone."""
        try:
            said = json.loads(payload)
            if said["w"] == self._me.hex:
                return
            topics = [Topic(t) for t in said["t"] if t in set(Topic)]
            ended = [UUID(u) for u in said["f"]]
        except (ValueError, TypeError, KeyError, AttributeError):
            log.warning("others.not_understood", size=len(payload))
            return
        self._wake.ring_here(topics)
        self._wake.finished_here(ended)


def payloads(me: UUID, topics: Sequence[Topic], ended: Sequence[UUID]) -> Iterator[str]:
    """Write notices, each below the 8000 bytes that PostgreSQL takes."""
    for start in range(0, max(len(ended), 1), TASKS_A_NOTICE):
        some = [u.hex for u in ended[start : start + TASKS_A_NOTICE]]
        said = {"w": me.hex, "t": [] if start else list(topics), "f": some}
        yield json.dumps(said, separators=(",", ":"))


async def _first(stop: asyncio.Event, lost: asyncio.Event, seconds: float) -> None:
    """Wait for either, no longer than this."""
    waits = [asyncio.ensure_future(e.wait()) for e in (stop, lost)]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in waits:
            waiting.cancel()
