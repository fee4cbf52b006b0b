"""Events as JSON lines in files: one file per target, one line per event, on disk before it counts."""

import asyncio
import fcntl
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Final

import aiofiles

from service.ports import Outgoing, Sent, Target

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
"""A plain file name: no separators, nothing hidden."""
PRIVATE_MODE: Final = 0o600


class FileSink:
    """Appends to files of one folder, which is made when it is first needed."""

    max_bytes: int | None = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Append one event and wait until it is on disk."""
        name = (target.settings or {}).get("path")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return Sent(ok=False, error="refused_name")
        try:
            async with asyncio.timeout(target.timeout_s), self._locks[name]:
                await self._append(self._folder / name, _line(event.body))
        except TimeoutError:
            return Sent(ok=False, error="timeout")
        except OSError as error:
            text = error.strerror or "the file could not be written"
            return Sent(ok=False, error="write_failed", response=text.encode())
        return Sent(ok=True)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    async def _append(self, path: Path, line: bytes) -> None:
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        async with aiofiles.open(path, "a+b", buffering=0, opener=_private) as file:
            # Other processes write here too; closing the file gives the lock back.
            await asyncio.to_thread(fcntl.flock, file.fileno(), fcntl.LOCK_EX)
            size = await file.seek(0, os.SEEK_END)
            if size:
                await file.seek(-1, os.SEEK_END)
                if await file.read(1) != b"\n":
                    line = (
                        b"\n" + line
                    )  # The last write was cut short; it is tried again elsewhere.
            while line:
                line = line[await file.write(line) :]
            await asyncio.to_thread(os.fsync, file.fileno())
        if not size:
            await asyncio.to_thread(_sync_folder, self._folder)


def _line(body: bytes) -> bytes:
    """Make one line: a raw line end can only stand between the tokens of JSON, never inside one."""
    return body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_MODE)


def _sync_folder(folder: Path) -> None:
    """Bring a new file's name to disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
