"""JSON lines: a body that is read line by line within limits, never whole."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from aiohttp import web

from service.core.errors import Malformed
from service.web.body import refuse_compressed
from service.web.deps import Limits
from service.web.refusals import TooLarge, TooSlow, UnsupportedMediaType

MEDIA = ("application/x-ndjson", "application/jsonl")


async def lines(request: web.Request, limits: Limits) -> AsyncIterator[tuple[int, bytes]]:
    """Give the lines that are not blank with their numbers in the file, from 1.

    Raises TooLarge, TooSlow, UnsupportedMediaType, or Malformed when the body breaks off.
    """
    refuse_compressed(request)
    _refuse_other_media(request)
    cut = Cutter(limits.batch_line_bytes)
    async for part in _parts(request, limits):
        for line in cut.take(part):
            yield line
    for line in cut.end():
        yield line


class Cutter:
    """Cuts a body that comes in any pieces at its line ends. White space around a line is not part of it."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._number = 1
        self._begun = bytearray()

    def take(self, part: bytes) -> Iterator[tuple[int, bytes]]:
        """Give the lines that a piece completes; raises TooLarge for one that is too long, complete or not."""
        first, *more = part.split(b"\n")
        self._begin(first)
        for following in more:
            yield from self.end()
            self._number += 1
            self._begun.clear()
            self._begin(following)

    def end(self) -> Iterator[tuple[int, bytes]]:
        """Give the line that was begun, unless it is blank."""
        if line := self._begun.strip():
            yield self._number, bytes(line)

    def _begin(self, piece: bytes) -> None:
        self._begun += piece
        if len(self._begun) > self._most_bytes:
            text = (
                f"Line {self._number} is longer than {self._most_bytes} bytes; nothing was stored."
            )
            raise TooLarge(text)


async def _parts(request: web.Request, limits: Limits) -> AsyncIterator[bytes]:
    """Give the body as it arrives."""
    too_large = TooLarge(f"A batch has at most {limits.batch_bytes} bytes; nothing was stored.")
    if (request.content_length or 0) > limits.batch_bytes:
        raise too_large
    size = 0
    until = asyncio.get_running_loop().time() + limits.batch_s
    while part := await _part(request, until, limits):
        size += len(part)
        if size > limits.batch_bytes:
            raise too_large
        yield part
        # A fast sender's next part may be here already, and this one may have been nothing but blank lines.
        await asyncio.sleep(0)


async def _part(request: web.Request, until: float, limits: Limits) -> bytes:
    """Wait for the next bytes; none at the end."""
    soon = asyncio.get_running_loop().time() + limits.body_s
    try:
        async with asyncio.timeout_at(min(soon, until)):
            return await request.content.readany()
    except TimeoutError:
        text = (
            f"The body paused for {limits.body_s:g} s, or took more than {limits.batch_s:g} s; "
            "nothing was stored."
        )
        raise TooSlow(text) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Malformed("The body broke off; nothing was stored.") from None


def _refuse_other_media(request: web.Request) -> None:
    declared = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if declared and declared not in MEDIA:
        raise UnsupportedMediaType(f"Send Content-Type: {MEDIA[0]}, not {declared}.")
