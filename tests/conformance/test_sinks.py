"""The webhook sink against real sockets: what is sent, and what is made of the answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from schemas.verify import verify
from service.core.headers import retry_after_s
from service.core.signing import format_secret
from service.ports import Outgoing, Sent, Target
from service.sinks import SINKS, SinkOptions
from service.sinks.webhook import KEPT_BYTES, WebhookSink

SECRET = b"s" * 32
HERE = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
Send = Callable[..., Awaitable[Sent]]


def answering(status: int, body: bytes = b"", **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=names)

    return handler


async def test_event_arrives_signed_and_byte_for_byte(
    sink: WebhookSink, receiver: Serve, send: Send, event: Outgoing
) -> None:
    seen: list[tuple[web.Request, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request, await request.read()))
        return web.Response(status=202, text="thanks")

    async with receiver(handler) as url:
        assert await send(sink, url) == Sent(ok=True, status=202, response=b"thanks", address=HERE)
    ((request, body),) = seen
    assert body == event.body
    assert request.method == "POST"
    assert request.headers["Content-Type"] == event.content_type
    assert request.headers["User-Agent"].startswith("Callboard/0.")
    verified = verify(request.headers, body, format_secret(SECRET), now=event.sent_at)
    assert verified.id == str(event.event_id)


async def test_every_secret_signs_for_the_reference_library(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    seen: list[tuple[dict[str, str], bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((dict(request.headers), await request.read()))
        return web.Response()

    secrets = (b"n" * 32, SECRET)
    async with receiver(handler) as url:
        changed = replace(event, secrets=secrets, sent_at=int(datetime.now(UTC).timestamp()))
        assert (await sink.send(Target("webhook", url), changed)).ok
    ((headers, body),) = seen
    for secret in secrets:
        assert Webhook(format_secret(secret)).verify(body, headers) == json.loads(event.body)


async def test_nothing_is_sent_unsigned(sink: WebhookSink, event: Outgoing) -> None:
    changed = replace(event, secrets=())
    sent = await sink.send(Target("webhook", "http://127.0.0.1:9/"), changed)
    assert sent == Sent(ok=False, error="no_secret")


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_2xx_is_success(sink: WebhookSink, status: int, receiver: Serve, send: Send) -> None:
    async with receiver(answering(status)) as url:
        sent = await send(sink, url)
    assert (sent.ok, sent.status, sent.error, sent.gone) == (True, status, None, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_a_failure_and_is_not_followed(
    sink: WebhookSink, status: int, receiver: Serve, send: Send
) -> None:
    paths: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        paths.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with receiver(handler) as url:
        sent = await send(sink, url)
    assert (sent.ok, sent.status, sent.error) == (False, status, "redirect")
    assert paths == ["/hook"]


async def test_redirect_into_a_private_network_is_not_followed(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    async with receiver(answering(302, Location="http://169.254.169.254/latest")) as url:
        sent = await send(sink, url)
    assert (sent.ok, sent.error) == (False, "redirect")


async def test_410_says_that_the_target_is_gone(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    async with receiver(answering(410, b"never again")) as url:
        sent = await send(sink, url)
    assert (sent.status, sent.error, sent.gone, sent.throttled) == (410, "http_410", True, False)
    assert (sent.response, sent.address) == (b"never again", HERE)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_other_answers_are_failures_by_their_number(
    sink: WebhookSink, status: int, receiver: Serve, send: Send
) -> None:
    async with receiver(answering(status, Retry_After="120")) as url:
        sent = await send(sink, url)
    assert (sent.ok, sent.status, sent.error) == (False, status, f"http_{status}")
    assert (sent.retry_after_s, sent.gone) == (120.0, False)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("-1", None),
        ("1.5", None),
        ("9" * 400, None),
        ("٣", None),
        ("soon", None),
        ("Thu, 25 Feb 2021 15:02:40 GMT", 30.0),
        ("Thu, 25 Feb 2021 15:02:40 -0000", 30.0),
        ("Thu, 25 Feb 2021 16:02:40 +0100", 30.0),
        ("Thu, 25 Feb 2021 15:02:00 GMT", 0.0),
        ("Thu, 99 Feb 2021 15:02:00 GMT", None),
        ("Thu, 25 Feb 99999 15:02:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(
    value: str | None, wait_s: float | None
) -> None:
    assert retry_after_s(value, now=1614265330) == wait_s


async def test_receiver_that_hangs_is_a_timeout(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        await asyncio.Event().wait()
        return web.Response()

    loop = asyncio.get_running_loop()
    async with receiver(handler) as url:
        began = loop.time()
        assert await send(sink, url, timeout_s=0.2) == Sent(ok=False, error="timeout", address=HERE)
        assert loop.time() - began < 2


async def test_status_counts_even_if_the_rest_of_the_answer_hangs(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"x")
        await asyncio.Event().wait()
        return response

    async with receiver(handler) as url:
        assert await send(sink, url, timeout_s=0.3) == Sent(ok=True, status=200, address=HERE)


async def test_huge_answer_is_read_up_to_a_cap(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    written: list[int] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        await request.read()
        response = web.StreamResponse()
        await response.prepare(request)
        for number in range(10_000):
            await response.write(b"x" * 65_536)
            written.append(number)
        return response

    async with receiver(handler) as url:
        sent = await send(sink, url)
    assert (sent.ok, sent.response) == (True, b"x" * KEPT_BYTES)
    assert len(written) < 1000


async def test_compressed_answer_is_not_unpacked(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    async with receiver(answering(200, b"no gzip at all", Content_Encoding="gzip")) as url:
        sent = await send(sink, url)
    assert (sent.ok, sent.response) == (True, b"no gzip at all")


async def test_cookies_are_not_carried_to_the_next_call(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    cookies: list[str | None] = []

    async def handler(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "a=b"})

    async with receiver(handler) as url:
        await send(sink, url)
        await send(sink, url)
    assert cookies == [None, None]


@asynccontextmanager
async def raw_receiver(answer: bytes) -> AsyncIterator[int]:
    """Answer with bytes that need not be HTTP, then hang up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", "disconnected"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "protocol"),
        (b"HTTP/1.1 abc\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "protocol"),
    ],
)
async def test_answer_that_is_no_http_is_a_failure(
    sink: WebhookSink, answer: bytes, error: str, send: Send
) -> None:
    async with raw_receiver(answer) as port:
        sent = await send(sink, f"http://127.0.0.1:{port}/")
    assert (sent.ok, sent.status, sent.error) == (False, None, error)


async def test_plain_port_is_no_tls_port(sink: WebhookSink, receiver: Serve, send: Send) -> None:
    async with receiver(answering(200)) as url:
        sent = await send(sink, url.replace("http:", "https:"))
    assert sent == Sent(ok=False, error="tls", address=HERE)


async def test_closed_port_cannot_be_connected(
    sink: WebhookSink, receiver: Serve, send: Send
) -> None:
    async with receiver(answering(200)) as url:
        pass
    assert await send(sink, url) == Sent(ok=False, error="connect", address=HERE)


@pytest.mark.parametrize("kind", list(SINKS))
async def test_every_kind_in_the_table_can_be_made_and_closed(
    kind: str, tmp_path: Path, event: Outgoing
) -> None:
    sink = SINKS[kind](SinkOptions(tmp_path))
    sent = await sink.send(Target(kind), event)
    # All but the log need settings.
    assert sent.ok is (kind == "log")
    assert sent.ok or sent.error
    await sink.close()
