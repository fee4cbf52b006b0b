"""Starts loops, restarts those that throw, drains them in two stages.

A loop that throws is logged, waits, and goes on. While the database is away that is all: the service recovers by
itself. A loop that keeps dying for another reason turns /livez false and drains the process with a failure: a
receiver that still stores callbacks is worth keeping for a moment, a process without its workers is not.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from service.core.errors import Unavailable
from service.observe import Health
from service.workers.loop import Loop

log = structlog.get_logger()

DEATHS, WINDOW_S = 10, 60.0
"""A loop that dies this often in this time is given up."""
FIRST_REST_S, LONGEST_REST_S = 0.1, 5.0


class Supervisor:
    """Owns every long-lived task of the process."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._stop = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.failed = asyncio.Event()

    def start(self, loops: Sequence[Loop]) -> None:
        """Start loops."""
        for loop in loops:
            self._health.loops[loop.name] = True
            # The one place where long-lived tasks begin; they are kept, watched and ended here.
            task = asyncio.create_task(self._keep(loop), name=loop.name)  # noqa: TID251
            self._tasks[loop.name] = task

    async def drain(self, seconds: float) -> list[str]:
        """Let loops finish what is in flight, then cancel; gives the names of those that were cut off."""
        self._stop.set()
        if not self._tasks:
            return []
        _, late = await asyncio.wait(self._tasks.values(), timeout=seconds)
        names = [t.get_name() for t in late]
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if names:
            log.warning("drain.cut_off", loops=names)
        return names

    async def _keep(self, loop: Loop) -> None:
        deaths: deque[float] = deque(maxlen=DEATHS)
        rest = FIRST_REST_S
        clock = asyncio.get_running_loop()
        while not self._stop.is_set():
            began = clock.time()
            try:
                await loop.run(self._stop)
            except* Unavailable as away:
                log.warning("loop.database_away", loop=loop.name, reason=str(away.exceptions[0]))
            except* Exception:
                log.exception("loop.died", loop=loop.name)
                deaths.append(clock.time())
            if self._stop.is_set():
                return
            if len(deaths) == DEATHS and clock.time() - deaths[0] < WINDOW_S:
                self._give_up(loop)
                return
            rest = (
                FIRST_REST_S if clock.time() - began > WINDOW_S else min(rest * 2, LONGEST_REST_S)
            )
            await self._rest(rest)

    def _give_up(self, loop: Loop) -> None:
        log.error("loop.given_up", loop=loop.name, deaths=DEATHS, seconds=WINDOW_S)
        self._health.loops[loop.name] = False
        self._health.failed = loop.name
        self.failed.set()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return
