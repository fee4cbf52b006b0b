"""Keeping videos in tests: a fetcher that says what the test wants, and a house that keeps on a real disk."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from service.core.fault import Fault, FaultKind
from service.core.media import Media, Wanted
from service.egress import Egress
from service.flows.archive import Archiving, Keeping
from service.flows.refresh import Refresh
from service.media.places.disk import Disk
from service.media.places.objects import Objects
from service.media.places.put import Put
from service.media.places.table import Places
from service.ports import FetchError, PlaceError
from tests.support.fakes import said
from tests.support.flows import accepted, call_back, submission
from tests.support.house import PUBLIC_URL, WORKER, House

KEEPING = Keeping(give_up=timedelta(hours=1))
CONTENT = b"a video, as far as anybody here knows"
EXPIRED = FetchError(Fault("http_403", "It answered 403.", FaultKind.TRANSIENT), expired=True)
AWAY = FetchError(Fault("connect", "It cannot be reached.", FaultKind.TRANSIENT))
NO_VIDEO = FetchError(Fault("not_a_video", "It is a page.", FaultKind.PERMANENT))
FULL = FetchError(Fault("disk_full", "The disk is full.", FaultKind.TRANSIENT))
Hook = Callable[[], Awaitable[None]]


class FakeFetcher:
    """Fetches what the test says; `failures` are taken from the front, then by URL from `broken`."""

    def __init__(self) -> None:
        self.failures: list[FetchError] = []
        self.broken: dict[str, FetchError] = {}
        self.fetched: list[str] = []
        self.meanwhile: Hook | None = None

    async def fetch(self, url: str, into: Path) -> Media:
        """Write a file, or fail with half of it written."""
        self.fetched.append(url)
        failure = self.failures.pop(0) if self.failures else self.broken.get(url)
        await asyncio.to_thread(into.write_bytes, CONTENT if failure is None else CONTENT[:5])
        if self.meanwhile is not None:
            hook, self.meanwhile = self.meanwhile, None
            await hook()
        if failure is not None:
            raise failure
        return Media(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "video/mp4", width=32)


@dataclass(frozen=True, slots=True)
class Keep:
    """A house that keeps videos below a folder."""

    house: House
    archiving: Archiving
    fetcher: FakeFetcher
    places: Places
    root: Path

    async def run(self, limit: int = 100) -> int:
        """Claim what is due, and do all of it."""
        claimed = await self.archiving.claim(limit)
        for one in claimed:
            await self.archiving.work(one)
        return len(claimed)

    def files(self) -> list[str]:
        """Name the files that anybody can see, and those under way."""
        return sorted(str(p.relative_to(self.root)) for p in self.root.rglob("*") if p.is_file())

    def another(self, lease_s: float = 60.0, worker: UUID = WORKER) -> Archiving:
        """Make what another process would keep videos with."""
        return archiving_of(
            self.house, self.fetcher, self.places, self.root, lease_s=lease_s, worker=worker
        )

    def visible(self) -> list[str]:
        """Name the files that anybody can see."""
        return [name for name in self.files() if not name.startswith(".tmp")]

    async def row(self, task_uuid: UUID, index: int = 0) -> Any:
        """Load the row of a file, if there is one."""
        return await self.house.pool.fetchrow(
            "SELECT * FROM callboard.archives WHERE task_uuid = $1 AND index = $2", task_uuid, index
        )

    async def task(self, *, results: int = 1, **archive: object) -> UUID:
        """Have a task taken by the upstream whose videos are kept; `archive` is of `core.media.Wanted`."""
        wanted = Wanted(**{"to": "disk", **archive})  # type: ignore[arg-type]
        given = replace(submission(numberResults=results), archive=wanted)
        (task_uuid,) = await accepted(self.house, given)
        await self.house.send_queued()
        return task_uuid

    async def done(self, task_uuid: UUID, *numbers: int) -> None:
        """Have videos of a task come."""
        await call_back(self.house, *((task_uuid, said(f"v-{n}")) for n in numbers or (1,)))


def no_store(url: str) -> Objects:
    """Make no client: nothing is lent."""
    raise PlaceError(Fault("not_configured", f"No key for {url}.", FaultKind.TRANSIENT))


def archiving_of(
    house: House,
    fetcher: FakeFetcher,
    places: Places,
    root: Path,
    *,
    keeping: Keeping = KEEPING,
    lease_s: float = 60.0,
    worker: UUID = WORKER,
) -> Archiving:
    """Put together what keeps videos."""
    return Archiving(
        house.pool,
        house.apply,
        house.dice,
        house.wake,
        Refresh(house.pool, house.upstreams, house.accounts),
        fetcher,
        places,
        Disk(root).temp,
        keeping,
        worker=worker,
        lease_s=lease_s,
        public_url=PUBLIC_URL,
    )


def make_keep(house: House, root: Path, **how: Any) -> Keep:
    """Put a house together that keeps videos below `root`."""
    fetcher = FakeFetcher()
    places = Places(Disk(root), Put(Egress()), no_store)
    return Keep(house, archiving_of(house, fetcher, places, root, **how), fetcher, places, root)
