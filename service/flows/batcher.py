"""Groups what waits: the answer is given after the group's commit, so this is group commit, not write-behind.

Two flushers take whatever is there, without a timer: idle, the first item goes at once; busy, groups grow by
themselves. Measured on two cores (queues.md E3): ten times the throughput at 64 in flight, and 0.3 ms at p50
when idle.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.core.errors import Unavailable

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    size: int
    answer: "asyncio.Future[R]"


class Batcher(Generic[T, R]):
    """Hands items in groups to a function that answers them all, in order, or raises for all."""

    def __init__(
        self,
        flush: Callable[[list[T]], Awaitable[list[R]]],
        *,
        most: int,
        most_waiting: int,
        most_bytes: int,
        patience_s: float,
    ) -> None:
        self._flush = flush
        self._most = most
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._patience_s = patience_s
        self._queue: deque[_Waiting[T, R]] = deque()
        self._bytes = 0
        self._there = asyncio.Event()
        self._came_at = -math.inf

    @property
    def quiet_s(self) -> float:
        """For how long nothing came, taken or refused, in seconds; infinite before the first."""
        return asyncio.get_running_loop().time() - self._came_at

    @property
    def waiting(self) -> int:
        """How many items wait for a flusher."""
        return len(self._queue)

    async def put(self, item: T, size: int) -> R:
        """Wait for the group's commit; raises Unavailable when too much waits, or for too long."""
        self._came_at = asyncio.get_running_loop().time()
        if len(self._queue) >= self._most_waiting or self._bytes + size > self._most_bytes:
            raise Unavailable("Too much waits to be stored; nothing was stored.")
        waiting = _Waiting[T, R](item, size, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._bytes += size
        self._there.set()
        try:
            async with asyncio.timeout(self._patience_s):
                return await waiting.answer
        except TimeoutError:
            raise Unavailable("It could not be stored in time.") from None

    async def flush_once(self, wait_s: float = 1.0) -> int:
        """Wait for items and flush one group; gives how many it had."""
        if not self._queue:
            self._there.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._there.wait()
            except TimeoutError:
                return 0
        group = self._take()
        if not group:
            return 0
        try:
            return await self._flush_group(group)
        finally:
            # What is being stored is held in memory too.
            self._bytes -= sum(w.size for w in group)

    async def _flush_group(self, group: list[_Waiting[T, R]]) -> int:
        try:
            answers = await self._flush([w.item for w in group])
        except Exception as error:  # noqa: BLE001 - whoever waits has to hear of it
            _fail(group, error)
            return len(group)
        except asyncio.CancelledError:
            _fail(group, Unavailable("The service is stopping."))
            raise
        for waiting, answer in zip(group, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        return len(group)

    def _take(self) -> list[_Waiting[T, R]]:
        group: list[_Waiting[T, R]] = []
        while self._queue and len(group) < self._most:
            waiting = self._queue.popleft()
            # Whoever gave up was answered 503 and is not served behind their back.
            if waiting.answer.done():
                self._bytes -= waiting.size
            else:
                group.append(waiting)
        return group


def _fail(group: list[_Waiting[T, R]], error: BaseException) -> None:
    for waiting in group:
        if not waiting.answer.done():
            waiting.answer.set_exception(error)
