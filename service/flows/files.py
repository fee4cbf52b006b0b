"""A side door: kept videos, for those with a key and for those with a link."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from uuid import UUID

import structlog

from service.core.errors import (
    Conflict,
    KeptElsewhere,
    LinkExpired,
    LinkInvalid,
    NotKept,
    NotKeptYet,
    NoVideo,
    Unavailable,
    VideoDeleted,
)
from service.core.fault import Fault, FaultKind
from service.core.link import Link, is_good, sign
from service.core.media import ENDINGS, PUT, Archive, ArchiveState, Media
from service.core.states import ResultState
from service.core.task import Task
from service.flows.wake import Topic, Wake
from service.ports import Place, PlaceError
from service.store import archives, tasks, upkeep
from service.store.pool import Pool, Record, connection

log = structlog.get_logger()

GONE = "gone"
"""What a place says of a file that is not there."""
SHORT = Fault("short", "The file ends before its end.", FaultKind.PERMANENT)


class Places(Protocol):
    """Finds the place of a location (`service.media.places`)."""

    def at(self, location: str) -> Place:
        """Give the place that holds what is there; raises PlaceError where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that is kept, to be read."""

    task_uuid: UUID
    index: int
    media: Media
    location: str
    kept_at: datetime
    place: Place

    @property
    def name(self) -> str:
        """How people's browsers call it."""
        return f"{self.task_uuid}-{self.index}.{ENDINGS.get(self.media.content_type, 'bin')}"

    @asynccontextmanager
    async def opened(self, start: int, length: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """Read a part of it, in parts; the place is left when the block is, whatever happens in it.

        The first part is had on entering, so that trouble is told before an answer has begun: raises Unavailable, or
        VideoDeleted when it is not there. Raises PlaceError for trouble later on.
        """
        parts = self.place.read(self.location, start, length)
        try:
            try:
                first = await anext(parts, b"")
            except PlaceError as error:
                raise _refusal(error.fault, self) from error
            if not first:
                raise _refusal(SHORT, self)
            yield _whole(first, parts, length)
        finally:
            if isinstance(parts, AsyncGenerator):
                await parts.aclose()


@dataclass(frozen=True, slots=True)
class Signed:
    """What a link says of itself. `expires` is a Unix time."""

    expires: int
    signature: str


@dataclass(frozen=True, slots=True)
class Made:
    """A link that was made."""

    url: str
    expires_at: datetime


class Files:
    """Finds kept files, and makes links to them. `public_url` is where people reach this service."""

    def __init__(
        self,
        pool: Pool,
        wake: Wake,
        places: Places,
        keys: Sequence[bytes],
        *,
        public_url: str,
        link_s: int,
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._places = places
        self._keys = keys
        self._public_url = public_url
        self._link_s = link_s

    async def of(self, tenant: str, task_uuid: UUID, index: int) -> Kept:
        """Find the file of a result.

        Raises NoVideo, NotKept, NotKeptYet, KeptElsewhere, VideoDeleted, Unavailable.
        """
        task, row, _ = await self._load(task_uuid, index)
        if task is None or task.tenant != tenant:
            raise NoVideo
        return self._kept(task, index, row)

    async def linked(self, task_uuid: UUID, index: int, signed: Signed) -> tuple[Kept, float]:
        """Find the file that a link leads to, and say for how many seconds it still does.

        Raises LinkInvalid, of whatever task, before anything is told of it; LinkExpired; and what `of` raises.
        """
        task, row, now = await self._load(task_uuid, index)
        archive = _archive(task, index)
        if task is None or archive is None or archive.media is None:
            raise LinkInvalid
        path = video_path(task_uuid, index)
        link = Link(path, task.tenant, archive.media.sha256, signed.expires)
        if not is_good(self._keys, link, signed.signature):
            raise LinkInvalid
        left_s = signed.expires - now.timestamp()
        if left_s <= 0:
            raise LinkExpired
        return self._kept(task, index, row), left_s

    async def link(
        self, tenant: str, task_uuid: UUID, index: int, seconds: int | None, *, download: bool
    ) -> Made:
        """Make a link to a file that is kept; raises what `of` raises."""
        task, row, now = await self._load(task_uuid, index)
        if task is None or task.tenant != tenant:
            raise NoVideo
        kept = self._kept(task, index, row)
        until = now + timedelta(seconds=self._link_s if seconds is None else seconds)
        path, expires = video_path(task_uuid, index), int(until.timestamp())
        signature = sign(self._keys, Link(path, tenant, kept.media.sha256, expires))
        saved = "&download=1" if download else ""
        url = f"{self._public_url}{path}?expires={expires}&signature={signature}{saved}"
        return Made(url, datetime.fromtimestamp(expires, UTC))

    async def again(self, tenant: str, task_uuid: UUID, index: int) -> None:
        """Have a video fetched again that could not be kept; its time counts anew.

        Raises NoVideo, and Conflict where that is not its state.
        """
        async with connection(self._pool) as conn:
            begun = await archives.again(conn, tenant, task_uuid, index)
            found = None if begun else (await tasks.get(conn, [task_uuid])).get(task_uuid)
        if begun:
            self._wake.ring([Topic.ARCHIVE])
            return
        archive = None if found is None or found.tenant != tenant else _archive(found, index)
        if archive is None:
            raise NoVideo
        state = ArchiveState.PENDING if archive.state is ArchiveState.FAILED else archive.state
        raise Conflict(f"The file is {state.value}; only what could not be kept is fetched again.")

    async def _load(
        self, task_uuid: UUID, index: int
    ) -> tuple[Task | None, Record | None, datetime]:
        async with connection(self._pool) as conn:
            task = (await tasks.get(conn, [task_uuid])).get(task_uuid)
            row = await archives.get_archive(conn, task_uuid, index)
            return task, row, await upkeep.clock(conn)

    def _kept(self, task: Task, index: int, row: Record | None) -> Kept:
        archive = _archive(task, index)
        if archive is None:
            result = next((r for r in task.results if r.index == index), None)
            comes = result is not None and result.state is ResultState.PENDING
            raise NotKeptYet if task.archives and comes and not task.final else NoVideo
        match archive.state:
            case ArchiveState.PENDING:
                raise NotKeptYet
            case ArchiveState.FAILED:
                why = "" if archive.error is None else f": {archive.error.message}"
                raise NotKept(f"The video could not be kept{why or '.'}")
            case ArchiveState.DELETED:
                raise VideoDeleted
            case ArchiveState.KEPT:
                return self._found(task, index, archive, row)

    def _found(self, task: Task, index: int, archive: Archive, row: Record | None) -> Kept:
        if row is not None and row["place"] == PUT:
            where = archive.url or row["location"]
            raise KeptElsewhere(f"The video was put to {where}, and is not read from there.")
        if row is None or row["state"] != ArchiveState.KEPT.value or archive.media is None:
            # Its row goes before its result says so.
            raise VideoDeleted
        try:
            place = self._places.at(row["location"])
        except PlaceError as error:
            raise Unavailable(f"The video cannot be read now: {error.fault.message}") from error
        return Kept(task.task_uuid, index, archive.media, row["location"], row["kept_at"], place)


def video_path(task_uuid: UUID, index: int) -> str:
    """Say where the file of a result is asked for."""
    return f"/v1/tasks/{task_uuid}/results/{index}/video"


def _archive(task: Task | None, index: int) -> Archive | None:
    results = () if task is None else task.results
    return next((r.archive for r in results if r.index == index), None)


async def _whole(first: bytes, parts: AsyncIterator[bytes], length: int) -> AsyncIterator[bytes]:
    """Give the parts, and no byte more or less than there should be; raises PlaceError."""
    left, part = length, first
    while part:
        left -= len(part)
        if left < 0:
            break
        yield part
        part = await anext(parts, b"") if left else b""
    if left:
        raise PlaceError(SHORT)


def _refusal(fault: Fault, kept: Kept) -> VideoDeleted | Unavailable:
    if fault.code != GONE:
        return Unavailable(f"The video cannot be read now: {fault.message}")
    log.warning("video.missing", task_id=str(kept.task_uuid), index=kept.index)
    return VideoDeleted("The video is no longer where it was kept.")
