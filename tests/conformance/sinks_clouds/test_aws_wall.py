"""The AWS sinks before a service that answers what a test wants: throttling, failed entries, redirects, silence."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from ipaddress import ip_network
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from service.ports import Outgoing, Target
from service.sinks.aws.eventbridge import EventbridgeSink
from service.sinks.aws.sink import AwsSink
from service.sinks.aws.sns import SnsSink
from service.sinks.aws.sqs import SqsSink
from tests.support.processes import free_port
from tests.support.proxy import http_proxy

Events = Callable[..., Outgoing]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], AbstractAsyncContextManager[str]]
LOOPBACK = (ip_network("127.0.0.0/8"),)
KEYS = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "hush hush", "sessionToken": "token"}


class NoNames(AbstractResolver):
    """Knows no name."""

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        assert host == "sqs.eu-central-1.amazonaws.com"
        raise OSError("no such name")

    async def close(self) -> None:
        pass


@pytest.fixture
async def sqs() -> AsyncIterator[SqsSink]:
    sink = SqsSink(LOOPBACK)
    yield sink
    await sink.close()


def to(url: str, timeout_s: float = 5, keys: dict[str, str] = KEYS, **settings: Any) -> Target:
    place = {
        "queueUrl": "https://sqs.eu-central-1.amazonaws.com/1/q",
        "topicArn": "arn:aws:sns:eu-central-1:123456789012:t",
        "region": "eu-central-1",
        "endpointUrl": url.removesuffix("/hook"),
    }
    return Target(
        "sqs", settings=place | settings, credentials=keys, timeout_s=timeout_s, id=uuid4()
    )


def answering(status: int, body: dict[str, Any], **headers: str) -> Handler:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        kind = "application/x-amz-json-1.1"
        return web.Response(
            status=status, body=json.dumps(body), content_type=kind, headers=headers
        )

    return handler


@pytest.mark.parametrize(
    ("status", "code", "error", "throttled"),
    [
        (400, "ThrottlingException", "http_400", True),
        (403, "RequestThrottled", "http_403", True),
        (400, "OverLimit", "http_400", True),
        (429, "Whatever", "http_429", True),
        (503, "ServiceUnavailable", "http_503", True),
        (500, "InternalFailure", "http_500", False),
        (400, "InvalidMessageContents", "http_400", False),
        (400, "AccessDeniedException", "unauthorized", False),
        (403, "SomethingNew", "unauthorized", False),
        (400, "QueueDoesNotExist", "unroutable", False),
    ],
)
async def test_errors_of_the_service_have_their_words(
    receiver: Serve,
    sqs: SqsSink,
    make_event: Events,
    status: int,
    code: str,
    error: str,
    throttled: bool,
) -> None:
    body = {"__type": f"com.amazonaws.sqs#{code}", "message": "as it is said"}
    async with receiver(answering(status, body)) as url:
        sent = await sqs.send(to(url), make_event())
    assert (sent.ok, sent.status, sent.error, sent.throttled) == (False, status, error, throttled)
    assert sent.response == f"{code}: as it is said".encode()


@pytest.mark.parametrize(
    ("entry", "error", "throttled"),
    [
        ({"ErrorCode": "ThrottlingException", "ErrorMessage": "slow"}, "rejected", True),
        ({"ErrorCode": "InternalFailure", "ErrorMessage": "slow"}, "rejected", False),
        ({"ErrorCode": "NotAuthorized", "ErrorMessage": "slow"}, "unauthorized", False),
    ],
)
async def test_a_failed_entry_is_a_failure_although_the_call_was_good(
    receiver: Serve, make_event: Events, entry: dict[str, str], error: str, throttled: bool
) -> None:
    sink = EventbridgeSink(LOOPBACK)
    async with receiver(answering(200, {"FailedEntryCount": 1, "Entries": [entry]})) as url:
        sent = await sink.send(to(url), make_event())
        await sink.close()
    assert (sent.ok, sent.error, sent.throttled) == (False, error, throttled)
    assert sent.response == f"{entry['ErrorCode']}: slow".encode()


async def test_an_answer_without_an_event_id_is_no_success(
    receiver: Serve, make_event: Events
) -> None:
    sink = EventbridgeSink(LOOPBACK)
    async with receiver(answering(200, {})) as url:
        sent = await sink.send(to(url), make_event())
        await sink.close()
    assert (sent.ok, sent.error) == (False, "rejected")


async def test_one_attempt_is_one_call(receiver: Serve, sqs: SqsSink, make_event: Events) -> None:
    calls: list[str] = []
    inner = answering(500, {"__type": "InternalFailure"})

    async def handler(request: web.Request) -> web.StreamResponse:
        calls.append(request.path)
        return await inner(request)

    async with receiver(handler) as url:
        assert not (await sqs.send(to(url), make_event())).ok
    assert len(calls) == 1


async def test_a_redirect_leads_to_no_address_that_is_refused(
    receiver: Serve, sqs: SqsSink, make_event: Events
) -> None:
    where = {"Location": "http://169.254.169.254/latest/meta-data/"}
    async with receiver(answering(307, {}, **where)) as url:
        sent = await sqs.send(to(url), make_event())
    assert (sent.ok, sent.error) == (False, "refused_address")


async def test_a_service_that_is_silent_is_a_timeout(
    receiver: Serve, sqs: SqsSink, make_event: Events
) -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return web.Response()

    async with receiver(handler) as url:
        sent = await sqs.send(to(url, timeout_s=0.3), make_event())
    assert (sent.ok, sent.error) == (False, "timeout")


@pytest.mark.parametrize("make", [SqsSink, SnsSink])
@pytest.mark.parametrize("body", [b"<html>", b"{}", b"", b"[]"])
async def test_regression_a_good_status_without_a_message_id_confirms_nothing(
    receiver: Serve, make_event: Events, make: type[AwsSink], body: bytes
) -> None:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body)

    sink = make(LOOPBACK)
    async with receiver(handler) as url:
        sent = await sink.send(to(url), make_event())
        await sink.close()
    assert (sent.ok, sent.error) == (False, "protocol")


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"endpointUrl": "http://10.0.0.1"}, "refused_address"),
        ({"endpointUrl": "http://[::ffff:10.0.0.1]"}, "refused_address"),
        ({"endpointUrl": "http://0x7f000001"}, "invalid_url"),
        ({"endpointUrl": "http://no.such.name.invalid"}, "dns"),
        ({"endpointUrl": "http://127.0.0.1:6379"}, "invalid_url"),
        ({}, "connect"),
        ({"region": ""}, "invalid_settings"),
        ({"region": "no such region"}, "invalid_settings"),
        ({"queueUrl": 5}, "invalid_settings"),
        ({"maxBytes": "1"}, "invalid_settings"),
    ],
)
async def test_settings_that_lead_nowhere_have_their_word(
    sqs: SqsSink, make_event: Events, changed: dict[str, Any], error: str
) -> None:
    sent = await sqs.send(to(f"http://127.0.0.1:{free_port()}", **changed), make_event())
    assert (sent.ok, sent.error) == (False, error)


async def test_the_machines_own_role_is_lent_to_nobody_who_is_not_allowed_it(
    receiver: Serve, sqs: SqsSink, make_event: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEHOUSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the house")
    async with receiver(answering(200, {"MessageId": "1"})) as url:
        sent = await sqs.send(to(url, keys={}), make_event())
    assert (sent.ok, sent.error) == (False, "invalid_settings")
    assert b"CALLBOARD_AWS_AMBIENT" in sent.response


async def test_the_role_goes_to_no_endpoint_of_a_stranger_even_where_it_is_lent(
    receiver: Serve, make_event: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEHOUSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the house")
    sink = SnsSink(LOOPBACK, ambient=True)
    async with receiver(answering(200, {"MessageId": "1"})) as url:
        sent = await sink.send(to(url, keys={}), make_event())
        await sink.close()
    assert (sent.ok, sent.error) == (False, "invalid_settings")
    assert b"endpointUrl" in sent.response


async def test_the_role_is_used_where_it_is_lent(
    make_event: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEHOUSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the house")
    sink = SqsSink(LOOPBACK, ambient=True, resolver=NoNames())
    target = to("", keys={})
    settings = {k: v for k, v in (target.settings or {}).items() if k != "endpointUrl"}
    sent = await sink.send(replace(target, settings=settings), make_event())
    await sink.close()
    # It had a key, and went as far as to ask for AWS's own address.
    assert (sent.ok, sent.error) == (False, "dns")


async def test_nothing_that_lies_about_on_this_machine_is_used(
    receiver: Serve, sqs: SqsSink, make_event: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    seen: list[str] = []
    inner = answering(200, {"MessageId": "1"})

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"] + request.headers["X-Amz-Security-Token"])
        return await inner(request)

    async with receiver(handler) as url:
        assert (await sqs.send(to(url), make_event())).ok
    assert "AKIAEXAMPLE" in seen[0]
    assert seen[0].endswith("token")


async def test_calls_go_through_the_proxy_of_the_service_and_literals_are_checked_all_the_same(
    receiver: Serve, make_event: Events
) -> None:
    async with receiver(answering(200, {"MessageId": "1"})) as url:
        there = ("127.0.0.1", int(url.removesuffix("/hook").rpartition(":")[2]))
        async with http_proxy({"aws.invalid": there}) as proxy:
            sink = SqsSink(proxy=proxy.url)
            sent = await sink.send(to("http://aws.invalid"), make_event())
            refused = await sink.send(to("http://10.0.0.1"), make_event())
            unknown = await sink.send(to("http://other.invalid"), make_event())
            await sink.close()
    assert sent.ok
    assert refused.error == "refused_address"
    assert (unknown.ok, unknown.error) == (False, "http_502")
    assert proxy.asked == ["POST http://aws.invalid/", "POST http://other.invalid/"]


async def test_a_proxy_that_is_away_is_named(make_event: Events) -> None:
    sink = SqsSink(proxy=f"http://127.0.0.1:{free_port()}")
    sent = await sink.send(to("https://aws.invalid"), make_event())
    await sink.close()
    assert (sent.ok, sent.error) == (False, "proxy")
