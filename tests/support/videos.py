"""Kept videos: a place over a folder, and results whose files are in it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from service.core.fault import Fault, FaultKind
from service.core.inputs import Archived
from service.core.media import Archive, ArchiveState, Media, name
from service.flows.files import video_path
from service.ports import PlaceError
from service.store.pool import Pool
from tests.support.flows import TENANT
from tests.support.tasks import callback, video
from tests.support.web import Api

PART_BYTES = 512 * 1024
KEPT_AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)
GONE = Fault("gone", "The file is not there any more.", FaultKind.PERMANENT)


class Folder:
    """Files below a folder, in place of `service.media.places`: the place, and the table of places.

    `trouble` is asked before every part, with how many were given before; parts from the second on wait for `go_on`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.open = 0
        self.given_bytes = 0
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.trouble: Callable[[int], Fault | None] = lambda _: None

    def at(self, location: str) -> "Folder":
        return self

    async def keep(self, file: Path, name: str, media: Media) -> str:
        raise NotImplementedError("tests write files themselves")

    async def delete_folder(self, folder: str) -> None:
        raise NotImplementedError("tests delete files themselves")

    async def read(self, location: str, start: int, length: int) -> AsyncIterator[bytes]:
        try:
            file = (self.root / location).open("rb")
        except FileNotFoundError:
            raise PlaceError(GONE) from None
        self.open += 1
        try:
            file.seek(start)
            given = 0
            while length and (part := file.read(min(length, PART_BYTES))):
                if fault := self.trouble(given):
                    raise PlaceError(fault)
                if given:
                    await self.go_on.wait()
                self.given_bytes += len(part)
                yield part
                length, given = length - len(part), given + 1
        finally:
            file.close()
            self.open -= 1

    async def delete(self, location: str) -> None:
        (self.root / location).unlink(missing_ok=True)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that is kept."""

    task_uuid: UUID
    index: int
    content: bytes
    sha256: str
    location: str

    @property
    def path(self) -> str:
        return video_path(self.task_uuid, self.index)


def media_of(content: bytes) -> Media:
    """Say of bytes what a probe would."""
    return Media(hashlib.sha256(content).hexdigest(), len(content), "video/mp4", "MPEG-4", 1.5)


async def came(
    api: Api, *, results: int = 1, to: str | list[str] = "disk", url: str | None = None
) -> UUID:
    """Have a task done whose videos are to be kept, and are not yet; `url` is where the upstream has them."""
    request = {"model": "klingai:5@3", "numberResults": results}
    task_uuid = await api.made(request=request, archive=to, priority=100)
    await api.house.send_queued()
    videos = [video(n + 1) for n in range(results)]
    await api.house.tell(task_uuid, callback(*(replace(v, url=url) if url else v for v in videos)))
    return task_uuid


async def keep(
    pool: Pool, api: Api, folder: Folder, task_uuid: UUID, index: int, content: bytes
) -> Stored:
    """Have the file of a result kept."""
    media = media_of(content)
    location = name(TENANT, task_uuid, index, media)
    path = folder.root / location
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    await row(pool, task_uuid, index, "kept", location)
    url = f"{api.base}{video_path(task_uuid, index)}"
    await tell(api, task_uuid, index, Archive(ArchiveState.KEPT, media, url))
    return Stored(task_uuid, index, content, media.sha256, location)


async def kept(
    pool: Pool, api: Api, folder: Folder, content: bytes, url: str | None = None
) -> Stored:
    """Have a task done whose one video is kept."""
    return await keep(pool, api, folder, await came(api, url=url), 0, content)


async def tell(api: Api, task_uuid: UUID, index: int, archive: Archive) -> None:
    """Say what became of a file."""
    await api.house.tell(task_uuid, Archived(index, archive))


async def row(pool: Pool, task_uuid: UUID, index: int, state: str, location: str | None) -> None:
    """Write what the worker would of its work."""
    done = await pool.execute(
        "UPDATE callboard.archives SET state = $3::text, location = $4, kept_at = $5::timestamptz,"
        " next_at = CASE WHEN $3::text = 'deleting' THEN $5::timestamptz END WHERE task_uuid = $1 AND index = $2",
        *(task_uuid, index, state, location, KEPT_AT),
    )
    assert done == "UPDATE 1"


async def given_away(pool: Pool, task_uuid: UUID) -> None:
    """Make a task another tenant's."""
    await pool.execute(
        "INSERT INTO callboard.tenants (tenant) VALUES ('stranger') ON CONFLICT DO NOTHING"
    )
    await pool.execute(
        "UPDATE callboard.tasks SET tenant = 'stranger' WHERE task_uuid = $1", task_uuid
    )
