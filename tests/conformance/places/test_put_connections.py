"""A file put to a caller's own address: connections that end, wait, or answer too early."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import pytest
from aiohttp import web

from service.core.fault import FaultKind
from service.media.places.put import Limits, Put
from tests.conformance.places.conftest import Make
from tests.support.kept import fault_of
from tests.support.putting import Taker, putting
from tests.support.raw_server import raw_server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
MEGABYTE = 2**20


async def test_reset_in_the_middle_is_tried_again_and_then_comes_whole(
    put: Put, receiver: Serve, make: Make
) -> None:
    made, taker, cut = make(9 * MEGABYTE), Taker(), True

    async def cut_once(request: web.Request) -> web.Response:
        if not cut:
            return await taker.take(request)
        await request.content.readexactly(MEGABYTE)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with receiver(cut_once) as url:
        fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
        assert (fault.code, fault.kind) == ("disconnected", FaultKind.TRANSIENT)
        cut = False
        await put.to(url).keep(made.file, made.name, made.media)
    assert taker.body == made.content


async def test_connection_that_went_stale_between_two_files_is_not_seen(
    put: Put, make: Make
) -> None:
    """aiohttp sends a PUT again on a new connection: it has to begin at the file's beginning again."""
    made, bodies = make(3 * MEGABYTE), list[bytes]()
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        number = connections
        while await reader.readuntil(b"\r\n\r\n"):
            if number == 1 and bodies:
                await reader.readexactly(MEGABYTE)
                writer.transport.abort()
                return
            bodies.append(await reader.readexactly(made.media.bytes))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    async with raw_server(serve) as url:
        for _ in range(2):
            await put.to(url).keep(made.file, made.name, made.media)
    assert connections == 2
    assert bodies == [made.content] * 2


async def test_refusal_before_the_file_was_sent_is_heard(put: Put, make: Make) -> None:
    made = make(30 * MEGABYTE)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        await reader.read(-1)

    async with raw_server(refuse) as url:
        fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == ("expired", FaultKind.PERMANENT)


async def test_good_answer_before_the_file_was_sent_is_none(put: Put, make: Make) -> None:
    made = make(30 * MEGABYTE)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        await reader.read(-1)

    async with raw_server(answer) as url:
        fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == ("answered_early", FaultKind.TRANSIENT)


@pytest.mark.parametrize("limits", [Limits(stall_s=0.2), Limits(total_s=0.2)])
async def test_address_that_takes_no_more_is_given_up(
    receiver: Serve, make: Make, limits: Limits
) -> None:
    made, forever = make(30 * MEGABYTE), asyncio.Event()

    async def stall(request: web.Request) -> web.Response:
        await request.content.readexactly(10)
        await forever.wait()
        return web.Response()

    async with receiver(stall) as url, putting(limits) as put:
        fault = await fault_of(put.to(url).keep(made.file, made.name, made.media))
        assert (fault.code, fault.kind) == ("timeout", FaultKind.TRANSIENT)
        forever.set()
