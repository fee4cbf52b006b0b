"""Serves a file as object stores do: ETag, HEAD, Range, If-Range; and with the faults that it may have.

Zeros that pad a file are made as they are sent, so a file may be larger than memory.
"""

import asyncio
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

CHUNK_BYTES = 2**18
TICK_SECONDS = 0.05
"""How often a slow file goes on."""
_RANGE = re.compile(r"bytes=([0-9]*)-([0-9]*)")
_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: closing resets, and what was not sent yet is dropped."""


@dataclass(frozen=True, slots=True)
class File:
    """What is served: `head`, then zeros up to `size` bytes. `etag` stands in quotes."""

    head: bytes
    size: int
    content_type: str
    etag: str

    def read(self, first: int, last: int, at_most: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield these bytes, the last one too, in chunks."""
        while first <= last:
            size = min(at_most, last + 1 - first)
            chunk = self.head[first : first + size]
            yield chunk + bytes(size - len(chunk))
            first += size


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong while a file is sent."""

    seconds: float = 0
    """How long it takes."""
    cut: bool = False
    reset: bool = False
    ranges: bool = True


async def send(request: web.Request, file: File, faults: Faults) -> web.StreamResponse:
    """Answer GET and HEAD."""
    part = _part(request, file) if faults.ranges else None
    headers = {"ETag": file.etag} | ({"Accept-Ranges": "bytes"} if faults.ranges else {})
    status, first, last = HTTPStatus.OK, 0, file.size - 1
    if part is not None:
        status, (first, last) = HTTPStatus.PARTIAL_CONTENT, part
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
        if first > last:
            headers["Content-Range"] = f"bytes */{file.size}"
            raise web.HTTPRequestRangeNotSatisfiable(headers=headers)
    response = web.StreamResponse(status=status, headers=headers)
    response.content_type = file.content_type
    response.content_length = last + 1 - first
    await response.prepare(request)
    if request.method != "HEAD":
        await _body(request, response, file, faults, (first, last))
    return response


async def _body(
    request: web.Request,
    response: web.StreamResponse,
    file: File,
    faults: Faults,
    part: tuple[int, int],
) -> None:
    first, last = part
    # Whoever asks for the rest gets it: only a body that begins at the beginning breaks.
    breaks = (faults.cut and first == 0) or faults.reset
    until = first + (last - first) // 2 if breaks else last
    ticks = max(1, round(faults.seconds / TICK_SECONDS))
    at_most = max(1, min(CHUNK_BYTES, -(-(last + 1 - first) // ticks)))
    for chunk in file.read(first, until, at_most):
        await response.write(chunk)
        if faults.seconds:
            await asyncio.sleep(faults.seconds * len(chunk) / max(1, last + 1 - first))
    if not breaks:
        await response.write_eof()
        return
    # What is on its way when a connection ends may be lost: let it arrive, so that there is a rest to ask for.
    await asyncio.sleep(TICK_SECONDS)
    if request.transport is not None:
        if faults.reset:
            connection = request.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        request.transport.abort()


def _part(request: web.Request, file: File) -> tuple[int, int] | None:
    """Read which bytes are asked for; first after last is a part that is not there. None: all of them.

    A Range that cannot be read, or of several parts, counts as none.
    """
    found = _RANGE.fullmatch(request.headers.get("Range", ""))
    if found is None or not (found[1] or found[2]):
        return None
    if request.headers.get("If-Range", file.etag) != file.etag:
        return None
    if not found[1]:
        return max(0, file.size - int(found[2])), file.size - 1 if int(found[2]) else -1
    first = int(found[1])
    last = int(found[2]) if found[2] else file.size - 1
    if first > last and found[2]:
        return None
    return first, min(last, file.size - 1)
