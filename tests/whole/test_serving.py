"""`callboard serve` as people run it: several processes on a port, and ends of all kinds."""

import asyncio
import time
from pathlib import Path

import aiohttp

from tests.support.embedded import open_home, servers_on
from tests.support.processes import House, house

HERE = "service serve"


async def loops(running: House) -> set[str]:
    """Ask one of the processes which loops it runs."""
    # A connection of its own each time, so that the kernel chooses anew who answers.
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.get(f"{running.url}/readyz") as answer,
    ):
        said = await answer.json()
    return set(said["checks"]["loops"])


async def both_seen(running: House) -> bool:
    """Whether a process with all roles and one with the API's alone answer."""
    seen = [await loops(running) for _ in range(20)]
    return any("submit" in s for s in seen) and any("submit" not in s for s in seen)


async def test_processes_share_a_port_and_end_together() -> None:
    with open_home() as home:
        with house(home, {}, CALLBOARD_WORKERS="2") as running:
            await running.ready()
            await _until_async(running)
        assert not still_serving(home)


async def test_other_processes_end_when_the_first_is_killed() -> None:
    with open_home() as home, house(home, {}, CALLBOARD_WORKERS="2") as running:
        await running.ready()
        await _until_async(running)
        running.service.kill()
        until = time.monotonic() + 10
        while still_serving(home):
            assert time.monotonic() < until, "a process is left over"
            await asyncio.sleep(0.05)


def still_serving(home: Path) -> list[int]:
    """Find processes of this service, by their data folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (entry / "environ").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if HERE in command and str(home) in environment:
            found.append(int(entry.name))
    return found + servers_on(home / "data")


async def _until_async(running: House) -> None:
    until = time.monotonic() + 15
    while not await both_seen(running):
        assert time.monotonic() < until, running.service.tail()
