"""Whether anything is left open or grows while 10,000 videos are kept: handles and memory are sampled as they come.

All is real but one thing: looking into a file takes a process of a tenth of a second, so only every 50th file is
looked into, and the others are said to be like it (`Sparing`). Videos come from a process of their own.
"""

import gc
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import structlog

from service.clock import SystemDice
from service.core.media import DISK, Media, Wanted
from service.core.task import Video
from service.egress import Egress
from service.flows.archive import Archiving, Keeping
from service.flows.refresh import Refresh
from service.media.fetch import Fetch, Limits
from service.media.places.disk import Disk
from service.media.places.objects import Objects
from service.media.places.put import Put
from service.media.places.table import Places
from service.media.probe import Probe
from service.media.space import Space
from service.store import tasks
from service.store.pool import Pool
from tests.bench.test_callbacks import new_task
from tests.support.file_watcher import is_whole, visible
from tests.support.house import PUBLIC_URL, WORKER, House, make_house
from tests.support.media_server import served_by_a_child
from tests.support.tasks import callback

STATUS, HANDLES = Path("/proc/self/status"), Path("/proc/self/fd")
pytestmark = [
    pytest.mark.bench,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not STATUS.exists(), reason="only Linux has /proc"),
]
VIDEOS = 10_000
SAMPLE_EVERY = 1000
RESULTS = 4
AT_ONCE = 8
LOOK_EVERY = 50
MORE_MIB = 20
"""How much more memory may be taken after all of them than after the first 2,000, when all caches are full."""


class Sparing(Probe):
    """Looks into every 50th file, and says of the others that they are like it."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0
        self._last: Media | None = None

    async def look(
        self,
        path: Path,
        *,
        sha256: str,
        size: int,
        claimed: str | None = None,
        length_known: bool = True,
    ) -> Media:
        """Look, or say what was seen last, with this file's own hash and size."""
        self._asked += 1
        if self._last is None or self._asked % LOOK_EVERY == 0:
            self._last = await super().look(
                path, sha256=sha256, size=size, claimed=claimed, length_known=length_known
            )
        return replace(self._last, sha256=sha256, bytes=size)


@dataclass(frozen=True, slots=True)
class Sample:
    """What this process held after so many videos; memory in MiB."""

    videos: int
    handles: int
    memory: float


def sample(videos: int) -> Sample:
    """Count handles and memory of this process."""
    gc.collect()
    kib = next(int(t.split()[1]) for t in STATUS.read_text().splitlines() if t.startswith("VmRSS"))
    return Sample(videos, len(list(HANDLES.iterdir())), kib / 1024)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Log nothing: what pytest keeps of 10,000 lines is memory too."""
    before = structlog.get_config()["processors"]
    structlog.configure(processors=[_drop])
    yield
    structlog.configure(processors=before)


def _drop(*_: object) -> str:
    raise structlog.DropEvent


@asynccontextmanager
async def archiving(house: House, folder: Path) -> AsyncIterator[Archiving]:
    """Put together what keeps videos, as serving processes do."""
    egress = Egress([ip_network("127.0.0.0/8")])
    disk = Disk(folder)
    fetch = Fetch(egress, Limits(), Space(folder), Sparing())
    put = Put(egress)
    places = Places(disk, put, lambda url: Objects(url, {}))
    yield Archiving(
        house.pool,
        house.apply,
        SystemDice(),
        house.wake,
        Refresh(house.pool, house.upstreams, house.accounts),
        fetch,
        places,
        disk.temp,
        Keeping(timedelta(hours=1)),
        worker=WORKER,
        lease_s=60.0,
        public_url=PUBLIC_URL,
    )
    await places.close()
    await fetch.close()


async def come(house: House, media: str, many: int) -> None:
    """Have so many videos come, in tasks of four, that are to be kept."""
    wanted = Wanted(DISK).write()
    new = [
        replace(new_task(), results_expected=RESULTS, archive=wanted)
        for _ in range(many // RESULTS)
    ]
    async with house.pool.acquire() as conn, conn.transaction():
        await tasks.insert(conn, "default", new)
    for task in new:
        await house.tell(task.task_uuid, callback(*_videos(task.task_uuid, media)))


def _videos(task_uuid: UUID, media: str) -> list[Video]:
    return [Video(str(uuid4()), f"{media}/{task_uuid}-{n}.mp4") for n in range(RESULTS)]


async def keep_all(work: Archiving) -> None:
    """Keep what there is to keep."""
    while claimed := await work.claim(AT_ONCE):
        async with TaskGroup() as group:
            for one in claimed:
                group.create_task(work.work(one))


async def test_ten_thousand_videos_leave_nothing_open_and_no_memory_taken(
    pool: Pool, tmp_path: Path, quiet: None, capsys: pytest.CaptureFixture[str]
) -> None:
    house, samples = make_house(pool), []
    async with served_by_a_child(0) as media, archiving(house, tmp_path) as work:
        for videos in range(SAMPLE_EVERY, VIDEOS + 1, SAMPLE_EVERY):
            await come(house, media, SAMPLE_EVERY)
            await keep_all(work)
            samples.append(sample(videos))
        kept = await pool.fetchval("SELECT count(*) FROM callboard.archives WHERE state = 'kept'")
    with capsys.disabled():
        print()
        for found in samples:
            print(f"{found.videos:6} videos: {found.handles} handles, {found.memory:.1f} MiB")
    assert kept == VIDEOS
    files = visible(tmp_path)
    assert len(files) == VIDEOS
    assert all(is_whole(file) for file in files[::100])
    assert not list((tmp_path / ".tmp").iterdir())
    assert samples[-1].handles == samples[0].handles
    assert samples[-1].memory - samples[1].memory < MORE_MIB
