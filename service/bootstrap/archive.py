"""Where videos may be kept, put together: the disk, object stores with the operator's keys, callers' own addresses."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from service.bootstrap.upstreams import proxy_of, seconds
from service.clock import unix_time
from service.core.media import DISK, NONE, read_rule
from service.egress import Egress
from service.flows.archive import Archiving, Keeping
from service.media.fetch import Fetch
from service.media.fetch import Limits as FetchLimits
from service.media.pace import Pace, never
from service.media.places.disk import Disk
from service.media.places.objects import Objects
from service.media.places.put import Limits as PutLimits
from service.media.places.put import Put
from service.media.places.table import Places
from service.media.probe import Probe
from service.media.space import Space
from service.observe import Metrics
from service.settings import Settings, SettingsError


def stores(settings: Settings) -> tuple[str, ...]:
    """Give the object stores that may be written to: those that callers may name, and the default."""
    own = () if settings.archive in {NONE, DISK} else (settings.archive,)
    return (*settings.archive_stores, *own)


def media_dir(settings: Settings) -> Path:
    """Say where files are kept and fetched to."""
    return settings.media_dir or settings.data_dir / "media"


LEFT_BEHIND_S = 86_400.0
"""No download lasts as long, and none is silent for it."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What fetches videos, and where they are kept."""

    disk: Disk
    places: Places
    fetcher: Fetch

    async def sweep(self) -> int:
        """Remove files of downloads that were left behind; gives how many."""
        return await self.disk.sweep(LEFT_BEHIND_S, unix_time())


def make_archive(
    stack: AsyncExitStack, settings: Settings, quiet_s: Callable[[], float] = never
) -> Archive:
    """Make what fetches and keeps videos, inside a running loop; the stack closes it. Raises SettingsError.

    `quiet_s` says for how long no callback came.
    """
    proxy = proxy_of(settings)
    egress = Egress(settings.allow_networks, proxy=proxy)
    stack.push_async_callback(egress.close)
    disk = Disk(media_dir(settings))
    try:
        probe = Probe()
    except RuntimeError as error:
        raise SettingsError(str(error)) from None
    limits = FetchLimits(
        max_bytes=settings.archive_max_bytes,
        stall_s=settings.archive_stall_seconds,
        total_s=settings.archive_timeout_seconds,
    )
    space = Space(media_dir(settings), settings.archive_min_free_bytes)
    pace = Pace(settings.archive_bytes_per_second, quiet_s)
    fetcher = Fetch(egress, limits, space, probe, pace)
    stack.push_async_callback(fetcher.close)
    # The clouds' own variables, for their own tools set them; obstore reads them too.
    environment = dict(os.environ)

    def make_objects(url: str) -> Objects:
        return Objects(url, environment, ambient=settings.archive_ambient, proxy=proxy)

    put = Put(
        egress,
        PutLimits(stall_s=settings.archive_stall_seconds, total_s=settings.archive_timeout_seconds),
    )
    places = Places(disk, put, make_objects, stores(settings))
    stack.push_async_callback(places.close)
    return Archive(disk, places, fetcher)


def keeping(settings: Settings) -> Keeping:
    """Read how files are kept."""
    return Keeping(
        seconds(settings.archive_give_up_seconds),
        settings.archive_retention_days,
        tuple(read_rule(rule) for rule in settings.archive_retention),
    )


def measure_archives(metrics: Metrics, archiving: Archiving) -> None:
    """Count what becomes of files."""
    about = "Files of videos, by what became of them."
    metrics.count("archives", about, ("place", "outcome"), archiving.outcomes.items)
    metrics.count("archived_bytes", "Bytes of videos kept.", ("place",), archiving.bytes.items)
