"""How long callbacks take while videos are fetched in the same process, against the same pace without any.

`make bench` prints the figures. Callbacks come at a steady pace far from what is possible and are timed from when they
should have come, so that a process that stands still is seen. The videos come from a process of their own.
"""

import asyncio
import io
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from uuid import UUID

import pytest
import structlog

from service.media.fetch import Fetch
from service.observe import set_up_logs
from service.store import tasks
from service.store.pool import Pool, create_pool
from tests.bench.test_callbacks import Call, new_task, receiving
from tests.support.downloading import DOWNLOADS, downloaded_by_a_child, downloading, make_fetch
from tests.support.media_server import MEGABYTE, served_by_a_child

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]
RATES = (50, 200)
"""Callbacks a second. So many downloads bring four videos a second, so already the first is a dozen callbacks each."""
SECONDS = 8
ROUNDS = 5
"""Of each kind, in turns; the median of their p99s is told, for a machine of others stands still now and then."""
VIDEO_MB = 24
LOOK_EVERY_S = 0.005
PACE_BYTES = 5_000_000
EACH_S = VIDEO_MB * MEGABYTE / PACE_BYTES
MOST_TIMES_SLOWER = 2.0
"""What p99 may be with videos against without, by what was promised."""


@dataclass
class Rounds:
    """Latencies of callbacks in ms, round by round, and what was fetched meanwhile."""

    a_second: int
    pace_bytes: int = 0
    latencies: list[list[float]] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """By how much the loop was late, in ms: with it one knows whether callbacks waited for it or for Postgres."""
    fetched: int = 0
    files: int = 0
    processor_s: float = 0.0
    took_s: float = 0.0

    def at(self, share: float) -> float:
        """Give the median over all rounds of a percentile."""
        return median(sorted(one)[int(len(one) * share)] for one in self.latencies)

    def __str__(self) -> str:
        rate = self.fetched / MEGABYTE / self.took_s
        busy = 100 * self.processor_s / self.took_s
        figures = (
            f"p50 {self.at(0.5):6.1f} ms, p90 {self.at(0.9):6.1f} ms, p99 {self.at(0.99):6.1f} ms"
        )
        late = f"loop late by p99 {sorted(self.late)[int(len(self.late) * 0.99)]:.1f} ms"
        return f"{figures}, {late}, {rate:4.0f} MiB/s, {self.files} files, {busy:.0f} % of one core"


async def measure(pool: Pool, call: Call, into: Rounds) -> None:
    """Have callbacks come at a steady pace for a while."""
    new = [new_task() for _ in range(into.a_second * SECONDS)]
    async with pool.acquire() as conn, conn.transaction():
        await tasks.insert(conn, "default", new)

    latencies: list[float] = []
    into.latencies.append(latencies)

    async def one(task_uuid: UUID, due: float) -> None:
        await call(task_uuid)
        latencies.append((time.perf_counter() - due) * 1000)

    async def watch() -> None:
        while True:
            due = time.perf_counter() + LOOK_EVERY_S
            await asyncio.sleep(LOOK_EVERY_S)
            into.late.append((time.perf_counter() - due) * 1000)

    began, used = time.perf_counter(), time.process_time()
    watching = asyncio.create_task(watch())
    async with asyncio.TaskGroup() as calls:
        for number, task in enumerate(new):
            due = began + number / into.a_second
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            calls.create_task(one(task.task_uuid, due))
    watching.cancel()
    into.took_s += time.perf_counter() - began
    into.processor_s += time.process_time() - used


async def with_videos(pool: Pool, call: Call, fetch: Fetch, folder: Path, into: Rounds) -> None:
    """Measure while this process fetches videos."""
    async with (
        served_by_a_child(VIDEO_MB, into.pace_bytes, same="a video") as url,
        downloading(fetch, url, folder, EACH_S) as done,
    ):
        await measure(pool, call, into)
        into.fetched += done.size
        into.files += done.files


async def with_videos_elsewhere(pool: Pool, call: Call, folder: Path, into: Rounds) -> None:
    """Measure while another process fetches videos."""
    async with (
        served_by_a_child(VIDEO_MB, into.pace_bytes, same="a video") as url,
        downloaded_by_a_child(url, folder, EACH_S),
    ):
        await measure(pool, call, into)


@pytest.mark.parametrize("a_second", RATES)
async def test_callbacks_while_videos_are_fetched(
    dsn: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], a_second: int
) -> None:
    cold, alone, fast, freely = (Rounds(a_second) for _ in range(4))
    beside, elsewhere = Rounds(a_second, PACE_BYTES), Rounds(a_second, PACE_BYTES)
    pool = await create_pool(dsn, size=16, statement_timeout_s=30)
    fetch = make_fetch(tmp_path, quiet_s=lambda: 0.0)  # callbacks come all the time
    unheld = make_fetch(tmp_path)
    set_up_logs("json", "info", io.StringIO())
    try:
        async with receiving(pool) as call:
            await measure(pool, call, cold)
            for _ in range(ROUNDS):
                await measure(pool, call, alone)
                await with_videos(pool, call, fetch, tmp_path, beside)
                await with_videos_elsewhere(pool, call, tmp_path, elsewhere)
                await with_videos(pool, call, fetch, tmp_path, fast)
            await with_videos(pool, call, unheld, tmp_path, freely)
    finally:
        structlog.reset_defaults()
        await fetch.close()
        await unheld.close()
        await pool.close()
    with capsys.disabled():
        print(
            f"\ncores {os.cpu_count()}, load {os.getloadavg()[0]:.1f}, {a_second} callbacks a second,"
            f" median of {ROUNDS} rounds"
        )
        print(f"alone                        {alone}")
        print(f"{DOWNLOADS} downloads of 5 MB/s each   {beside}")
        print(f"the same in another process  {elsewhere}")
        print(f"{DOWNLOADS} as fast as they may be     {fast}")
        print(f"{DOWNLOADS} that are not held back     {freely}")
        for name, found, about in (
            ("5 MB/s each", beside, f"promised: {MOST_TIMES_SLOWER:g} at most"),
            ("as fast as they may be", fast, f"promised: {MOST_TIMES_SLOWER:g} at most"),
            ("another process", elsewhere, "what this machine has no room for"),
        ):
            print(f"ratio of p99, {name:22} {found.at(0.99) / alone.at(0.99):.2f} ({about})")
