"""Serves `/media/{name}`: results, made at the moment that they are asked for, and stored uploads.

All that a result is stands in its URL, so it outlives a restart.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from types import MappingProxyType
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from service.simulator.media import DURATION_S, free, make_video
from service.simulator.scenario import FILE_FAULTS
from service.simulator.stored import Faults, File, send
from service.simulator.voice import make_voice
from service.simulator.webm import make_webm, void

LONGEST_SECONDS = 3600.0
SHORTEST_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Format:
    """One format of results: how its files are made and what they are called."""

    content_type: str
    make: Callable[[str, float], bytes]
    padding: Callable[[int], bytes] = lambda _: b""
    """How so many bytes at the end begin that players pass over: zeros follow."""


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "mp4": Format("video/mp4", lambda name, seconds: make_video(name, seconds=seconds), free),
        "mov": Format(
            "video/quicktime",
            lambda name, seconds: make_video(name, seconds=seconds, brand="mov"),
            free,
        ),
        "wav": Format("audio/wav", lambda _, seconds: make_voice(seconds)),
        "webm": Format("video/webm", lambda name, seconds: make_webm(name, seconds=seconds), void),
    }
)
"""By the ending of the name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A media file that was uploaded: its bytes, or the URL that it was to be taken from."""

    content: bytes
    content_type: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Ends:
    """When a result's URL is no good any more, as Unix time, and what it is answered with then."""

    at: float
    status: int = 404


PAGE = b"<!doctype html>\n<html><title>Sign in</title><p>Please sign in to see this video.</p></html>\n"
PRIVATE = "http://10.0.0.1"
MOVED = "movedfile"


def result_path(
    name: str,
    *,
    ending: str = "mp4",
    seconds: float = DURATION_S,
    ends: Ends | None = None,
    faults: Sequence[str] = (),
) -> str:
    """Return where a result is; `faults` are names of scenarios for its file."""
    query = {} if seconds == DURATION_S else {"seconds": f"{seconds:g}"}
    if ends is not None:
        # Rounded down: what ends at once must not be good for half a millisecond.
        query["expires"] = f"{math.floor(ends.at * 1000) / 1000:.3f}"
        query |= {} if ends.status == HTTPStatus.NOT_FOUND else {"then": str(ends.status)}
    query |= {"faults": ",".join(faults)} if faults else {}
    return f"/media/{name}.{ending}" + (f"?{urlencode(query, safe=':,')}" if query else "")


class Files:
    """What was uploaded; results need no memory, but for the connections that were reset once."""

    def __init__(self) -> None:
        """Begin with nothing stored."""
        self.stored: dict[str, Stored] = {}
        """By UUID."""
        self._deleted: set[str] = set()
        self._reset: set[str] = set()

    def delete(self, name: str) -> None:
        """Delete an upload; its URL must not turn into that of a result."""
        del self.stored[name]
        self._deleted.add(name)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer GET and HEAD /media/{name}."""
        name, _, ending = request.match_info["name"].partition(".")
        if found := self.stored.get(name):
            if found.source is not None:
                raise web.HTTPFound(found.source)
            return await send(request, _uploaded(name, found), Faults())
        if name in self._deleted:
            raise web.HTTPNotFound
        query = request.query
        try:
            UUID(name)
            seconds = float(query.get("seconds", DURATION_S))
            ends = Ends(float(query.get("expires", "inf")), int(query.get("then", "404")))
            faults = _faults(query.get("faults", ""))
            made = FORMATS[ending]
        except (ValueError, KeyError):
            raise web.HTTPNotFound from None
        if time.time() >= ends.at:
            raise web.HTTPForbidden if ends.status == HTTPStatus.FORBIDDEN else web.HTTPNotFound
        _redirect(request, faults)
        seconds = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        file = _result(request.match_info["name"], made, seconds, faults)
        return await send(request, file, self._sending(request, faults))

    def _sending(self, request: web.Request, faults: Mapping[str, float]) -> Faults:
        """Say how a result is sent; the first body for a URL is the one that is reset."""
        reset = "resetfile" in faults and request.method == "GET"
        reset = reset and request.path_qs not in self._reset
        if reset:
            self._reset.add(request.path_qs)
        return Faults(
            seconds=faults.get("slowfile", 0),
            cut="cutfile" in faults,
            reset=reset,
            ranges="noranges" not in faults,
        )


def _faults(text: str) -> dict[str, float]:
    """Read the faults of a URL, each with its value; raises ValueError, KeyError."""
    named = [one.partition(":") for one in text.split(",") if one]
    if unknown := {name for name, _, _ in named} - {*FILE_FAULTS, "slowfile", "hugefile"}:
        raise KeyError(*unknown)
    return {name: float(value or 0) for name, _, value in named}


def _redirect(request: web.Request, faults: Mapping[str, float]) -> None:
    if "redirectfile" in faults:
        raise web.HTTPFound(PRIVATE + request.path_qs)
    if MOVED in faults:
        left = [one for one in request.query["faults"].split(",") if one != MOVED]
        query = {**request.query, "faults": ",".join(left)}
        raise web.HTTPFound(f"{request.path}?{urlencode(query, safe=':,')}")


def _uploaded(name: str, stored: Stored) -> File:
    return File(stored.content, len(stored.content), stored.content_type, _etag(name))


def _result(name: str, made: Format, seconds: float, faults: Mapping[str, float]) -> File:
    if "wrongfile" in faults or "lyingfile" in faults:
        kind = made.content_type if "lyingfile" in faults else "text/html"
        return File(PAGE, len(PAGE), kind, _etag("page"))
    content = made.make(name.partition(".")[0], seconds)
    size = max(len(content), int(faults.get("hugefile", 0)))
    head = content + made.padding(size - len(content)) if size > len(content) else content
    size = max(size, len(head))
    return File(head, size, made.content_type, _etag(f"{name} {seconds:g} {size}"))


def _etag(text: str) -> str:
    return f'"{sha256(text.encode()).hexdigest()}"'
