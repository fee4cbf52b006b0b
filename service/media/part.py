"""The file that a download goes to: written and hashed in the same step, by threads."""

import asyncio
import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Any

SYNC_EVERY_BYTES = 32 * 2**20
"""So much is on its way to the disk before it is pushed there: otherwise all of it waits for the last fsync."""


class Part:
    """A file that grows. One step at a time is under way, and one more can be got ready meanwhile.

    Methods raise OSError for what the disk does; one of a step comes with the next call. Whoever is cancelled waits
    for the step that is under way, so that no thread writes to what was given up.
    """

    def __init__(self, path: Path, threads: Executor) -> None:
        """Touch nothing yet: `open` does."""
        self._path = path
        self._threads = threads
        self._step: asyncio.Future[None] | None = None
        self._file: io.FileIO | None = None
        self._hash = hashlib.sha256()
        self._unsynced = 0
        self.size = 0
        """What was handed in since the last `restart`."""

    @property
    def sha256(self) -> str:
        """The hash of all that was handed in, in hexadecimal; to be asked after `sync`."""
        return self._hash.hexdigest()

    async def open(self) -> None:
        """Create the file, or empty it."""
        await self._next(self._open)
        await self._settle()

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Hand in what comes next; it is written while the caller goes on."""
        await self._next(self._write, chunks)
        self.size += sum(map(len, chunks))

    async def restart(self) -> None:
        """Forget all of it, and give its room back to the disk."""
        await self._next(self._restart)
        self.size = 0
        await self._settle()

    async def empty(self) -> None:
        """Give the room back to the disk, if there is a file; raises nothing but cancellation."""
        with suppress(OSError):
            await self._settle()
        if self._file is not None:
            with suppress(OSError):
                await self.restart()

    async def sync(self) -> None:
        """Have everything on the disk."""
        await self._next(self._sync)
        await self._settle()

    async def close(self) -> None:
        """Close the file after the step under way; raises nothing but cancellation."""
        try:
            with suppress(OSError):
                await self._settle()
        finally:
            if self._file is not None:
                with suppress(OSError):
                    await self._next(self._file.close)
                    await self._settle()

    async def _next(self, step: Callable[..., None], *given: Any) -> None:
        await self._settle()
        self._step = asyncio.get_running_loop().run_in_executor(self._threads, step, *given)

    async def _settle(self) -> None:
        """Wait for the step under way, however often we are cancelled meanwhile."""
        step, self._step = self._step, None
        if step is None:
            return
        cancelled: asyncio.CancelledError | None = None
        while not step.done():
            try:
                # Not the future itself: being cancelled would leave its thread at work.
                await asyncio.wait([step])
            except asyncio.CancelledError as error:
                cancelled = error
        trouble = step.exception()
        if cancelled is not None:
            raise cancelled
        if trouble is not None:
            raise trouble

    # What follows runs in threads.

    def _open(self) -> None:
        self._file = io.FileIO(self._path, "wb")

    def _write(self, chunks: Sequence[bytes]) -> None:
        file = self._opened()
        for chunk in chunks:
            self._hash.update(chunk)
            left = memoryview(chunk)
            while left:
                left = left[file.write(left) :]
            self._unsynced += len(chunk)
        if self._unsynced >= SYNC_EVERY_BYTES:
            self._sync()

    def _restart(self) -> None:
        file = self._opened()
        file.truncate(0)
        file.seek(0)
        self._hash = hashlib.sha256()
        self._unsynced = 0

    def _sync(self) -> None:
        os.fsync(self._opened().fileno())
        self._unsynced = 0

    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError("open comes first")
        return self._file
