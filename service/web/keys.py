"""What is kept beside an app and a request, by typed keys."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from service.web.deps import Deps
from service.web.vitals import Vitals


@dataclass(frozen=True, slots=True)
class Counts:
    """What the web counts by itself, for /metrics."""

    requests: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By method, route template and status."""
    refused_callbacks: Counter[tuple[str, ...]] = field(default_factory=Counter)
    """By provider and reason; these are not stored."""


@dataclass(slots=True)
class Downloads:
    """Kept videos that are being read just now."""

    open: int = 0


DEPS: Final = web.AppKey("deps", Deps)
COUNTS: Final = web.AppKey("counts", Counts)
VITALS: Final = web.AppKey("vitals", Vitals)
DOCUMENT: Final = web.AppKey("document", bytes)
PAGE: Final = web.AppKey("page", bytes)
DOWNLOADS: Final = web.AppKey("downloads", Downloads)
TENANT: Final = web.RequestKey("tenant", str)
