"""Disks that run full or refuse, and downloads that are given up: nothing stays behind, and nobody writes any more."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.core.fault import FaultKind
from service.media.fetch import Fetch
from service.media.space import Space
from service.simulator.media import free, make_video
from tests.support.fetching import make_fetch, refused, size_of
from tests.support.scripted_server import always, head, raw_server

MIB = 2**20
VIDEO = make_video("disk") + free(8 * MIB) + bytes(8 * MIB - 16)
TRANSIENT = FaultKind.TRANSIENT
FULL = ("disk_full", TRANSIENT, False)
GOOD = always(head("200 OK", Content_Length=len(VIDEO)), VIDEO)
UNTOLD = always(head("200 OK"), VIDEO)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place))
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk, where the machine lets it")
    yield place
    subprocess.run(("umount", str(place)), check=True)


async def test_a_disk_that_runs_full_gets_its_room_back(small_disk: Path) -> None:
    # The disk that is watched has room; the one that is written to runs full on the way.
    fetch = make_fetch(small_disk, space=Space(Path("/")))
    into = small_disk / "video.part"
    for script in (GOOD, UNTOLD):
        async with raw_server(script) as server:
            assert await refused(fetch, server.url, into) == FULL
        assert size_of(into) == 0
        into.unlink()
    await fetch.close()


async def test_a_video_larger_than_the_room_is_not_begun(small_disk: Path) -> None:
    fetch = make_fetch(small_disk)
    into = small_disk / "video.part"
    async with raw_server(GOOD) as server:
        assert await refused(fetch, server.url, into) == FULL
    assert size_of(into) == 0
    await fetch.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
async def test_no_room_at_the_first_write_is_a_full_disk(fetch: Fetch, tmp_path: Path) -> None:
    into = tmp_path / "full.part"
    into.symlink_to("/dev/full")
    async with raw_server(GOOD) as server:
        assert await refused(fetch, server.url, into) == FULL


async def test_where_nothing_may_be_taken_nobody_is_called(tmp_path: Path, into: Path) -> None:
    fetch = make_fetch(tmp_path, space=Space(tmp_path, min_free_bytes=2**62))
    async with raw_server(GOOD) as server:
        assert await refused(fetch, server.url, into) == FULL
    assert (server.heads, size_of(into)) == ([], -1)
    await fetch.close()


class Shrinking(Space):
    """A disk that others fill meanwhile: there is room so often, then none."""

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder)
        self.left = times
        self.asked: list[int] = []

    async def room(self, bytes_needed: int) -> bool:
        self.asked.append(bytes_needed)
        self.left -= 1
        return self.left >= 0


async def test_the_disk_is_watched_while_it_is_written_to(
    tmp_path: Path, into: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.media.fetch.ROOM_EVERY_BYTES", 2 * MIB)
    space = Shrinking(tmp_path, 3)
    fetch = make_fetch(tmp_path, space=space)
    async with raw_server(GOOD) as server:
        assert await refused(fetch, server.url, into) == FULL
    assert space.asked[:2] == [0, len(VIDEO)]
    assert len(space.asked) == 4
    assert size_of(into) == 0
    await fetch.close()


@pytest.mark.parametrize("place", ["missing/video.part", ""])
async def test_a_place_that_cannot_be_written_to_is_named(
    fetch: Fetch, tmp_path: Path, place: str
) -> None:
    async with raw_server(GOOD) as server:
        got = await refused(fetch, server.url, tmp_path / place)
    assert got == ("disk_error", TRANSIENT, False)
    assert server.heads == []


async def test_a_download_that_is_given_up_writes_no_more_and_closes_its_file(
    fetch: Fetch, into: Path
) -> None:
    first = head("200 OK", Content_Length=2 * len(VIDEO))
    async with raw_server(always(first, VIDEO, then="hang")) as server:
        download = asyncio.ensure_future(fetch.fetch(server.url, into))
        await server.sent.wait()
        download.cancel()
        with pytest.raises(asyncio.CancelledError):
            await download
    size = size_of(into)
    assert [name for name in _open() if name.endswith(".part")] == []
    async with raw_server(GOOD) as server:  # the same fetcher goes on, and its threads with it
        await fetch.fetch(server.url, into.with_name("other.part"))
    assert size_of(into) == size


@pytest.mark.parametrize("again", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_it_may_be_given_up_at_any_moment(
    fetch: Fetch, into: Path, turns: int, again: bool
) -> None:
    async with raw_server(GOOD) as server:
        download = asyncio.ensure_future(fetch.fetch(server.url, into))
        for _ in range(turns):
            await asyncio.sleep(0)
        download.cancel()
        if again:
            await asyncio.sleep(0)
            download.cancel()
        await asyncio.wait([download])
    assert download.cancelled()
    assert [name for name in _open() if name.endswith(".part")] == []


def _open() -> list[str]:
    return [str(place.resolve()) for place in Path("/proc/self/fd").iterdir()]
