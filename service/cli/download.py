"""One file to a folder: resumed where it broke off, checked, and there under its name only when it is whole."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp

from service.cli.client import problem_text

TRIES = 3
"""How often in a row nothing may come; a try that brought something begins the count again."""
REST_S = 0.5
CHUNK_BYTES = 256 * 1024
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

Ask = Callable[[Mapping[str, str]], AbstractAsyncContextManager[aiohttp.ClientResponse]]
"""Asks for a file, with these headers besides its own."""
Tell = Callable[[int, int | None], None]
"""Is told how many bytes are there, and of how many, where that is known."""


class Trouble(Exception):
    """A file could not be had; the text is for people."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a file is asked for, and what it has to be; without a hash, only the connection vouches for it."""

    name: str
    ask: Ask
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Got:
    """What was downloaded."""

    bytes: int
    sha256: str
    content_type: str


@dataclass(slots=True)
class Validators:
    """What the answers said of the file: what to go on with, and its type."""

    etag: str | None
    content_type: str = ""


@dataclass(slots=True)
class Part:
    """A file that is being downloaded. Raises Trouble for what the disk does."""

    path: Path
    size: int = 0
    _hash: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _fd: int = -1

    def open(self, *, resume: bool) -> None:
        """Open it; what is there already counts where it may be resumed."""
        with _on_disk(self.path):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (0 if resume else os.O_TRUNC)
            self._fd = os.open(self.path, flags, 0o644)
            while found := os.read(self._fd, CHUNK_BYTES):
                self._hash.update(found)
                self.size += len(found)

    def write(self, data: bytes) -> None:
        """Write more of it."""
        with _on_disk(self.path):
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        self._hash.update(data)
        self.size += len(data)

    def restart(self) -> None:
        """Forget what is there."""
        with _on_disk(self.path):
            os.ftruncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
        self._hash, self.size = hashlib.sha256(), 0

    def sync(self) -> None:
        """Have it on disk."""
        with _on_disk(self.path):
            os.fsync(self._fd)

    def discard(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def got(self, content_type: str) -> Got:
        """Say what is there."""
        return Got(self.size, self._hash.hexdigest(), content_type)


class _on_disk:  # noqa: N801 - reads as the word it is
    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise Trouble(f"{self._path} cannot be written: {error.strerror}") from error


async def download(source: Source, path: Path, tell: Tell) -> Got:
    """Download a file to `path`, synced; raises Trouble.

    Where the hash is known, what there is stays for the next time, and is gone on with. All else is removed.
    """
    part = Part(path)
    try:
        part.open(resume=source.sha256 is not None)
        resumed = part.size > 0
        found = await _whole(source, part, tell)
        part.sync()
    except Trouble:
        if source.sha256 is None:
            part.discard()
        raise
    finally:
        part.close()
    if not found.bytes:
        part.discard()
        raise Trouble(f"{source.name} gave an empty file")
    if source.sha256 not in {None, found.sha256}:
        part.discard()
        if resumed:
            # What was there before may be the wrong half.
            return await download(source, path, tell)
        raise Trouble(f"{source.name} gave another file than the one that was kept")
    return found


def finish(part: Path, path: Path) -> None:
    """Give a downloaded file its name, so that it stays; raises Trouble."""
    with _on_disk(path):
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def hash_of(path: Path) -> str:
    """Give the sha-256 of a file; raises Trouble."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Trouble(f"{path} cannot be read: {error.strerror}") from error


async def _whole(source: Source, part: Part, tell: Tell) -> Got:
    said = Validators(None if source.sha256 is None else f'"{source.sha256}"')
    without = 0
    while True:
        before = part.size
        try:
            text = await _once(source, part, said, tell)
            if text is None:
                return part.got(said.content_type)
        except (aiohttp.ClientError, TimeoutError) as error:
            text = str(error) or "timed out"
        without = 0 if part.size > before else without + 1
        if without >= TRIES:
            raise Trouble(f"{source.name} cannot be read: {text}")
        await asyncio.sleep(REST_S)


async def _once(source: Source, part: Part, said: Validators, tell: Tell) -> str | None:
    """Ask once for what is missing, and say why it did not come; raises what aiohttp raises, and Trouble."""
    headers = {"Accept-Encoding": "identity"}
    if part.size and said.etag:
        headers |= {"Range": f"bytes={part.size}-", "If-Range": said.etag}
    async with source.ask(headers) as answer:
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.size:
            if answer.headers.get("Content-Range") == f"bytes */{part.size}":
                return None
            part.restart()
            return "the file is shorter than it was"
        if answer.status in PASSING:
            return await problem_text(answer)
        if answer.status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
            raise Trouble(f"{source.name} cannot be read: {await problem_text(answer)}")
        if not _goes_on(answer, part.size):
            part.restart()
            if answer.status == HTTPStatus.PARTIAL_CONTENT:
                return "it gave another part than it was asked for"
        _note(answer, said)
        left = answer.content_length
        most = None if left is None else part.size + left
        tell(part.size, most)
        async for data in answer.content.iter_chunked(CHUNK_BYTES):
            part.write(data)
            tell(part.size, most)
    return None


def _goes_on(answer: aiohttp.ClientResponse, size: int) -> bool:
    """Say whether an answer begins where the part ends."""
    if answer.status == HTTPStatus.OK:
        return size == 0
    return answer.headers.get("Content-Range", "").startswith(f"bytes {size}-")


def _note(answer: aiohttp.ClientResponse, said: Validators) -> None:
    said.content_type = answer.content_type
    etag = answer.headers.get("ETag", "")
    said.etag = said.etag or (etag if etag.startswith('"') else None)
