"""Chaos: processes killed and frozen, Postgres stopped in every way, upstreams and receiver unreliable.

`make chaos` runs it for ten minutes (CALLBOARD_CHAOS_SECONDS); in `make test` it takes a minute, with one, two or
four processes by turns. A run follows from its seed, which is printed: CALLBOARD_CHAOS_SEED repeats it, and
CALLBOARD_CHAOS_PROCESSES chooses how many processes there are. When something is wrong, the logs are kept.
"""

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import SystemRandom
from tempfile import gettempdir

import aiohttp
import pytest

from tests.chaos.client import Caller, Receiver, introduce, receiving
from tests.chaos.judge import Verdict, judge, still_open
from tests.chaos.schedule import Run, draw
from tests.chaos.world import World
from tests.support.embedded import open_home

SHORT_S = 16.0
QUIET_S = 75.0
"""How long after the last fault everything has to be at its end: deadline, grace and the watch over a slot."""
RESTLESS_S = 5.0
"""How much longer the receiver is unreliable: most of what is delivered comes after the last blow."""
FOREIGN, FOREIGN_LONG = 300, 5000


def given_seed() -> int:
    """Take the seed of the run that is to be repeated, or draw one."""
    return int(os.environ.get("CALLBOARD_CHAOS_SEED") or SystemRandom().randrange(10**6))


def given_processes(seed: int) -> int:
    """Say how many processes there are: by turns, unless it was chosen."""
    return int(os.environ.get("CALLBOARD_CHAOS_PROCESSES") or (1, 2, 4)[seed % 3])


async def test_a_minute_of_chaos_breaks_no_promise() -> None:
    seed = given_seed()
    run = draw(seed, SHORT_S, given_processes(seed), forgetful=seed % 5 == 0, foreign=FOREIGN)
    await survive(run)


@pytest.mark.chaos
@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("forgetful", [False, True], ids=["remembers", "forgets"])
async def test_ten_minutes_of_chaos_break_no_promise(processes: int, forgetful: bool) -> None:
    whole = float(os.environ.get("CALLBOARD_CHAOS_SECONDS", "600"))
    # Six runs, each with a start and a quiet end of about 25 s.
    seconds = max(whole / 6 - 25, 10)
    await survive(draw(given_seed(), seconds, processes, forgetful=forgetful, foreign=FOREIGN_LONG))


async def survive(run: Run) -> None:
    """Go through a run, and hold the end against the promise."""
    print(f"\nchaos: seed {run.seed}, {run.processes} processes, {run.seconds:.0f} s", flush=True)
    with open_home() as home:
        try:
            verdict = await go_through(run, home)
        except BaseException:
            keep_logs(home, run)
            raise
        show(run, verdict)
        if verdict.violations:
            keep_logs(home, run)
    assert not verdict.violations, verdict.violations[:10]


async def go_through(run: Run, home: Path) -> Verdict:
    """Run the world, strike it, let it calm down, judge it."""
    world = World(run, home)
    try:
        await world.start()
        async with receiving(run.seed) as receiver, tended(world):
            await answering(world.front.url)
            await introduce(receiver, world.front.url)
            caller = Caller(world.front.url, run.seed)
            async with submitting(caller, run, f"{receiver.url}/notified"):
                began = time.monotonic()
                for blow in run.blows():
                    await asyncio.sleep(max(began + blow.at - time.monotonic(), 0))
                    world.strike(blow)
                await asyncio.sleep(max(began + run.seconds - time.monotonic(), 0))
                await world.calm_down()
            calmed = time.monotonic()
            await quiet(world, receiver)
            verdict = await judge(world, caller, receiver)
            verdict.figures["quiet after (s)"] = round(time.monotonic() - calmed, 1)
            verdict.figures["blows"] = dict(world.struck)
            verdict.figures["fault points"] = dict(world.points_struck())
            verdict.figures["lives of processes"] = [s.lives for s in world.services]
            return verdict
    finally:
        await world.stop()


@asynccontextmanager
async def tended(world: World) -> AsyncIterator[None]:
    """Have somebody start again what dies."""
    async with asyncio.TaskGroup() as group:
        tending = group.create_task(world.tend())
        try:
            yield
        finally:
            tending.cancel()


@asynccontextmanager
async def submitting(caller: Caller, run: Run, notify: str) -> AsyncIterator[None]:
    """Have somebody submit meanwhile; at the end, all that was begun is answered."""
    async with asyncio.TaskGroup() as group:
        going = group.create_task(caller.go_on(run.submits_per_second, notify))
        yield
        going.cancel()


async def answering(url: str) -> None:
    """Wait until a process is ready."""
    async with asyncio.timeout(60), aiohttp.ClientSession() as session:
        while True:
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.get(f"{url}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.1)


async def quiet(world: World, receiver: Receiver) -> None:
    """Wait until all is at its end; what is not then is a violation that the judge names."""
    until = time.monotonic() + QUIET_S
    calm_at = time.monotonic() + RESTLESS_S
    left: dict[str, int] = {"unknown": 1}
    while left and time.monotonic() < until:
        with suppress(OSError, TimeoutError):
            left = await still_open(world.database.dsn)
        receiver.calm = time.monotonic() >= calm_at
        await asyncio.sleep(0.3)
    if left:
        print(f"chaos: not quiet after {QUIET_S:.0f} s: {left}", flush=True)


def show(run: Run, verdict: Verdict) -> None:
    """Print what happened, for people."""
    for name, value in verdict.figures.items():
        shown = _sorted(value) if isinstance(value, dict) else value
        print(f"  {name:26} {shown}")
    print(f"  {'violations':26} {len(verdict.violations)}")
    for violation in verdict.violations[:20]:
        print(f"    {violation}")
    print(f"  again: CALLBOARD_CHAOS_SEED={run.seed} CALLBOARD_CHAOS_PROCESSES={run.processes}")


def _sorted(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in Counter(counts).most_common())


def keep_logs(home: Path, run: Run) -> None:
    """Keep what is needed to understand a failure."""
    folder = (
        Path(os.environ.get("CALLBOARD_CHAOS_LOGS", gettempdir())) / f"callboard-chaos-{run.seed}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    for log in (*home.glob("*.log"), *home.glob("*.jsonl")):
        shutil.copy(log, folder)
    print(f"chaos: logs are in {folder}", flush=True)
