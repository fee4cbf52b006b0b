"""How much memory a large file takes on its way to a place and back: as much as a small one."""

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.moto import Moto
from tests.support.processes import ROOT
from tests.support.raw_server import raw_server

pytestmark = [pytest.mark.bench, pytest.mark.timeout(120)]
SMALL_MB, LARGE_MB = 20, 300
MORE_MB = 32
"""How much more the large one may take; obstore's parts under way are 24 MiB at most."""
OTHER_DISK = Path("/dev/shm")  # noqa: S108 - a copy between file systems is what is wanted


@pytest.fixture
def trusting(tmp_path: Path) -> Iterator[Moto]:
    """Run a store that takes every key."""
    moto = Moto(tmp_path, trusts=True)
    moto.start()
    yield moto
    moto.stop()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Name a folder on another file system."""
    if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    folder = OTHER_DISK / f"callboard-{uuid4()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


async def peaks(kind: str, folder: Path, where: str) -> tuple[float, float]:
    """Give the peaks of memory after a small file and after a large one, in MiB."""
    sizes = (str(SMALL_MB), str(LARGE_MB))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.places_child", kind, str(folder), where, *sizes),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate()
    assert child.returncode == 0
    small, large = json.loads(out)
    print(
        f"\n{kind}: peak {small:.0f} MiB after {SMALL_MB} MiB, {large:.0f} MiB after {LARGE_MB} MiB"
    )
    return small, large


async def test_disk_takes_no_memory_for_a_copy_of_a_large_file(
    tmp_path: Path, elsewhere: Path
) -> None:
    small, large = await peaks("disk", tmp_path, str(elsewhere))
    assert large - small < MORE_MB


async def test_store_takes_no_memory_for_a_large_file(tmp_path: Path, trusting: Moto) -> None:
    await trusting.bucket("videos")
    small, large = await peaks("s3", tmp_path, trusting.endpoint)
    assert large - small < MORE_MB


async def test_put_takes_no_memory_for_a_large_file(tmp_path: Path) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            while left:
                left -= len(await reader.read(min(left, 2**20)))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(take) as url:
        small, large = await peaks("put", tmp_path, url)
    assert large - small < MORE_MB
