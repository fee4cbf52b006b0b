"""Addresses where no broker is, or none that answers: one word for each, and the next attempt begins anew."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from service.ports import Sink, Target
from tests.conformance.sinks.bench import Bench, Shows
from tests.conformance.sinks.benches import showing
from tests.conformance.sinks.events import make
from tests.support.processes import free_port


def at(target: Target, port: int, host: str = "127.0.0.1") -> Target:
    """Give the same target on another server."""
    settings = dict(target.settings or {})
    name = "server" if "server" in settings else "servers"
    there = f"{host}:{port}"
    return replace(target, settings=settings | {name: there if name == "server" else [there]})


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """Give a port that takes connections and says nothing."""
    talking: set[asyncio.StreamWriter] = set()

    async def listen(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(writer)

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    for writer in talking:
        writer.close()


@showing(Shows.CONNECTION, Shows.SERVERS)
@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_says_nothing_is_a_timeout_and_leaves_no_connection(
    bench: Bench, sink: Sink, silent: int, tls: bool
) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place, tls=tls, timeout_s=0.2)
    sent = await sink.send(at(target, silent), event)
    assert (sent.ok, sent.error) == (False, "timeout")
    before = bench.connections()
    assert (await sink.send(bench.target(place), event)).ok
    await sink.close()
    assert bench.connections() == before


@showing(Shows.SERVERS)
async def test_a_port_where_nobody_listens_and_a_name_that_means_nothing(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    sent = await sink.send(at(bench.target(place), free_port()), event)
    assert (sent.ok, sent.error) == (False, "connect")
    sent = await sink.send(at(bench.target(place), 1, "nowhere.invalid"), event)
    assert (sent.ok, sent.error) == (False, "dns")


@showing(Shows.SERVERS)
async def test_settings_that_make_no_sense_are_no_exception(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place)
    for settings in ({}, {**(target.settings or {}), "tls": "yes"}):
        sent = await sink.send(replace(target, settings=settings), event)
        assert (sent.ok, sent.error) == (False, "invalid_settings")
        assert b"should" in sent.response
    settings = {**(target.settings or {}), "tls": True, "ca": "-----BEGIN CERTIFICATE-----"}
    sent = await sink.send(replace(target, settings=settings), event)
    assert (sent.ok, sent.error) == (False, "invalid_settings")


@showing(Shows.SERVERS)
async def test_of_several_servers_the_first_that_answers_is_taken(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place)
    if "servers" in (target.settings or {}):
        several = [f"127.0.0.1:{free_port()}", *place.settings["servers"]]
        target = replace(target, settings=dict(target.settings or {}) | {"servers": several})
    assert (await sink.send(target, event)).ok


@showing(Shows.CONNECTION)
async def test_an_attempt_that_is_canceled_leaves_the_next_one_a_clean_start(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    events = make(200)
    target = bench.target(place)
    sending = asyncio.gather(*(sink.send(target, event) for event in events))
    assert (await sink.send(target, events[0])).ok
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    for event in events[:5]:
        assert (await sink.send(target, event)).ok
    assert {event.body for event in events[:5]} <= {one.body for one in await bench.read(place)}
