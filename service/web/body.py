"""Bodies of requests: read within limits, then read as JSON."""

import asyncio

from aiohttp import web

from service.core.errors import Malformed
from service.web.keys import DEPS
from service.web.refusals import TooLarge, TooSlow, UnsupportedMediaType
from service.wire.api import read_json


async def read_capped(request: web.Request, most_bytes: int, seconds: float) -> bytes:
    """Read a body; raises TooLarge, TooSlow, UnsupportedMediaType, or Malformed when it breaks off.

    A compressed body is refused: it could be a bomb, and nobody needs it.
    """
    refuse_compressed(request)
    too_large = TooLarge(f"A body has at most {most_bytes} bytes here; nothing was stored.")
    if (request.content_length or 0) > most_bytes:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while part := await request.content.readany():
                size += len(part)
                if size > most_bytes:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        text = f"The body did not arrive within {seconds:g} s; nothing was stored."
        raise TooSlow(text) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Malformed("The body broke off.") from None
    return b"".join(parts)


def refuse_compressed(request: web.Request) -> None:
    """Raise UnsupportedMediaType for a compressed body."""
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"identity", ""}:
        raise UnsupportedMediaType("Send the body without Content-Encoding.")


async def json_body(request: web.Request) -> object:
    """Read a JSON body."""
    return read_json(await _json_bytes(request))


async def optional_json_body(request: web.Request) -> object:
    """Read a JSON body; an empty object where there is none."""
    raw = await _json_bytes(request)
    return read_json(raw) if raw.strip() else {}


async def _json_bytes(request: web.Request) -> bytes:
    limits = request.app[DEPS].limits
    raw = await read_capped(request, limits.body_bytes, limits.body_s)
    declared = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    is_json = declared == "application/json" or declared.endswith("+json")
    if raw and declared and not is_json:
        raise UnsupportedMediaType(f"Send Content-Type: application/json, not {declared}.")
    return raw
