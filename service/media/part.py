"""The file that a download goes to: written and hashed in the same step, by threads."""

import asyncio
import hashlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path
from typing import Any

SYNC_EVERY_BYTES = 32 * 2**20
"""So much is on its way to the disk before it is pushed there: otherwise all of it waits for the end."""
PIECES = 512
"""How many pieces one system call takes (POSIX promises 16, Linux and macOS have 1024)."""


class Part:
    """A file that grows. One step at a time is under way, beside a sync, and the next can be got ready meanwhile.

    Methods raise OSError for what the disk does; that of a step comes with a later call. Whoever is cancelled waits
    for what is under way, so that no thread writes to what was given up.
    """

    def __init__(self, path: Path, threads: Executor) -> None:
        """Touch nothing yet: `open` does."""
        self._path = path
        self._threads = threads
        self._step: asyncio.Future[None] | None = None
        self._file: io.FileIO | None = None
        self._hash = hashlib.sha256()
        self._syncing: asyncio.Future[None] | None = None
        self._unsynced = 0
        self.size = 0
        """What was handed in since the last `restart`."""

    @property
    def sha256(self) -> str:
        """The hash of all that was handed in, in hexadecimal; to be asked once it is written."""
        return self._hash.hexdigest()

    async def open(self) -> None:
        """Create the file, or empty it."""
        await self._next(self._open)
        await self._settle()

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Hand in what comes next; it is written while the caller goes on."""
        size = sum(map(len, chunks))
        await self._next(self._write, chunks)
        self.size += size
        self._unsynced += size
        if self._unsynced >= SYNC_EVERY_BYTES and (self._syncing is None or self._syncing.done()):
            await self._push()

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

    async def written(self) -> None:
        """Have everything written, so that a reader finds it, and begin to push it to the disk."""
        await self._settle()
        await self._push()

    async def synced(self) -> None:
        """Have everything on the disk that was there at the last `written`."""
        await self._pushed()

    async def _push(self) -> None:
        await self._pushed()
        self._unsynced = 0
        self._syncing = asyncio.get_running_loop().run_in_executor(self._threads, self._sync)

    async def close(self) -> None:
        """Close the file after what is under way; raises nothing but cancellation."""
        try:
            with suppress(OSError):
                await self._settle()
        finally:
            try:
                with suppress(OSError):
                    await self._pushed()
            finally:
                if self._file is not None:
                    with suppress(OSError):
                        await self._next(self._file.close)
                        await self._settle()

    async def _next(self, step: Callable[..., None], *given: Any) -> None:
        await self._settle()
        self._step = asyncio.get_running_loop().run_in_executor(self._threads, step, *given)

    async def _settle(self) -> None:
        step, self._step = self._step, None
        await _end(step)

    async def _pushed(self) -> None:
        syncing, self._syncing = self._syncing, None
        await _end(syncing)

    # What follows runs in threads.

    def _open(self) -> None:
        self._file = io.FileIO(self._path, "wb")

    def _write(self, chunks: Sequence[bytes]) -> None:
        for chunk in chunks:
            self._hash.update(chunk)
        _write_all(self._opened(), chunks)

    def _restart(self) -> None:
        file = self._opened()
        file.truncate(0)
        file.seek(0)
        self._hash = hashlib.sha256()

    def _sync(self) -> None:
        os.fsync(self._opened().fileno())

    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError("open comes first")
        return self._file


async def _end(step: asyncio.Future[None] | None) -> None:
    """Wait until a thread is done, however often we are cancelled meanwhile; raises what it raised."""
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


def _write_all(file: io.FileIO, chunks: Sequence[bytes]) -> None:
    """Write pieces in few system calls; a disk that runs full takes a part of them first."""
    if sys.platform == "win32":
        file.write(b"".join(chunks))  # there is no writev
        return
    left = [memoryview(chunk) for chunk in chunks]
    at = 0
    while at < len(left):
        done = os.writev(file.fileno(), left[at : at + PIECES])
        while at < len(left) and done >= len(left[at]):
            done -= len(left[at])
            at += 1
        if done:
            left[at] = left[at][done:]
