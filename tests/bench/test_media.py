"""How fast a video is fetched, checked and looked into, against a plain aiohttp download to the same disk.

`make bench` prints the figures: all ways in turns in the same run, the median of fifteen. A process of its own serves
the file. `cached` is a plain download that syncs nothing: it leaves the file in memory, and the disk has not seen a
byte of it when its time is taken. `plain` is the same, synced at its end, so that it is on the disk as ours is.
`checked` is that, hashed as it comes, all in the loop; `ours` is all of `Fetch`, and `looking` what it takes to look
into the file, which costs the same for a file of any size.
"""

import asyncio
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import pytest

from service.core.media import Media
from service.egress import Egress
from service.media.fetch import Fetch, Limits
from service.media.probe import Probe
from service.media.space import Space
from tests.support.fetching import LOOPBACK

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
MEBIBYTES = 256
TURNS = 15
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
    probe = TimedProbe()
    fetch = Fetch(Egress(LOOPBACK), Limits(), Space(tmp_path), probe)
    async with aiohttp.ClientSession() as session:

        async def cached(url: str, into: Path) -> None:
            await _plain(session, url, into, synced=False)

        async def plain(url: str, into: Path) -> None:
            await _plain(session, url, into)

        async def checked(url: str, into: Path) -> None:
            await _plain(session, url, into, hashed=True)

        async def ours(url: str, into: Path) -> None:
            assert (await fetch.fetch(url, into)).bytes == MEBIBYTES * 2**20

        ways: dict[str, Download] = {
            "cached": cached,
            "plain": plain,
            "checked": checked,
            "ours": ours,
        }
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
        size = MEBIBYTES * 2**20 / 1e6
        alone = size / (size / found["ours"] - median(probe.took))
        print(f"looking  {median(probe.took) * 1000:6.0f} ms; ours without it {alone:.0f} MB/s")
        print(
            f"ratio to plain {found['ours'] / found['plain']:.2f}"
            f" (without looking {alone / found['plain']:.2f}; promised: 0.8),"
            f" to cached {found['ours'] / found['cached']:.2f},"
            f" to checked {found['ours'] / found['checked']:.2f}"
        )


class TimedProbe(Probe):
    """Notes how long each look took, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.took: list[float] = []

    async def look(self, path: Path, **given: Any) -> Media:
        began = time.perf_counter()
        media = await super().look(path, **given)
        self.took.append(time.perf_counter() - began)
        return media


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


async def _plain(
    session: aiohttp.ClientSession,
    url: str,
    into: Path,
    *,
    synced: bool = True,
    hashed: bool = False,
) -> None:
    found = hashlib.sha256()
    async with session.get(url) as answer:
        with into.open("wb") as file:
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                file.write(chunk)
                if hashed:
                    found.update(chunk)
            if synced:
                file.flush()
                os.fsync(file.fileno())
