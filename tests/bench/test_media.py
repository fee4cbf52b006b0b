"""How fast a video is fetched, checked and looked into, against a plain aiohttp download to the same disk.

`make bench` prints the figures: both in turns in the same run, the median of five. A process of its own serves the
file. The plain download hashes nothing, looks into nothing and leaves syncing to the system; once more with a sync at
its end, which every download that is to last needs.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median

import aiohttp
import pytest

from service.egress import Egress
from service.media.fetch import Fetch, Limits
from service.media.probe import Probe
from service.media.space import Space
from tests.support.fetching import LOOPBACK

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
MEBIBYTES = 256
TURNS = 5
CHUNK_BYTES = 2**20
Download = Callable[[str, Path], Awaitable[None]]


@pytest.fixture
def video() -> Iterator[str]:
    """Serve the file from a process of its own."""
    command = (sys.executable, "-m", "tests.support.files_process", str(MEBIBYTES))
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/video.mp4"
        process.stdin.close()


async def test_megabytes_a_second(
    video: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fetch = Fetch(Egress(LOOPBACK), Limits(), Space(tmp_path), Probe())
    async with aiohttp.ClientSession() as session:

        async def plain(url: str, into: Path) -> None:
            await _plain(session, url, into, sync=False)

        async def synced(url: str, into: Path) -> None:
            await _plain(session, url, into, sync=True)

        async def ours(url: str, into: Path) -> None:
            assert (await fetch.fetch(url, into)).bytes == MEBIBYTES * 2**20

        ways: dict[str, Download] = {"plain": plain, "synced": synced, "ours": ours}
        rates: dict[str, list[float]] = {name: [] for name in ways}
        lags: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(TURNS):
            for name, download in ways.items():
                rate, lag = await _measure(download, video, tmp_path / "video.part")
                rates[name].append(rate)
                lags[name].append(lag)
    await fetch.close()
    found = {name: median(values) for name, values in rates.items()}
    with capsys.disabled():
        print(f"\n{MEBIBYTES} MiB from loopback, median of {TURNS}; the loop's longest stop")
        for name in ways:
            print(f"{name:8} {found[name]:6.0f} MB/s  {median(lags[name]) * 1000:5.1f} ms")
        print(
            f"ratio to plain {found['ours'] / found['plain']:.2f},"
            f" to plain and synced {found['ours'] / found['synced']:.2f}"
        )


async def _measure(download: Download, url: str, into: Path) -> tuple[float, float]:
    """Give MB/s, and the longest time in seconds that the loop did nothing else."""
    longest = 0.0
    done = asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not done.is_set():
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            longest = max(longest, time.perf_counter() - before - 0.001)

    watching = asyncio.ensure_future(watch())
    began = time.perf_counter()
    await download(url, into)
    seconds = time.perf_counter() - began
    done.set()
    await watching
    await asyncio.to_thread(into.unlink)
    return MEBIBYTES * 2**20 / 1e6 / seconds, longest


async def _plain(session: aiohttp.ClientSession, url: str, into: Path, *, sync: bool) -> None:
    async with session.get(url) as answer:
        with into.open("wb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                file.write(chunk)
            if sync:
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
