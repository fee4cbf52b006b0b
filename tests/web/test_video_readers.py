"""Readers of kept videos who are slow, go away, or meet trouble in the middle: nothing is held, nothing is half."""

import asyncio
import hashlib
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from structlog.testing import capture_logs

from service.core.fault import Fault
from service.store.pool import Pool
from service.web.deps import Limits
from tests.support.flows import until
from tests.support.house import API_KEY
from tests.support.videos import PART_BYTES, Folder, Stored, kept
from tests.support.web import Api, serving

MIB = 2**20
CONTENT = hashlib.sha256(b"video").digest() * (8 * MIB // 32)
MOST_AHEAD = 12 * MIB
"""What the kernel takes for a connection on loopback, and the parts that are under way."""
MOST_MEMORY = 3 * MIB


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a place for files."""
    return Folder(tmp_path)


@pytest.fixture
async def api(pool: Pool, folder: Folder) -> AsyncIterator[Api]:
    """Serve the web with a place."""
    async with serving(pool, places=folder) as running:
        yield running


@asynccontextmanager
async def reading(api: Api, stored: Stored) -> AsyncIterator[asyncio.StreamReader]:
    """Ask for a file over a connection that takes little by itself, and read the head of the answer."""
    place = urlsplit(api.base)
    slow = socket.create_connection((place.hostname or "", place.port or 0))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    head = f"GET {stored.path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n"
    reader, writer = await asyncio.open_connection(sock=slow, limit=64 * 1024)
    try:
        writer.write(head.encode())
        assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
        yield reader
    finally:
        writer.transport.abort()


async def closed(folder: Folder) -> None:
    """Wait until no file is open any more."""

    async def nothing_open() -> bool:
        return not folder.open

    await until(nothing_open)


async def test_a_slow_reader_of_64_mib_holds_no_memory(
    api: Api, pool: Pool, folder: Folder
) -> None:
    stored = await kept(pool, api, folder, CONTENT * 8)
    size, digest = len(stored.content), hashlib.sha256()
    tracemalloc.start()
    try:
        async with reading(api, stored) as reader:
            got, before = 0, tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            while part := await reader.read(64 * 1024):
                digest.update(part)
                got += len(part)
                assert folder.given_bytes - got < MOST_AHEAD
                if got == size:
                    break
            peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert digest.hexdigest() == stored.sha256
    assert peak < MOST_MEMORY
    await closed(folder)


async def test_who_goes_away_leaves_no_file_open(api: Api, pool: Pool, folder: Folder) -> None:
    stored = await kept(pool, api, folder, CONTENT * 8)
    async with reading(api, stored) as reader:
        await reader.readexactly(PART_BYTES)
        assert folder.open == 1
    await closed(folder)
    assert folder.given_bytes < len(stored.content)
    assert (await api.get(stored.path, Range="bytes=5-9")).raw == stored.content[5:10]


async def test_who_takes_nothing_is_hung_up_on(pool: Pool, folder: Folder) -> None:
    limits = replace(Limits(), video_patience_s=0.1)
    async with serving(pool, places=folder, limits=limits) as api:
        stored = await kept(pool, api, folder, CONTENT * 8)
        with capture_logs() as lines:
            async with reading(api, stored):
                await closed(folder)
    assert {"event": "video.cut_off", "reason": "slow", "log_level": "info"} in lines


@pytest.mark.parametrize("trouble", ["fault", "bug"])
async def test_trouble_in_the_middle_cuts_the_connection(
    api: Api, pool: Pool, folder: Folder, trouble: str
) -> None:
    stored = await kept(pool, api, folder, CONTENT)

    def breaks(given: int) -> Fault | None:
        if given < 3:
            return None
        if trouble == "bug":
            raise RuntimeError("a bug")
        return Fault("away", "The bucket does not answer.")

    folder.trouble = breaks
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.get(stored.path)
    assert not folder.open
    folder.trouble = lambda _: None
    rest = await api.get(stored.path, Range=f"bytes={PART_BYTES}-")
    assert (rest.status, rest.raw) == (206, CONTENT[PART_BYTES:])


async def test_downloads_have_the_grace_of_every_answer_when_the_service_stops(
    pool: Pool, folder: Folder
) -> None:
    async with serving(pool, places=folder) as api:
        stored = await kept(pool, api, folder, CONTENT[: 3 * PART_BYTES])
        folder.go_on.clear()
        async with api.session.get(
            api.base + stored.path, headers={"Authorization": f"Bearer {API_KEY}"}
        ) as answer:
            stopping = asyncio.create_task(api.running.stop())

            async def refused() -> bool:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", api.running.port)
                except OSError:
                    return True
                writer.close()
                return False

            await until(refused)
            folder.go_on.set()
            assert await answer.read() == stored.content
        await stopping


async def test_what_is_not_done_by_then_is_cut_and_closed(pool: Pool, folder: Folder) -> None:
    async with serving(pool, places=folder) as api:
        stored = await kept(pool, api, folder, CONTENT)
        folder.go_on.clear()
        async with api.session.get(
            api.base + stored.path, headers={"Authorization": f"Bearer {API_KEY}"}
        ) as answer:
            await api.running.stop()
            assert not folder.open
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
