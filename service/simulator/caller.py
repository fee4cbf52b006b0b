"""Sends callbacks when their time has come: Runware tries again for a while, Sync never."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random

import aiohttp

from service.simulator.state import Called, Job, Journal, timestamp

FIRST_WAIT_SECONDS = 0.25
"""Runware's first wait after a failed callback; it doubles each time."""
LONGEST_WAIT_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Message:
    """The bytes of one callback, with the headers that go with them."""

    body: bytes
    headers: dict[str, str]


Write = Callable[[int], Message]
"""Makes the callback of the result with this index, at the moment of sending."""


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the files of a job's results are put; `content` makes one by its result's index."""

    url: str
    content_type: str
    content: Callable[[int], bytes]


class Caller:
    """Owns all callbacks under way; none outlives `stop`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        journal: Journal,
        dice: Random,
        *,
        timeout_seconds: float,
    ) -> None:
        """Send with this session and log to this journal; `dice` makes the jitter."""
        self._session = session
        self._journal = journal
        self._dice = dice
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._tasks: set[asyncio.Task[None]] = set()
        self._crashes: list[BaseException] = []

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Do other work in the background, until `stop`."""
        self._own(work)

    def start(self, job: Job, write: Write, *, attempts: int, upload: Upload | None = None) -> None:
        """Call a job's results back in the background."""
        self._own(self.announce(job, write, attempts=attempts, upload=upload))

    async def announce(
        self, job: Job, write: Write, *, attempts: int, upload: Upload | None = None
    ) -> None:
        """Call a job's results back in its plan's order; return after the first attempt of each."""
        loop = asyncio.get_running_loop()
        for when, index in job.calls():
            await asyncio.sleep(max(0, when - loop.time()))
            wanted = None if job.outcomes[index].failed else upload
            if wanted and job.plan.upload == "before":
                await self._put(wanted, index)
            copies = (self._send(job, index, write, attempts) for _ in range(job.plan.copies))
            await asyncio.gather(*copies)
            if wanted and job.plan.upload == "after":
                await self._put(wanted, index)

    async def stop(self) -> None:
        """End all callbacks; raises what one of them crashed with, which would be our mistake."""
        while self._tasks:
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        if self._crashes:
            raise self._crashes[0]

    async def _send(self, job: Job, index: int, write: Write, attempts: int) -> None:
        if not await self._attempt(job, index, write(index), 1) and attempts > 1:
            self._own(self._insist(job, index, write, attempts))

    async def _insist(self, job: Job, index: int, write: Write, attempts: int) -> None:
        for attempt in range(2, attempts + 1):
            wait = min(FIRST_WAIT_SECONDS * 2 ** (attempt - 2), LONGEST_WAIT_SECONDS)
            await asyncio.sleep(wait * self._dice.uniform(0.8, 1.2))
            if await self._attempt(job, index, write(index), attempt):
                return

    async def _attempt(self, job: Job, index: int, message: Message, attempt: int) -> bool:
        if job.webhook is None:
            return True
        status = None
        try:
            async with self._session.post(
                job.webhook,
                data=message.body,
                headers=message.headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass  # no answer is logged as such
        result = job.outcomes[index].id
        called = Called(job.provider, job.key, job.id, result, attempt, status, timestamp())
        self._journal.call(called)
        return called.good

    async def _put(self, upload: Upload, index: int) -> None:
        """Put a result where its task wants it, once: nobody knows whether the real one insists."""
        try:
            async with self._session.put(
                upload.url,
                data=upload.content(index),
                headers={"Content-Type": upload.content_type},
                timeout=self._timeout,
                allow_redirects=False,
            ):
                pass
        except (aiohttp.ClientError, TimeoutError, OSError):
            pass  # the callback tells of the result all the same

    def _own(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (crash := task.exception()):
            self._crashes.append(crash)
