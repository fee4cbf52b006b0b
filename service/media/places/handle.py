"""A file that is read in threads."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PART_BYTES = 2**19
"""Half a megabyte: a thread's turn costs 0.1 ms, a read of this much from memory as well."""


class Handle:
    """An open file, closed once and never under a thread that reads it.

    Whoever waits for a thread may be cancelled, and the thread goes on: it then closes the file itself. So a number
    is never given back while somebody may still use it, and `close` never waits.
    """

    def __init__(self, opener: Callable[[], int]) -> None:
        self._opener = opener
        self._busy = threading.Lock()
        self._number: int | None = None
        self._closed = False

    async def open(self) -> int:
        """Open it and give its size in bytes; raises OSError, and whatever the opener raises."""
        return await asyncio.to_thread(self._in_thread, self._open)

    async def read(self, start: int, length: int) -> bytes:
        """Read up to that many bytes; fewer only at its end, none after it or after `close`. Raises OSError."""
        return await asyncio.to_thread(self._in_thread, lambda: self._read(start, length))

    def close(self) -> None:
        """Close it, now or when the thread that uses it is through."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            try:
                self._give_back()
            finally:
                self._busy.release()

    def _in_thread(self, work: Callable[[], T]) -> T:
        try:
            with self._busy:
                return work()
        finally:
            if self._closed:
                self.close()

    def _open(self) -> int:
        self._number = self._opener()
        return os.fstat(self._number).st_size

    def _read(self, start: int, length: int) -> bytes:
        if self._number is None or self._closed:
            return b""
        parts: list[bytes] = []
        while length and (part := os.pread(self._number, length, start)):
            parts.append(part)
            start, length = start + len(part), length - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _give_back(self) -> None:
        number, self._number = self._number, None
        if number is not None:
            os.close(number)


def of_path(path: Path) -> Handle:
    """Give a handle of a file of ours; not open yet."""
    return Handle(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC))
