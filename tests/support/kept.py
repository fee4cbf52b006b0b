"""Files to be kept, and what was kept of them."""

import hashlib
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

from service.core import media
from service.core.fault import Fault
from service.core.media import Media
from service.ports import Place, PlaceError

_numbers = itertools.count(1)


class Made:
    """A downloaded file with what is known of it."""

    def __init__(self, folder: Path, content: bytes, task: UUID | None = None) -> None:
        self.content = content
        self.task = task or uuid4()
        self.media = media_of(content)
        self.name = media.name("default", self.task, 0, self.media)
        self.folder = media.folder("default", self.task)
        self.file = folder / f"downloaded-{next(_numbers)}"
        self.again()

    def again(self) -> Path:
        """Write it once more, as `keep` may have moved it away."""
        self.file.write_bytes(self.content)
        return self.file


def media_of(content: bytes) -> Media:
    """Say what is known of a file."""
    return Media(hashlib.sha256(content).hexdigest(), len(content), "video/mp4")


def noise(size: int) -> bytes:
    """Make bytes that repeat nothing."""
    return os.urandom(size)


async def joined(parts: AsyncIterator[bytes]) -> bytes:
    """Read all parts."""
    return b"".join([part async for part in parts])


async def whole(place: Place, location: str, size: int) -> bytes:
    """Read a file whole."""
    return await joined(place.read(location, 0, size))


async def fault_of(work: object) -> Fault:
    """Wait for what is to fail; gives its fault."""
    try:
        if isinstance(work, AsyncIterator):
            await joined(work)
        else:
            await work  # type: ignore[misc]
    except PlaceError as error:
        return error.fault
    raise AssertionError("it did not fail")
