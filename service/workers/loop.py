"""Loops: each has `run_once`, which tests call, and `run`, which goes on until it is told to stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Generic, Protocol, TypeVar

import structlog

from service.core.errors import Unavailable
from service.flows.wake import Topic, Wake

T = TypeVar("T")
log = structlog.get_logger()


class Loop(Protocol):
    """Something the supervisor runs."""

    name: str

    async def run(self, stop: asyncio.Event) -> None:
        """Go on until told to stop; what is in flight is finished first."""
        ...


class Every:
    """Calls a step again and again: at once while it does something, else after a wait or a bell."""

    def __init__(
        self,
        name: str,
        step: Callable[[], Awaitable[int]],
        seconds: float,
        *,
        wake: Wake | None = None,
        topic: Topic | None = None,
        again_when_busy: bool = True,
    ) -> None:
        self.name = name
        self._step = step
        self._seconds = seconds
        self._wake = wake
        self._topic = topic
        self._again = again_when_busy

    async def run_once(self) -> int:
        """Do one step; gives how much it did."""
        return await self._step()

    async def run(self, stop: asyncio.Event) -> None:
        """Do steps until told to stop."""
        if self._wake is None or self._topic is None:
            while not stop.is_set():
                if not (await self.run_once() and self._again):
                    await _rest(stop, self._seconds)
            return
        async with _woken_by(stop, self._wake, self._topic):
            while not stop.is_set():
                if not (await self.run_once() and self._again):
                    await self._wake.sleep(self._topic, self._seconds)


class Lanes(Generic[T]):
    """Claims work and does up to `size` pieces of it at once; a slow piece holds up nobody."""

    def __init__(
        self,
        name: str,
        claim: Callable[[int], Awaitable[Sequence[T]]],
        work: Callable[[T], Coroutine[None, None, None]],
        *,
        size: int,
        wake: Wake,
        topic: Topic,
        poll_s: float,
        release: Callable[[Sequence[T]], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._claim = claim
        self._work = work
        self._release = release
        self._size = size
        self._wake = wake
        self._topic = topic
        self._poll_s = poll_s
        self._busy = 0

    async def run_once(self) -> int:
        """Claim once and do all of it; gives how much that was."""
        claimed = await self._claim(self._size)
        async with asyncio.TaskGroup() as group:
            for piece in claimed:
                group.create_task(self._work(piece))
        return len(claimed)

    async def run(self, stop: asyncio.Event) -> None:
        """Claim and work until told to stop, then finish what is in flight.

        What was being claimed meanwhile is given back. A claim that fails never cancels what is in flight: a
        send that is cut off has an unknown outcome.
        """
        failure: Exception | None = None
        async with _woken_by(stop, self._wake, self._topic) as group:
            while not stop.is_set() and failure is None:
                room = self._size - self._busy
                try:
                    claimed = await self._claim(room) if room > 0 else ()
                    if stop.is_set() and claimed and self._release is not None:
                        await self._release(claimed)
                        break
                except Unavailable as error:
                    log.warning("loop.database_away", loop=self.name, reason=error.detail)
                    await _rest(stop, max(self._poll_s, 1.0))
                    continue
                except Exception as error:  # noqa: BLE001 - raised below, after the work in flight
                    failure = error
                    continue
                for piece in claimed:
                    self._busy += 1
                    group.create_task(self._guarded(piece))
                if not claimed or len(claimed) < room:
                    await self._wake.sleep(self._topic, self._poll_s)
        if failure is not None:
            raise failure

    async def _guarded(self, piece: T) -> None:
        """Do one piece; what goes wrong with it is logged and left to its lease."""
        try:
            await self._work(piece)
        except Unavailable as error:
            log.warning("work.postponed", loop=self.name, reason=error.detail)
        except Exception:
            log.exception("work.failed", loop=self.name)
        finally:
            self._busy -= 1
            self._wake.ring_here([self._topic])


@asynccontextmanager
async def _woken_by(
    stop: asyncio.Event, wake: Wake, topic: Topic
) -> AsyncIterator[asyncio.TaskGroup]:
    """Ring the bell when it is time to stop: who sleeps on it would notice a whole wait later."""

    async def ring() -> None:
        await stop.wait()
        wake.ring_here([topic])

    async with asyncio.TaskGroup() as group:
        ringing = group.create_task(ring())
        try:
            yield group
        finally:
            ringing.cancel()


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
