"""The line between *not sent* and *no answer*, and that nothing is ever sent twice by a library."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from service.providers.http import Upstream
from service.providers.outcome import HttpAnswer, NoAnswer, NotSent
from tests.support.stub_upstream import Act, StubUpstream, resets, running_stub, says, writes

STAYS_OPEN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\n{}"


class NoNames(AbstractResolver):
    """Resolves nothing."""

    async def resolve(self, *_: Any, **__: Any) -> list[ResolveResult]:
        raise OSError("no such name")

    async def close(self) -> None:
        """Own nothing."""


class RawServer:
    """Accepts connections and, told so, answers the first request of each and drops the second."""

    def __init__(self) -> None:
        self.requests = 0
        self.connections = 0

    async def silent(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what comes and say nothing, until the other side goes."""
        self.connections += 1
        await reader.read()
        writer.close()

    async def once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, keep the connection whatever was asked, and drop the next one."""
        self.connections += 1
        for answer in (STAYS_OPEN, b""):
            head = await reader.readuntil(b"\r\n\r\n")
            if b"content-length: 2" in head.lower():
                await reader.readexactly(2)
            self.requests += 1
            writer.write(answer)
        writer.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def stub() -> AsyncIterator[StubUpstream]:
    async with running_stub() as stub:
        yield stub


async def post(session: aiohttp.ClientSession, url: str, timeout_s: float = 5) -> object:
    return await Upstream(session, timeout_s).call("POST", url, headers={}, body=b"[]")


async def test_an_answer_is_whole_with_lower_case_headers(
    session: aiohttp.ClientSession, stub: StubUpstream
) -> None:
    stub.will(says(418, b"tea", Retry_After="3"))
    got = await post(session, stub.url)
    assert isinstance(got, HttpAnswer)
    assert (got.status, got.body, got.headers["retry-after"]) == (418, b"tea", "3")


async def test_a_name_that_does_not_resolve_means_not_sent() -> None:
    connector = aiohttp.TCPConnector(resolver=NoNames())
    async with aiohttp.ClientSession(connector=connector) as session:
        got = await post(session, "http://upstream.test/v1")
    assert got == NotSent("The upstream could not be reached: its name could not be resolved.")


async def test_a_refused_connection_means_not_sent(session: aiohttp.ClientSession) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        got = await post(session, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert got == NotSent("The upstream could not be reached: the connection was refused.")


async def test_a_failed_handshake_means_not_sent(
    session: aiohttp.ClientSession, stub: StubUpstream
) -> None:
    stub.will(says(200))
    got = await post(session, stub.url.replace("http:", "https:"))
    assert got == NotSent("The upstream could not be reached: no secure connection could be made.")
    assert stub.got == []


async def test_a_handshake_that_takes_too_long_means_not_sent(
    session: aiohttp.ClientSession,
) -> None:
    raw = RawServer()
    async with await asyncio.start_server(raw.silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        got = await post(session, f"https://127.0.0.1:{port}", timeout_s=0.6)
    assert got == NotSent(
        "The upstream could not be reached: it did not take the connection in time."
    )
    assert raw.connections == 1


async def test_waiting_for_a_free_connection_means_not_sent(stub: StubUpstream) -> None:
    stub.will(stub.hang)
    connector = aiohttp.TCPConnector(limit=1)
    async with aiohttp.ClientSession(connector=connector) as session:
        first, second = await asyncio.gather(
            post(session, stub.url, timeout_s=0.9), post(session, stub.url, timeout_s=0.6)
        )
    assert isinstance(first, NoAnswer)
    assert isinstance(second, NotSent)
    assert len(stub.got) == 1


@pytest.mark.parametrize("url", ["http://", "not a url", "ftp://127.0.0.1/x", "http://[::1"])
async def test_an_address_that_is_none_means_not_sent(
    session: aiohttp.ClientSession, url: str
) -> None:
    assert isinstance(await post(session, url), NotSent)


@pytest.mark.parametrize("act", [resets, writes(b""), writes(STAYS_OPEN[:-1])], ids=range(3))
async def test_what_breaks_after_the_request_is_no_answer(
    session: aiohttp.ClientSession, stub: StubUpstream, act: Act
) -> None:
    stub.will(act)
    assert isinstance(await post(session, stub.url), NoAnswer)
    assert len(stub.got) == 1


async def test_a_post_on_a_connection_that_was_kept_open_is_not_repeated(
    session: aiohttp.ClientSession,
) -> None:
    raw = RawServer()
    async with await asyncio.start_server(raw.once, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert isinstance(await post(session, url), HttpAnswer)
        assert isinstance(await post(session, url), NoAnswer)
    assert (raw.connections, raw.requests) == (1, 2)


async def test_every_call_has_a_connection_of_its_own(
    session: aiohttp.ClientSession, stub: StubUpstream
) -> None:
    stub.will(says(200))
    await post(session, stub.url)
    assert session.connector is not None
    assert not session.connector._conns  # nothing public tells


async def test_a_redirect_is_an_answer(session: aiohttp.ClientSession, stub: StubUpstream) -> None:
    stub.will(says(302, None, Location="/elsewhere"))
    got = await post(session, stub.url)
    assert isinstance(got, HttpAnswer)
    assert (got.status, len(stub.got)) == (302, 1)


async def test_what_is_larger_than_the_limit_is_no_answer(
    session: aiohttp.ClientSession, stub: StubUpstream
) -> None:
    upstream = Upstream(session, 5, max_bytes=10)
    stub.will(says(200, b"x" * 10), says(200, b"x" * 11))
    assert isinstance(await upstream.call("GET", stub.url, headers={}), HttpAnswer)
    assert isinstance(await upstream.call("GET", stub.url, headers={}), NoAnswer)


async def test_a_cancelled_call_is_cancelled(
    session: aiohttp.ClientSession, stub: StubUpstream
) -> None:
    stub.will(stub.hang)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await post(session, stub.url)


async def test_proxies_of_the_environment_are_refused() -> None:
    async with aiohttp.ClientSession(trust_env=True) as session:
        with pytest.raises(ValueError, match="proxy"):
            Upstream(session, 5)
