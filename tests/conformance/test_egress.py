"""Calls to strangers' addresses: what a real DNS server answers, and a real proxy on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web

from service.core.url_guard import IPNetwork
from service.egress import Egress, RefusedAddress, checked_addresses, read_proxy
from service.ports import Sent
from service.sinks.webhook import WebhookSink
from tests.support.dns import names
from tests.support.proxy import http_proxy

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
Send = Callable[..., Awaitable[Sent]]
ONE = (ip_network("127.0.0.2/32"),)
"""What stands for a public address here: 127.0.0.1 stays private."""
LOOPBACK = (ip_network("127.0.0.0/8"),)


@dataclass
class Private:
    """A listener at a private address; it must never see anybody."""

    port: int = 0
    seen: int = 0

    async def take(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.seen += 1
        writer.close()


@pytest.fixture
async def private() -> AsyncIterator[Private]:
    listener = Private()
    server = await asyncio.start_server(listener.take, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    yield listener
    server.close()


@asynccontextmanager
async def sending(
    answers: Sequence[Sequence[str]], allowed: Sequence[IPNetwork]
) -> AsyncIterator[WebhookSink]:
    async with names({"app.example": answers, "alias.example": [["127.0.0.1"]]}) as resolver:
        sink = WebhookSink(Egress(allowed, resolver=resolver))
        yield sink
        await sink.close()


@pytest.mark.parametrize(
    "answers",
    [
        [["127.0.0.1"]],
        [["127.0.0.2", "127.0.0.1"]],
        [["127.0.0.1", "127.0.0.2"]],
        [["127.0.0.2", "::1"]],
        [["::ffff:7f00:1"]],
        [["64:ff9b::7f00:1"]],
        [["alias.example"]],
        [["169.254.169.254", "127.0.0.2"]],
    ],
    ids=str,
)
async def test_a_name_with_a_private_address_in_it_is_not_called(
    private: Private, send: Send, answers: list[list[str]]
) -> None:
    async with sending(answers, ONE) as sink:
        sent = await send(sink, f"http://app.example:{private.port}/")
    assert sent == Sent(ok=False, error="refused_address")
    assert private.seen == 0


async def test_a_name_that_turns_private_after_the_look_is_called_where_it_led_then(
    private: Private, send: Send
) -> None:
    """The answers: public first, private ever after. One question a connection is asked, and no second one."""
    reached: list[str] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(writer.get_extra_info("sockname")[0])
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.2", private.port)
    async with server, sending([["127.0.0.2"], ["127.0.0.1"]], ONE) as sink:
        url = f"http://app.example:{private.port}/"
        sent = await send(sink, url)
        assert (sent.ok, sent.address) == (True, "127.0.0.2")
        assert await send(sink, url) == Sent(ok=False, error="refused_address")
    assert reached == ["127.0.0.2"]
    assert private.seen == 0


async def test_a_client_that_connects_by_itself_gets_checked_addresses(private: Private) -> None:
    async with names(
        {"good.example": [["127.0.0.2", "127.0.0.2"]], "bad.example": [["127.0.0.2", "10.0.0.1"]]}
    ) as resolver:
        assert await checked_addresses("good.example", 80, ONE, resolver) == ["127.0.0.2"]
        for host in ("bad.example", "10.0.0.1", "0x7f.1", "127.0.0.1", "fe80::1%1"):
            with pytest.raises(RefusedAddress):
                await checked_addresses(host, 80, ONE, resolver)
        with pytest.raises(OSError, match=r"DNS|Domain|not found|NXDOMAIN|query"):
            await checked_addresses("nobody.example", 80, ONE, resolver)
    assert await checked_addresses("127.0.0.2", 80, ONE) == ["127.0.0.2"]


async def welcome(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(text=request.host)


def through(url: str, resolver: aiohttp.abc.AbstractResolver | None = None) -> WebhookSink:
    return WebhookSink(Egress(proxy=read_proxy(url), resolver=resolver))


async def test_a_plain_call_goes_through_the_proxy_which_knows_the_name(
    receiver: Serve, send: Send
) -> None:
    async with receiver(welcome) as url:
        place = ("127.0.0.1", urlsplit(url).port or 0)
        async with http_proxy({"app.invalid": place}, auth="us:pass") as proxy:
            sink = through(proxy.url.replace("//", "//us:pass@"))
            sent = await send(sink, "http://app.invalid/hook")
            await sink.close()
    assert (sent.ok, sent.response) == (True, b"app.invalid")
    assert proxy.asked == ["POST http://app.invalid/hook"]
    assert sent.address == "127.0.0.1"


async def test_a_secure_call_makes_a_tunnel_and_still_checks_the_certificate(send: Send) -> None:
    hellos: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos.append(await reader.read(3))
        writer.write(b"\x15\x03\x03\x00\x02\x02\x28")  # a fatal handshake_failure alert
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    place = server.sockets[0].getsockname()[:2]
    async with server, http_proxy({"app.invalid": place}) as proxy:
        sink = through(proxy.url)
        sent = await send(sink, "https://app.invalid/hook")
        await sink.close()
    assert sent.error == "tls"
    assert proxy.asked == ["CONNECT app.invalid:443"]
    assert hellos == [b"\x16\x03\x01"]


async def test_a_proxy_that_says_no_is_named(send: Send) -> None:
    async with http_proxy({}, auth="us:pass") as proxy:
        for url, error in (
            ("https://app.invalid/", "proxy_auth"),
            ("http://a.invalid/", "http_407"),
        ):
            sink = through(proxy.url)
            assert (await send(sink, url)).error == error
            await sink.close()
        sink = through(proxy.url.replace("//", "//us:pass@"))
        assert (await send(sink, "https://app.invalid/")).error == "proxy"
        await sink.close()
    sink = through(proxy.url)
    assert (await send(sink, "https://app.invalid/")).error == "proxy"
    await sink.close()


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/", "http://[::1]/", "http://10.1.2.3/"])
async def test_a_private_literal_is_refused_before_the_proxy_is_asked(send: Send, url: str) -> None:
    async with http_proxy({"127.0.0.1": ("127.0.0.1", 9)}) as proxy:
        sink = through(proxy.url)
        assert await send(sink, url) == Sent(ok=False, error="refused_address")
        await sink.close()
        assert proxy.asked == []


async def test_a_name_that_is_private_here_is_refused_before_the_proxy_is_asked(send: Send) -> None:
    async with names({"app.example": [["10.0.0.1"]]}) as resolver, http_proxy({}) as proxy:
        sink = through(proxy.url.replace("127.0.0.1", "localhost"), resolver=Both(resolver))
        assert (await send(sink, "http://app.example/")).error == "refused_address"
        assert proxy.asked == []
        await sink.close()


class Both(aiohttp.abc.AbstractResolver):
    """Asks our server, but for the name of the proxy."""

    def __init__(self, ours: aiohttp.abc.AbstractResolver) -> None:
        self._ours = ours
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: int = 0
    ) -> list[aiohttp.abc.ResolveResult]:
        asked = self._system if host == "localhost" else self._ours
        return await asked.resolve(host, port, family)  # type: ignore[arg-type]

    async def close(self) -> None:
        await self._system.close()


@pytest.mark.parametrize("text", ["socks5://p:1080", "p:3128", "http://", "://", "ftp://p"])
def test_what_is_no_http_proxy_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="should be") as caught:
        read_proxy(text)
    assert text not in str(caught.value)
