"""Open files: none is left open, none is closed under a thread that reads it."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from aiohttp import web

from service.media.places.disk import Disk
from service.media.places.handle import Handle, of_path
from service.media.places.objects import Objects
from service.media.places.put import Put
from service.ports import Place, PlaceError
from tests.conformance.places.conftest import Make
from tests.support.kept import joined

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
MEGABYTE = 2**20


def opened() -> list[str]:
    return [file.path for file in psutil.Process().open_files() if "media" in file.path]


def files_and_folders() -> int:
    """Count the handles of this process that are no sockets: connections are kept for the next call."""
    handles = [os.path.realpath(handle) for handle in Path("/proc/self/fd").iterdir()]
    return len([handle for handle in handles if "/fd/" not in handle])


async def test_readers_leave_no_file_open_however_they_end(disk: Disk, make: Make) -> None:
    made = make(3 * MEGABYTE)
    await disk.keep(made.file, made.name, made.media)
    await joined(disk.read(made.name, 0, made.media.bytes))
    assert opened() == []

    leaving = disk.read(made.name, 0, made.media.bytes)
    await anext(leaving)
    assert len(opened()) == 1
    await leaving.aclose()  # type: ignore[attr-defined]
    assert opened() == []

    reading = asyncio.Event()

    async def read() -> None:
        async for _ in disk.read(made.name, 0, made.media.bytes):
            reading.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(read())
    await reading.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    del task
    await asyncio.get_running_loop().shutdown_asyncgens()
    assert opened() == []


async def test_many_files_leave_no_handle_behind(
    disk: Disk, objects: Objects, put: Put, receiver: Serve, make: Make
) -> None:
    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=500 if "bad" in request.path else 200)

    async def one(place: Place) -> None:
        made = make(1000)
        with suppress(PlaceError):
            location = await place.keep(made.file, made.name, made.media)
            await joined(place.read(location, 0, 1000))
            await place.delete(location)

    async with receiver(answer) as url:
        for place in (disk, put.to(url), put.to(f"{url}/bad"), put.to("http://10.0.0.1/"), objects):
            await asyncio.gather(*(one(place) for _ in range(20)))
            before = files_and_folders()
            for _ in range(5):
                await asyncio.gather(*(one(place) for _ in range(20)))
            assert files_and_folders() <= before, place


async def test_who_gives_up_while_a_file_is_opened_leaves_it_to_the_thread(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"x")
    entered, go_on = threading.Event(), threading.Event()
    numbers: list[int] = []

    def slowly() -> int:
        entered.set()
        assert go_on.wait(10)
        numbers.append(os.open(tmp_path / "media", os.O_RDONLY))
        return numbers[0]

    handle = Handle(slowly)
    opening = asyncio.ensure_future(handle.open())
    await asyncio.to_thread(entered.wait)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    handle.close()
    go_on.set()
    assert await handle.read(0, 1) == b"", "it waits for the thread, and finds it closed"
    assert opened() == []
    assert len(numbers) == 1


async def test_closed_handle_reads_nothing_and_may_be_closed_again(tmp_path: Path) -> None:
    (tmp_path / "media").write_bytes(b"abc")
    handle = of_path(tmp_path / "media")
    assert await handle.open() == 3
    assert await handle.read(1, 10) == b"bc"
    handle.close()
    handle.close()
    assert await handle.read(0, 1) == b""
    assert opened() == []
