"""Downloads that go on all the time, in this process or in one of their own.

`python -m tests.support.downloading URL FOLDER SECONDS` runs until it is killed: they are the same downloads with
another interpreter, so that sharing a machine can be told from sharing a process.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from uuid import uuid4

from service.egress import Egress
from service.media.fetch import Fetch, Limits
from service.media.pace import Pace, never
from service.media.probe import Probe
from service.media.space import Space
from service.settings import Settings

DOWNLOADS = 20
TOGETHER_BYTES = Settings.model_fields["archive_bytes_per_second"].default


@dataclass
class Fetched:
    """What came so far."""

    size: int = 0
    files: int = 0


def make_fetch(folder: Path, quiet_s: Callable[[], float] = never) -> Fetch:
    """Make what serving processes fetch with, which may call loopback; `quiet_s` as in `Pace`."""
    limits = Limits(connect_s=30, stall_s=60)
    pace = Pace(TOGETHER_BYTES, quiet_s)
    return Fetch(Egress([ip_network("127.0.0.0/8")]), limits, Space(folder), Probe(), pace)


@asynccontextmanager
async def downloading(
    fetch: Fetch, url: str, folder: Path, each_s: float
) -> AsyncIterator[Fetched]:
    """Keep so many downloads going, of `each_s` seconds each; files are deleted as they come.

    They begin one after the other, so that they end evenly; the context is entered when all are under way.
    """
    done = Fetched()

    async def lane(number: int) -> None:
        await asyncio.sleep(each_s * number / DOWNLOADS)
        while True:
            file = folder / f"{number}-{uuid4()}"
            media = await fetch.fetch(f"{url}/{number}.mp4", file)
            await asyncio.to_thread(file.unlink)
            done.size += media.bytes
            done.files += 1

    async with asyncio.TaskGroup() as lanes:
        running = [lanes.create_task(lane(n)) for n in range(DOWNLOADS)]
        try:
            await asyncio.sleep(each_s)
            done.size = done.files = 0
            yield done
        finally:
            for task in running:
                task.cancel()


@asynccontextmanager
async def downloaded_by_a_child(url: str, folder: Path, each_s: float) -> AsyncIterator[None]:
    """Have a process of its own do it for a while."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.downloading", url, str(folder), str(each_s)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        assert await child.stdout.readline()
        yield
    finally:
        child.kill()
        await child.communicate()


async def main(url: str, folder: Path, each_s: float) -> None:
    """Download until killed."""
    async with downloading(make_fetch(folder), url, folder, each_s):
        sys.stdout.write("under way\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
