"""Where videos may be kept, put together: the disk, object stores with the operator's keys, callers' own addresses."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

from service.bootstrap.upstreams import proxy_of
from service.core.media import DISK, NONE
from service.egress import Egress
from service.media.places.disk import Disk
from service.media.places.objects import Objects
from service.media.places.put import Limits, Put
from service.media.places.table import Places
from service.settings import Settings


def stores(settings: Settings) -> tuple[str, ...]:
    """Give the object stores that may be written to: those that callers may name, and the default."""
    own = () if settings.archive in {NONE, DISK} else (settings.archive,)
    return (*settings.archive_stores, *own)


def media_dir(settings: Settings) -> Path:
    """Say where files are kept and fetched to."""
    return settings.media_dir or settings.data_dir / "media"


def make_places(stack: AsyncExitStack, settings: Settings, egress: Egress, disk: Disk) -> Places:
    """Make all places, inside a running loop; the stack closes them."""
    proxy = proxy_of(settings)
    # The clouds' own variables, for their own tools set them; obstore reads them too.
    environment = dict(os.environ)

    def make_objects(url: str) -> Objects:
        return Objects(url, environment, ambient=settings.archive_ambient, proxy=proxy)

    put = Put(
        egress,
        Limits(stall_s=settings.archive_stall_seconds, total_s=settings.archive_timeout_seconds),
    )
    places = Places(disk, put, make_objects, stores(settings))
    stack.push_async_callback(places.close)
    return places
