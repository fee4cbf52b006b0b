"""The feed of events as Server-Sent Events (WHATWG HTML, section 9.2)."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import structlog
from aiohttp import web

from service.core.errors import CursorExpired, Unavailable
from service.flows.tail import Entry, Reader
from service.web.events import wanted_types
from service.web.keys import DEPS, TENANT
from service.web.query import Query

log = structlog.get_logger()

RETRY_MS: Final = 1000
"""What a reader is told to wait before it comes again."""
LOOK_S: Final = 1.0
"""How soon the place of a reader that left is free."""
HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    # nginx gathers answers otherwise.
    "X-Accel-Buffering": "no",
}


async def stream(request: web.Request) -> web.StreamResponse:
    """Tell what comes, from `Last-Event-ID` or `cursor` on, for as long as the reader takes it."""
    deps = request.app[DEPS]
    query = Query(request, "type", "task", "cursor")
    types, task_uuid = wanted_types(query.all("type")), query.uuid("task")
    cursor = request.headers.get("Last-Event-ID") or query.one("cursor")
    tenant = request[TENANT]
    places = await deps.tail.start_of(tenant, cursor)
    with deps.tail.follow(tenant, places, types, task_uuid) as reader:
        response = web.StreamResponse(headers=HEADERS)
        await response.prepare(request)
        if request.method != "HEAD":
            await _tell(request, response, reader)
    return response


async def _tell(request: web.Request, response: web.StreamResponse, reader: Reader) -> None:
    deps = request.app[DEPS]
    beat_s, patience_s = deps.limits.beat_s, deps.limits.stream_patience_s
    said = f"retry: {RETRY_MS}\n\n".encode()
    try:
        while True:
            async with asyncio.timeout(patience_s):
                await response.write(said)
            told = await _next(request, reader, beat_s)
            if told is None or deps.tail.closing:
                return
            said = _said(told, reader.cursor)
    except TimeoutError:
        # It comes again where it was: nothing is lost by hanging up, and memory is not held for it.
        log.info("stream.cut_off", reason="slow")
        hang_up(request)
    except ConnectionError:
        log.debug("stream.left")
    except (CursorExpired, Unavailable) as error:
        # Coming again, it is told.
        log.info("stream.cut_off", reason=error.code)
        hang_up(request)


async def _next(request: web.Request, reader: Reader, beat_s: float) -> list[Entry] | None:
    """Wait for what comes, and look now and then whether anybody still listens: nothing else would tell."""
    until = asyncio.get_running_loop().time() + beat_s
    while (left_s := until - asyncio.get_running_loop().time()) > 0:
        if found := await reader.next(min(left_s, LOOK_S)):
            return found
        if (
            request.app[DEPS].tail.closing
            or request.transport is None
            or request.transport.is_closing()
        ):
            return None
    return []


def _said(entries: Iterable[Entry], cursor: str) -> bytes:
    """Write events, or a heartbeat that moves the reader's place: an id without data is remembered and not told."""
    told = b"".join(
        b"id: %b\nevent: %b\ndata: %b\n\n" % (e.cursor.encode(), e.type.encode(), _line(e.body))
        for e in entries
    )
    return told or f": nothing new\nid: {cursor}\n\n".encode()


def _line(body: bytes) -> bytes:
    """Make one line: raw line ends can only stand between the tokens of JSON."""
    return body.replace(b"\r", b" ").replace(b"\n", b" ")


def hang_up(request: web.Request) -> None:
    """Cut the connection at once, so that nobody takes what was sent for all there is."""
    with suppress(AttributeError):
        transport = request.transport
        if isinstance(transport, asyncio.Transport):
            transport.abort()
