"""What only NATS has: subjects and rights, keys, servers that advertise others or promise TLS and have none."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from service.ports import Sink, Target
from service.sinks.nats.nkey import read_creds, read_seed
from tests.conformance.sinks.bench import Access, Bench
from tests.conformance.sinks.bench_nats import NKEY_PUBLIC, NKEY_SEED
from tests.conformance.sinks.events import make

pytestmark = pytest.mark.parametrize("bench", ["nats"], indirect=True)
Fake = Callable[..., AbstractAsyncContextManager[tuple[int, list[bytes]]]]


def changed(target: Target, **settings: Any) -> Target:
    return replace(target, settings=dict(target.settings or {}) | settings)


async def test_a_subject_that_may_not_be_published_to_says_so_at_once(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    narrow = {"username": "narrow", "password": "narrow"}
    sent = await sink.send(replace(bench.target(place), credentials=narrow), event)
    assert (sent.ok, sent.error) == (False, "unauthorized")
    assert b"permissions violation for publish" in sent.response


async def test_an_inbox_that_may_not_be_listened_to_says_so(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    narrow = {"username": "narrow", "password": "narrow"}
    target = replace(changed(bench.target(place), inboxPrefix="other"), credentials=narrow)
    sent = await sink.send(target, event)
    assert (sent.ok, sent.error) == (False, "unauthorized")


async def test_another_stream_than_expected_is_no_success(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    sent = await sink.send(changed(bench.target(place), stream="another"), event)
    assert (sent.ok, sent.error) == (False, "unroutable")
    sent = await sink.send(changed(bench.target(place), stream=place.name), event)
    assert sent.ok
    assert place.name.encode() in sent.response


async def test_a_subject_that_is_none_is_refused_before_it_is_sent(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    sent = await sink.send(changed(bench.target(place), subject="a\r\nPUB b 1"), event)
    assert (sent.ok, sent.error) == (False, "invalid_settings")


async def test_a_key_logs_in(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = replace(bench.target(place), credentials={"nkeySeed": NKEY_SEED})
    assert (await sink.send(target, event)).ok
    bad = replace(target, credentials={"nkeySeed": NKEY_SEED[:-1] + "A"})
    assert (await sink.send(bad, event)).error == "invalid_settings"


def test_creds_are_read(bench: Bench) -> None:
    text = (
        f"-----BEGIN NATS USER JWT-----\neyJ.e30.x_-y\n------END NATS USER JWT------\n\n"
        f"*** IMPORTANT ***\n\n-----BEGIN USER NKEY SEED-----\n{NKEY_SEED}\n"
        f"------END USER NKEY SEED------\n"
    )
    jwt, key = read_creds(text)
    assert (jwt, key.public) == ("eyJ.e30.x_-y", NKEY_PUBLIC)
    for broken in (text.replace("JWT", "X"), text.replace(NKEY_SEED, "SU"), ""):
        with pytest.raises(ValueError, match=r".+"):
            read_creds(broken)
    with pytest.raises(ValueError, match=r".+"):
        read_seed(NKEY_PUBLIC)


@asynccontextmanager
async def fake_server(**info: Any) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Serve as a NATS server that says of itself what a test wants, and keep what it is told."""
    told: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.append(b"(connected)")
        writer.write(b"INFO " + json.dumps({"max_payload": 1000, **info}).encode() + b"\r\n")
        while line := await reader.readline():
            told.append(line)
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
            if line.startswith((b"PUB", b"HPUB")):
                break
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], told


async def test_a_server_without_tls_is_not_told_a_password_that_was_meant_for_tls(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    secret = {"username": "u", "password": "a-secret"}
    for credentials in (secret, {"token": "a-secret"}, {"nkeySeed": NKEY_SEED}, {}):
        async with fake_server(auth_required=True, nonce="abc") as (port, told):
            target = changed(bench.target(place, tls=True), servers=[f"127.0.0.1:{port}"])
            sent = await sink.send(replace(target, credentials=credentials), event)
        assert (sent.ok, sent.error) == (False, "tls")
        assert b"secret" not in b"".join(told)
        assert b"HPUB" not in b"".join(told)


async def test_servers_that_are_advertised_are_not_connected_to(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    first, second = make(2)
    async with (
        fake_server(headers=True) as (other, told_other),
        fake_server(headers=True, connect_urls=[f"127.0.0.1:{other}"]) as (port, told),
    ):
        target = changed(bench.target(place), servers=[f"127.0.0.1:{port}"])
        sent = await sink.send(target, first)
        assert (sent.ok, sent.error) == (False, "disconnected")
        assert not (await sink.send(target, second)).ok
        await sink.close()
    assert told.count(b"(connected)") == 2
    assert told_other == []


async def test_bad_credentials_say_what_the_server_says(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    sent = await sink.send(bench.target(place, access=Access.BAD), event)
    assert b"authorization violation" in sent.response.lower()
