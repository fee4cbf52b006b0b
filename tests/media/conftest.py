"""A fetcher on a folder of its own, and what it must leave behind: nothing."""

import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from service.media.fetch import Fetch
from service.simulator.app import Simulator
from service.simulator.files import result_path
from tests.support.fetching import make_fetch

Link = Callable[..., str]


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """No handle and no thread outlives a test."""
    yield
    assert not [name for name in _handles() if name.endswith(".part")]
    for thread in threading.enumerate():
        if thread.name.startswith("fetch"):
            thread.join(5)
            assert not thread.is_alive()


def _handles() -> set[str]:
    folder = Path("/proc/self/fd")
    if not folder.exists():
        return set()
    found = set()
    for entry in folder.iterdir():
        try:
            found.add(os.readlink(entry))  # noqa: PTH115 - a pipe's name is no path
        except OSError:
            continue
    return found


@pytest.fixture
def into(tmp_path: Path) -> Path:
    return tmp_path / "video.part"


@pytest.fixture
async def fetch(tmp_path: Path) -> AsyncIterator[Fetch]:
    made = make_fetch(tmp_path)
    yield made
    await made.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    """Name a result file of the simulator with these faults."""
    simulator = Simulator()
    base = await simulator.start()

    def make(*faults: str, **more: object) -> str:
        return base + result_path(str(uuid4()), faults=faults, **more)  # type: ignore[arg-type]

    yield make
    await simulator.stop()
