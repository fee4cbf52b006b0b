"""The webhook sink: v1a, the owner's headers, formats, consent, and the address it connected to."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from cloudevents.core.bindings.http import HTTPMessage, from_binary, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from standardwebhooks import Webhook

from schemas.cloudevents import read
from schemas.verify import VerificationError, verify
from service.core.signing import format_public_key, format_secret
from service.ports import Consent, Outgoing, Sent, Target
from service.sinks.webhook import WebhookSink
from service.vault import public_key
from service.wire.formats import BATCH_CONTENT_TYPE, batch, render
from tests.pure.test_events import NOW, OF_TASKS, TASK, data_of, stored

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
SEEDS = (b"1" * 32, b"2" * 32)
HERE = "127.0.0.1"


class Target2xx:
    """Keeps what comes and answers 204, with the headers it is given."""

    def __init__(self, **headers: str) -> None:
        self.got: list[tuple[web.Request, bytes]] = []
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.status = 204

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((request, await request.read()))
        return web.Response(status=self.status, headers=self.headers)


async def sent_to(sink: WebhookSink, receiver: Serve, event: Outgoing, **more: Any) -> Any:
    """Send one event and give the request that came."""
    target = Target2xx()
    async with receiver(target.take) as url:
        sent = await sink.send(Target("webhook", url, **more), event)
    assert sent == Sent(ok=True, status=204, address=HERE)
    return target.got[0]


async def test_every_secret_signs_then_every_private_key_over_the_very_bytes(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    event = replace(event, secrets=(b"n" * 32, b"o" * 32), private_keys=SEEDS)
    request, body = await sent_to(sink, receiver, event)
    entries = request.headers["webhook-signature"].split(" ")
    assert [e.partition(",")[0] for e in entries] == ["v1", "v1", "v1a", "v1a"]
    for secret in event.secrets:
        verify(request.headers, body, format_secret(secret), now=event.sent_at)
    for seed in SEEDS:
        known = format_public_key(public_key(seed))
        verify(request.headers, body, public_keys=known, now=event.sent_at)
        with pytest.raises(VerificationError):
            verify(request.headers, body + b" ", public_keys=known, now=event.sent_at)


async def test_reference_library_verifies_v1_beside_v1a(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    now = int(datetime.now(UTC).timestamp())
    event = replace(event, private_keys=SEEDS, sent_at=now)
    request, body = await sent_to(sink, receiver, event)
    (secret,) = event.secrets
    assert Webhook(format_secret(secret)).verify(body, dict(request.headers)) == json.loads(body)


async def test_private_key_alone_signs_too(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    event = replace(event, secrets=(), private_keys=SEEDS[:1])
    request, body = await sent_to(sink, receiver, event)
    known = format_public_key(public_key(SEEDS[0]))
    assert verify(request.headers, body, public_keys=known, now=event.sent_at).id


async def test_owners_headers_are_sent_and_never_replace_ours(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    event = replace(event, headers={"ce-id": "e-1"})
    ours = ("content-type", "User-Agent", "Webhook-Signature", "CE-ID", "ce-extra", "Host")
    theirs = {"Authorization": "Bearer t", "X-Team": "grün", **dict.fromkeys(ours, "theirs")}
    theirs |= {"Content-Length": "0", "Transfer-Encoding": "chunked", "Connection": "close"}
    theirs |= {"webhook-request-origin": "evil.example", "Content-Encoding": "gzip"}
    request, body = await sent_to(sink, receiver, event, headers=theirs)
    assert body == event.body
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["X-Team"] == "grün"
    assert "theirs" not in request.headers.values()
    assert request.headers.getall("ce-id") == ["e-1"]
    assert not {"ce-extra", "Webhook-Request-Origin", "Content-Encoding"} & set(request.headers)
    verify(request.headers, body, format_secret(event.secrets[0]), now=event.sent_at)


@pytest.mark.parametrize(
    "headers",
    [{"X": "a\r\nY: b"}, {"X": "a\0"}, {"X y": "1"}, {"": "1"}, {"X:": "1"}, {"X\n": "1"}, {"é": "1"},
     {"X": "\ud800"}, {"Content-Length ": "5"}],
    ids=range(9),
)  # fmt: skip
async def test_header_that_is_none_is_not_sent(
    sink: WebhookSink, receiver: Serve, event: Outgoing, headers: dict[str, str]
) -> None:
    target = Target2xx()
    async with receiver(target.take) as url:
        sent = await sink.send(Target("webhook", url, headers=headers), event)
        asked = await sink.ask(Target("webhook", url, headers=headers), "cb.example", 60)
    assert sent == Sent(ok=False, error="invalid_settings")
    assert (asked.ok, asked.error) == (False, "invalid_settings")
    assert not target.got


@pytest.mark.parametrize("event_type", OF_TASKS)
@pytest.mark.parametrize("style", ["structured", "binary"])
async def test_cloudevents_library_reads_what_is_sent(
    sink: WebhookSink, receiver: Serve, event: Outgoing, style: str, event_type: str
) -> None:
    made = render(style, stored(event_type, data_of(event_type)))
    event = replace(event, body=made.body, content_type=made.content_type, headers=made.headers)
    request, body = await sent_to(sink, receiver, event)
    parse = from_structured if style == "structured" else from_binary
    # The library chooses its mode by ce-* headers, and knows header names in lower case only.
    message = HTTPMessage({k.lower(): v for k, v in request.headers.items()}, body)
    found = parse(message, JSONFormat(), CloudEvent)
    assert found.get_id() == "11111111-2222-4333-8444-555555555555"
    assert (found.get_specversion(), found.get_type()) == ("1.0", event_type)
    assert (found.get_source(), found.get_subject()) == ("https://cb.example", str(TASK.task_uuid))
    assert found.get_time() == NOW.replace(microsecond=999000)
    assert found.get_extension("sequence") == "0000000007"
    assert found.get_datacontenttype() == "application/json"
    data: Any = found.get_data()
    assert data == json.loads(data_of(event_type))
    (ours,) = read(request.headers, body)
    assert ours["data"] == data


async def test_batch_arrives_and_is_read(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    made = [render("structured", stored(t, data_of(t))).body for t in OF_TASKS]
    event = replace(event, body=batch(made), content_type=BATCH_CONTENT_TYPE)
    request, body = await sent_to(sink, receiver, event)
    assert [e["type"] for e in read(request.headers, body)] == OF_TASKS
    # The library knows no batches; it reads what is in one.
    for event_type, member in zip(OF_TASKS, json.loads(body), strict=True):
        alone = HTTPMessage(
            {"content-type": "application/cloudevents+json"}, json.dumps(member).encode()
        )
        assert from_structured(alone, JSONFormat(), CloudEvent).get_type() == event_type


@pytest.mark.parametrize(
    ("status", "throttled"), [(429, True), (502, True), (504, True), (500, False), (503, False)]
)
async def test_target_that_has_too_much_is_told_apart(
    sink: WebhookSink, receiver: Serve, event: Outgoing, status: int, throttled: bool
) -> None:
    target = Target2xx(Retry_After="7")
    target.status = status
    async with receiver(target.take) as url:
        sent = await sink.send(Target("webhook", url), event)
    assert (sent.status, sent.throttled, sent.retry_after_s) == (status, throttled, 7.0)


async def test_address_is_that_of_a_new_and_of_a_used_connection_and_of_many_at_once(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    async with receiver(Target2xx().take) as url:
        named = url.replace(HERE, "localhost")
        calls = [sink.send(Target("webhook", named), event) for _ in range(5)]
        for sent in [*await asyncio.gather(*calls), await calls_again(sink, named, event)]:
            assert (sent.ok, sent.address) == (True, HERE)


async def calls_again(sink: WebhookSink, url: str, event: Outgoing) -> Sent:
    return await sink.send(Target("webhook", url), event)


async def test_origin_is_told_where_the_target_consented(
    sink: WebhookSink, receiver: Serve, event: Outgoing
) -> None:
    request, _ = await sent_to(sink, receiver, event, origin="cb.example")
    assert request.headers["WebHook-Request-Origin"] == "cb.example"


async def test_consent_is_asked_at_the_exact_url_with_the_owners_headers(
    sink: WebhookSink, receiver: Serve
) -> None:
    target = Target2xx(
        WebHook_Allowed_Origin="CB.example", WebHook_Allowed_Rate="120", Allow="POST"
    )
    async with receiver(target.take) as url:
        asked = Target("webhook", f"{url}?a=b%20c", headers={"Authorization": "Bearer t"})
        consent = await sink.ask(asked, "cb.example", 600)
    assert consent == Consent(ok=True, rate=120, status=204, address=HERE)
    ((request, body),) = target.got
    assert (request.method, request.raw_path, body) == ("OPTIONS", "/hook?a=b%20c", b"")
    assert request.headers["WebHook-Request-Origin"] == "cb.example"
    assert request.headers["WebHook-Request-Rate"] == "600"
    assert request.headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"WebHook_Allowed_Origin": "*"},
        {"WebHook_Allowed_Rate": "*"},
        {"WebHook_Allowed_Origin": "other.example", "WebHook_Allowed_Rate": "*"},
        {"WebHook_Allowed_Origin": "cb.example, *", "WebHook_Allowed_Rate": "*"},
        *({"WebHook_Allowed_Origin": "*", "WebHook_Allowed_Rate": r}
          for r in ("0", "-1", "1.5", "", "many", "9" * 12)),
    ],
    ids=range(11),
)  # fmt: skip
async def test_status_alone_and_half_a_consent_are_none(
    sink: WebhookSink, receiver: Serve, headers: dict[str, str]
) -> None:
    target = Target2xx(**headers)
    target.status = 200
    async with receiver(target.take) as url:
        consent = await sink.ask(Target("webhook", url), "cb.example", 600)
    assert (consent.ok, consent.error, consent.status) == (False, "no_consent", 200)
    assert b"WebHook-Allowed-" in consent.response


async def test_everybody_and_any_rate_may_be_allowed_whatever_the_status(
    sink: WebhookSink, receiver: Serve
) -> None:
    target = Target2xx(WebHook_Allowed_Origin="*", WebHook_Allowed_Rate="*")
    target.status = 405
    async with receiver(target.take) as url:
        consent = await sink.ask(Target("webhook", url), "cb.example", 600)
    assert (consent.ok, consent.rate) == (True, None)


async def test_target_that_cannot_be_asked_says_why(receiver: Serve) -> None:
    async with receiver(Target2xx().take) as url:
        pass
    for sink, at, error in (
        (WebhookSink(), url, "refused_address"),
        (WebhookSink(), "ftp://a.example", "invalid_url"),
    ):
        consent = await sink.ask(Target("webhook", at), "cb.example", 600)
        assert consent == Consent(ok=False, error=error)
        await sink.close()


@pytest.mark.parametrize("size", [2**19, 2**19 + 1, 3 * 2**20])
async def test_a_large_body_arrives_byte_for_byte_with_its_length(
    sink: WebhookSink, receiver: Serve, event: Outgoing, size: int
) -> None:
    got: list[tuple[int | None, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        parts = [part async for part in request.content.iter_any()]
        got.append((request.content_length, b"".join(parts)))
        return web.Response()

    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    async with receiver(take) as url:
        assert (await sink.send(Target("webhook", url), replace(event, body=body))).ok
    assert got == [(size, body)]
