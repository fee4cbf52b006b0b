"""The file that a download goes to: written and hashed in the same step, by another thread."""

import asyncio
import hashlib
import io
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

BEHIND = 2
"""How many blocks may wait for the thread: with none, the connection and the disk wait for each other in turns."""
PUSH_EVERY_BYTES = 4 * 2**20
"""So much is on its way to the disk before it is pushed there: otherwise all of it waits for the end."""
PUSH_BACK_BYTES = 16 * 2**20
"""What was pushed before is on the disk by now, and its memory is given back: pages that were just used are faster
than fresh ones, and videos do not drive the database out of the machine's memory."""
SYNCERS = 4
NICE = 10
"""How far the writer steps back; not to 19, for it has to get on while the machine is busy."""
PIECES = 512
"""How many pieces one system call takes (POSIX promises 16, Linux and macOS have 1024)."""


class Threads:
    """The threads of all downloads; not the loop's own, which resolve names.

    One writes and hashes for all, and steps back for whoever takes callbacks and for Postgres: with a thread a
    download, callbacks waited for seconds where videos come as fast as they can be written. Others wait for the disk.
    """

    def __init__(self) -> None:
        """Begin no thread yet."""
        self.writer = ThreadPoolExecutor(
            1, thread_name_prefix="fetch-write", initializer=_step_back
        )
        self.syncers = ThreadPoolExecutor(SYNCERS, thread_name_prefix="fetch-sync")

    def close(self) -> None:
        """End the threads, once nothing is under way."""
        self.writer.shutdown(wait=False)
        self.syncers.shutdown(wait=False)


def _step_back() -> None:
    if sys.platform == "linux":  # elsewhere it would be the whole process
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class Part:
    """A file that grows; what it is handed is written in order.

    Methods raise OSError for what the disk does; that of a step may come with a later call, and with `written` at the
    latest. Whoever is cancelled in `close` still waits for what is under way, so that no thread writes to what was
    given up.
    """

    def __init__(self, path: Path, threads: Threads) -> None:
        """Touch nothing yet: `open` does."""
        self._path = path
        self._threads = threads
        self._steps: deque[asyncio.Future[None]] = deque()
        self._file: io.FileIO | None = None
        self._hash = hashlib.sha256()
        self._written = 0
        self._pushed = 0
        self.size = 0
        """What was handed in since the last `restart`."""

    @property
    def sha256(self) -> str:
        """The hash of all that was handed in, in hexadecimal; to be asked once it is written."""
        return self._hash.hexdigest()

    async def open(self) -> None:
        """Create the file, or empty it."""
        self._next(self._open)
        await self._settle()

    async def write(self, chunks: Sequence[bytes]) -> None:
        """Hand in what comes next; it is written while the caller goes on."""
        await self._settle(BEHIND)
        self._next(self._write, chunks)
        self.size += sum(map(len, chunks))

    async def restart(self) -> None:
        """Forget all of it, and give its room back to the disk."""
        self._next(self._restart)
        self.size = 0
        await self._settle()

    async def empty(self) -> None:
        """Give the room back to the disk, if there is a file; raises nothing but cancellation."""
        await self._finish()
        if self._file is not None:
            with suppress(OSError):
                await self.restart()

    async def written(self) -> None:
        """Have everything written, so that a reader finds it, and begin to bring it to the disk."""
        await self._settle()
        loop = asyncio.get_running_loop()
        self._steps.append(loop.run_in_executor(self._threads.syncers, self._sync))

    async def synced(self) -> None:
        """Have everything on the disk that was there at the last `written`."""
        await self._settle()

    async def close(self) -> None:
        """Close the file after what is under way; raises nothing but cancellation."""
        try:
            await self._finish()
        finally:
            self._next(self._close)
            await self._finish()

    def _next(self, step: Callable[..., None], *given: Any) -> None:
        loop = asyncio.get_running_loop()
        self._steps.append(loop.run_in_executor(self._threads.writer, step, *given))

    async def _settle(self, most: int = 0) -> None:
        """Wait until so many steps are left at most; raises what they raised."""
        while len(self._steps) > most:
            # Not the future itself: being cancelled would leave its thread at work.
            await asyncio.wait([self._steps[0]])
            self._steps.popleft().result()

    async def _finish(self) -> None:
        """Wait for all steps, whatever becomes of them and however often we are cancelled meanwhile."""
        cancelled: asyncio.CancelledError | None = None
        while not all(step.done() for step in self._steps):
            try:
                await asyncio.wait(self._steps)
            except asyncio.CancelledError as error:
                cancelled = error
        while self._steps:
            self._steps.popleft().exception()
        if cancelled is not None:
            raise cancelled

    # What follows runs in threads.

    def _open(self) -> None:
        self._file = io.FileIO(self._path, "wb")

    def _write(self, chunks: Sequence[bytes]) -> None:
        file = self._opened()
        for chunk in chunks:
            self._hash.update(chunk)
        _write_all(file, chunks)
        self._written += sum(map(len, chunks))
        if self._written - self._pushed >= PUSH_EVERY_BYTES:
            _push(file, max(self._pushed - PUSH_BACK_BYTES, 0), self._written)
            self._pushed = self._written

    def _restart(self) -> None:
        file = self._opened()
        file.truncate(0)
        file.seek(0)
        self._hash = hashlib.sha256()
        self._written = self._pushed = 0

    def _sync(self) -> None:
        os.fsync(self._opened().fileno())

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _opened(self) -> io.FileIO:
        if self._file is None:
            raise ValueError("open comes first")
        return self._file


def _push(file: io.FileIO, start: int, end: int) -> None:
    """Have what was written brought to the disk meanwhile, and its pages let go that are there already."""
    if sys.platform == "linux":
        # It begins the writing of what is not on the disk yet, and does not wait for it. No file system has to take it.
        with suppress(OSError):
            os.posix_fadvise(file.fileno(), start, end - start, os.POSIX_FADV_DONTNEED)


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
