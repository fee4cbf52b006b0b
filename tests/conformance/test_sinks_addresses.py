"""The webhook sink and addresses it must not connect to."""

import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_network

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from service.egress import Egress
from service.ports import Sent
from service.sinks.webhook import WebhookSink

LOOPBACK = (ip_network("127.0.0.0/8"),)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
Send = Callable[..., Awaitable[Sent]]


async def welcome(request: web.Request) -> web.Response:
    """Take whatever comes."""
    await request.read()
    return web.Response()


class Names(AbstractResolver):
    """A resolver whose answers are written down, one list for each question; none is no such name."""

    def __init__(self, *answers: list[str] | None) -> None:
        self.answers = list(answers)
        self.closed = False

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> list[ResolveResult]:
        found = self.answers.pop(0)
        if found is None:
            raise OSError(None, "no such name")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "url", ["", "ftp://a.example/", "http://127.1/", "http://0x7f000001/", "http://a@b.example/"]
)
async def test_url_that_cannot_be_called_is_not_called(
    sink: WebhookSink, url: str, send: Send
) -> None:
    assert await send(sink, url) == Sent(ok=False, error="invalid_url")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "169.254.169.254"]
)
async def test_literal_of_a_private_address_is_refused(
    host: str, receiver: Serve, send: Send
) -> None:
    async with receiver(welcome) as url:
        sink = WebhookSink()
        sent = await send(sink, url.replace("127.0.0.1", host))
        await sink.close()
    assert sent == Sent(ok=False, error="refused_address")


async def test_name_of_a_private_address_is_refused_when_connecting(
    receiver: Serve, send: Send
) -> None:
    async with receiver(welcome) as url:
        sink = WebhookSink()
        sent = await send(sink, url.replace("127.0.0.1", "localhost"))
        await sink.close()
    assert sent == Sent(ok=False, error="refused_address")


@pytest.mark.parametrize(
    "answers", [["10.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::1"], ["::ffff:10.0.0.1"], ["fe80::1%1"]]
)
async def test_one_private_address_refuses_the_whole_name(answers: list[str], send: Send) -> None:
    names = Names(answers)
    sink = WebhookSink(Egress(resolver=names))
    assert await send(sink, "http://app.example/") == Sent(ok=False, error="refused_address")
    await sink.close()
    assert names.closed


async def test_connection_goes_to_the_address_that_was_checked(receiver: Serve, send: Send) -> None:
    async with receiver(welcome) as url:
        port = url.split(":")[2]
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        sink = WebhookSink(Egress(LOOPBACK, resolver=names))
        # The name is asked for once a connection; what it means afterwards does not matter.
        assert (await send(sink, f"http://app.example:{port}")).ok
        assert names.answers == [["10.0.0.1"]]
        await sink.close()
        sink = WebhookSink(Egress(LOOPBACK, resolver=names))
        sent = await send(sink, f"http://app.example:{port}")
        assert sent == Sent(ok=False, error="refused_address")
        await sink.close()


async def test_name_without_an_address_is_a_failure_of_dns(send: Send) -> None:
    sink = WebhookSink(Egress(resolver=Names(None)))
    assert await send(sink, "http://app.example/") == Sent(ok=False, error="dns")
    await sink.close()
