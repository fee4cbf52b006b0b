"""Serves `/media/{name}`: results, made at the moment that they are asked for, and stored uploads.

All that a result is stands in its URL, so it outlives a restart.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from service.simulator.media import DURATION_S, make_video
from service.simulator.voice import make_voice
from service.simulator.webm import make_webm

LONGEST_SECONDS = 3600.0
SHORTEST_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Format:
    """One format of results: how its files are made and what they are called."""

    content_type: str
    make: Callable[[str, float], bytes]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "mp4": Format("video/mp4", lambda name, seconds: make_video(name, seconds=seconds)),
        "mov": Format(
            "video/quicktime", lambda name, seconds: make_video(name, seconds=seconds, brand="mov")
        ),
        "wav": Format("audio/wav", lambda _, seconds: make_voice(seconds)),
        "webm": Format("video/webm", lambda name, seconds: make_webm(name, seconds=seconds)),
    }
)
"""By the ending of the name."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A media file that was uploaded: its bytes, or the URL that it was to be taken from."""

    content: bytes
    content_type: str
    source: str | None = None


def result_path(
    name: str, *, ending: str = "mp4", seconds: float = DURATION_S, expires: float | None = None
) -> str:
    """Return where a result is; `expires` is a Unix time."""
    query = {} if seconds == DURATION_S else {"seconds": f"{seconds:g}"}
    query |= {} if expires is None else {"expires": f"{expires:.3f}"}
    return f"/media/{name}.{ending}" + (f"?{urlencode(query)}" if query else "")


class Files:
    """What was uploaded; results need no memory."""

    def __init__(self) -> None:
        """Begin with nothing stored."""
        self.stored: dict[str, Stored] = {}
        """By UUID."""
        self._deleted: set[str] = set()

    def delete(self, name: str) -> None:
        """Delete an upload; its URL must not turn into that of a result."""
        del self.stored[name]
        self._deleted.add(name)

    async def serve(self, request: web.Request) -> web.Response:
        """Answer GET /media/{name}."""
        name, _, ending = request.match_info["name"].partition(".")
        if found := self.stored.get(name):
            if found.source is not None:
                raise web.HTTPFound(found.source)
            return web.Response(body=found.content, content_type=found.content_type)
        if name in self._deleted:
            raise web.HTTPNotFound
        try:
            UUID(name)
            seconds = float(request.query.get("seconds", DURATION_S))
            expires = float(request.query.get("expires", "inf"))
            made = FORMATS[ending]
        except (ValueError, KeyError):
            raise web.HTTPNotFound from None
        if time.time() >= expires:
            raise web.HTTPNotFound
        seconds = min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
        return web.Response(body=made.make(name, seconds), content_type=made.content_type)
