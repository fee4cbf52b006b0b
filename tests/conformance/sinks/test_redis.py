"""What only Redis has: a memory of its own for events, the length of streams, replicas, users without scripts."""

from dataclasses import replace
from typing import Any

import pytest
from redis.crc import key_slot

from service.ports import Sink, Target
from tests.conformance.sinks.bench import Bench
from tests.conformance.sinks.bench_redis import RedisBench
from tests.conformance.sinks.events import make

pytestmark = pytest.mark.parametrize("bench", ["redis"], indirect=True)


def changed(target: Target, **settings: Any) -> Target:
    return replace(target, settings=dict(target.settings or {}) | settings)


async def test_a_user_without_scripts_is_told_so_and_can_do_without(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    plain = replace(bench.target(place), credentials={"username": "plain", "password": "plain"})
    sent = await sink.send(plain, event)
    assert (sent.ok, sent.error) == (False, "unauthorized")
    without = changed(plain, dedupeSeconds=0)
    assert (await sink.send(without, event)).ok
    assert (await sink.send(without, event)).ok
    assert len(await bench.read(place)) == 2


async def test_a_stream_is_cut_to_about_its_length(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    target = changed(bench.target(place), maxLength=100)
    for event in make(300):
        assert (await sink.send(target, event)).ok
    assert 100 <= len(await bench.read(place)) < 300


@pytest.mark.parametrize("tagged", ["{}", "a:{{{}}}:b"])
async def test_what_is_remembered_lies_where_its_stream_does(
    bench: Bench, sink: Sink, tagged: str
) -> None:
    assert isinstance(bench, RedisBench)
    place = await bench.place()
    name = tagged.format(place.name)
    (event,) = make(1)
    assert (await sink.send(changed(bench.target(place), stream=name), event)).ok
    async with bench.client() as client:
        memories = [key async for key in client.scan_iter(f"callboard:*{event.event_id}")]
        (memory,) = [key for key in memories if f":{name}:".encode() in key]
        assert await client.ttl(memory) > 86_000
    assert key_slot(memory) == key_slot(name.encode())


async def test_replicas_that_are_missing_are_no_success(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = changed(bench.target(place, timeout_s=1.0), replicas=1)
    sent = await sink.send(target, event)
    assert (sent.ok, sent.error) == (False, "rejected")
    assert sent.response == b"0 of 1 replicas have it."


async def test_a_key_that_is_no_stream_says_so(bench: Bench, sink: Sink) -> None:
    assert isinstance(bench, RedisBench)
    place = await bench.place()
    (event,) = make(1)
    async with bench.client() as client:
        await client.set(place.name, "text")
    sent = await sink.send(bench.target(place), event)
    assert (sent.ok, sent.error) == (False, "unroutable")


async def test_a_clients_certificate_is_shown(bench: Bench, sink: Sink) -> None:
    assert isinstance(bench, RedisBench)
    place = await bench.place()
    (event,) = make(1)
    files = bench.certificates
    target = bench.target(place, tls=True)
    own = {"certificate": files.client, "key": files.client_key}
    shown = replace(target, credentials={**target.credentials, **own})
    assert (await sink.send(shown, event)).ok
    strange = {"certificate": files.ca, "key": files.client_key}
    sent = await sink.send(replace(target, credentials={**target.credentials, **strange}), event)
    assert (sent.ok, sent.error) == (False, "invalid_settings")
