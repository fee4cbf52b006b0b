"""Kept videos: the files themselves, for whoever has a key or a link, and the links."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from uuid import UUID

import structlog
from aiohttp import web

from schemas.api.media import LinkOptions
from service.core.errors import LinkInvalid, NoVideo, Unavailable
from service.core.ranges import Part
from service.flows.files import Kept, Signed
from service.ports import PlaceError
from service.web.answers import json_bytes, json_of
from service.web.auth import by_link
from service.web.body import optional_json_body
from service.web.conditions import is_known, wanted_part
from service.web.keys import DEPS, DOWNLOADS, TENANT
from service.web.query import Query, uuid_of
from service.web.stream import hang_up
from service.wire.api import parse_body

log = structlog.get_logger()

CACHED_S = 3600
"""How long a browser need not ask again: a file never changes, but it may be deleted."""
SLICE_BYTES = 512 * 1024
"""As much as is written at once: half a megabyte, copied only when a part is larger."""
FROM_ANYWHERE: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Range, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
"""Links are played by pages of any site. A request with a key is none that a browser makes by itself."""
# No more digits than a smallint has, and no year beyond what datetime knows.
_INDEX = re.compile(r"0|[1-9][0-9]{0,3}")
_EXPIRES = re.compile(r"[1-9][0-9]{0,10}")


async def open_links(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of any site read what comes of a link, its problems too; aiohttp calls this for every answer."""
    if by_link(request):
        response.headers.update(FROM_ANYWHERE)


async def video(request: web.Request) -> web.StreamResponse:
    """Give a kept file, or a part of it."""
    query = Query(request, "expires", "signature", "download")
    saved = query.word("download", ("1", "0")) == "1"
    expires = query.read("expires", _moment, "a Unix time in whole seconds")
    task_uuid, index = _result(request)
    files = request.app[DEPS].files
    if not by_link(request):
        kept = await files.of(request[TENANT], task_uuid, index)
        headers = {"Cache-Control": _cached(CACHED_S), "Vary": "Authorization"}
    else:
        signature = query.one("signature")
        if expires is None or signature is None:
            raise LinkInvalid
        kept, left_s = await files.linked(task_uuid, index, Signed(expires, signature))
        headers = {"Cache-Control": _cached(min(left_s, CACHED_S))}
    return await _answer(request, kept, headers | _described(kept, saved=saved))


async def link(request: web.Request) -> web.Response:
    """Make a link to a kept file."""
    Query(request)
    task_uuid, index = _result(request)
    options = parse_body(LinkOptions, await optional_json_body(request))
    made = await request.app[DEPS].files.link(
        request[TENANT], task_uuid, index, options.expiresInSeconds, download=options.download
    )
    return json_of({"url": made.url, "expiresAt": made.expires_at}, status=HTTPStatus.CREATED)


async def archive(request: web.Request) -> web.Response:
    """Have a video fetched again that could not be kept, and show its task."""
    Query(request)
    task_uuid, index = _result(request)
    deps, tenant = request.app[DEPS], request[TENANT]
    await deps.files.again(tenant, task_uuid, index)
    return json_bytes(await deps.look.task(tenant, task_uuid), status=HTTPStatus.ACCEPTED)


async def _answer(
    request: web.Request, kept: Kept, headers: Mapping[str, str]
) -> web.StreamResponse:
    etag, size = kept.media.sha256, kept.media.bytes
    if is_known(request, etag, kept.kept_at):
        return web.Response(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    part = wanted_part(request, size, etag, kept.kept_at)
    response = web.StreamResponse(status=HTTPStatus.OK, headers=headers)
    response.content_type = kept.media.content_type
    if part is None:
        part = Part(0, size)
    else:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers["Content-Range"] = f"bytes {part.start}-{part.last}/{size}"
    response.content_length = part.length
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    with _place(request):
        async with kept.opened(part.start, part.length) as parts:
            await _send(request, response, parts)
    return response


async def _send(
    request: web.Request, response: web.StreamResponse, parts: AsyncIterator[bytes]
) -> None:
    """Send parts as fast as they are taken: the next one is read when the last one is nearly gone.

    When not all of them come, the connection is cut: a shorter body would look like the whole one.
    """
    patience_s = request.app[DEPS].limits.video_patience_s
    try:
        await response.prepare(request)
        async for part in parts:
            # A place may give larger parts than a slow reader takes in its time.
            for at in range(0, len(part), SLICE_BYTES):
                async with asyncio.timeout(patience_s):
                    await response.write(part[at : at + SLICE_BYTES])
    except TimeoutError:
        log.info("video.cut_off", reason="slow")
        hang_up(request)
    except ConnectionError:
        log.debug("video.left")
    except PlaceError as error:
        log.warning("video.cut_off", reason=error.fault.code, message=error.fault.message)
        hang_up(request)
    except BaseException:
        hang_up(request)
        raise


@contextmanager
def _place(request: web.Request) -> Iterator[None]:
    """Hold one of the places there are for downloads: each holds a part of a file in memory."""
    downloads = request.app[DOWNLOADS]
    if downloads.open >= request.app[DEPS].limits.videos:
        raise Unavailable("As many videos as may be are being read; try again soon.")
    downloads.open += 1
    try:
        yield
    finally:
        downloads.open -= 1


def _result(request: web.Request) -> tuple[UUID, int]:
    """Read which result a path names; raises NoVideo for what can be none."""
    task_uuid, index = uuid_of(request.match_info["id"]), request.match_info["n"]
    if task_uuid is None or not _INDEX.fullmatch(index):
        raise NoVideo
    return task_uuid, int(index)


def _moment(text: str) -> int | None:
    return int(text) if _EXPIRES.fullmatch(text) else None


def _cached(seconds: float) -> str:
    return f"private, max-age={int(seconds)}, immutable"


def _described(kept: Kept, *, saved: bool) -> dict[str, str]:
    """Say what a file is. What it contains came from strangers: no browser may take it for a page of ours."""
    return {
        "ETag": f'"{kept.media.sha256}"',
        "Last-Modified": _http_date(kept.kept_at),
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'{"attachment" if saved else "inline"}; filename="{kept.name}"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }


def _http_date(at: datetime) -> str:
    return format_datetime(at.astimezone(UTC), usegmt=True)
