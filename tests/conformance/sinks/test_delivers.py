"""What every sink does with a broker that is there."""

import asyncio
import json
from dataclasses import replace
from uuid import UUID

import pytest

from service.ports import Sink
from service.sinks import SINKS, SinkOptions
from tests.conformance.sinks.bench import Access, Bench, Shows
from tests.conformance.sinks.benches import showing
from tests.conformance.sinks.events import deliver_lanes, make

SUBSCRIPTION = UUID("5b000000-0000-4000-8000-000000000001")


@showing()
async def test_an_event_arrives_byte_for_byte(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    sent = await sink.send(bench.target(place), event)
    assert (sent.ok, sent.error) == (True, None)
    (arrived,) = await bench.read(place)
    assert arrived.body == event.body
    assert arrived.event_id in {None, str(event.event_id)}
    assert arrived.group in {None, str(event.task_uuid)}


@showing(Shows.ORDER)
async def test_events_of_a_task_arrive_in_their_order(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    events = make(60, tasks=6)
    await deliver_lanes(sink, bench.target(place), events)
    bodies = [arrived.body for arrived in await bench.read(place)]
    assert len(bodies) == len(events)
    for task in {event.task_uuid for event in events}:
        of_task = [event.body for event in events if event.task_uuid == task]
        assert [body for body in bodies if body in of_task] == of_task


@showing(Shows.DEDUPE)
async def test_the_same_event_twice_is_one(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place)
    first, second = await sink.send(target, event), await sink.send(target, event)
    assert (first.ok, second.ok) == (True, True)
    assert b"nown already" in second.response
    assert b"nown already" not in first.response
    assert [arrived.body for arrived in await bench.read(place)] == [event.body]


@showing(Shows.DEDUPE)
async def test_the_same_event_at_once_from_two_processes_is_one(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    other = bench.sink()
    target = bench.target(place)
    sent = await asyncio.gather(*(s.send(target, event) for s in (sink, other) * 4))
    await other.close()
    assert all(one.ok for one in sent)
    assert len(await bench.read(place)) == 1


@showing(Shows.UNROUTABLE)
async def test_a_place_that_does_not_exist_is_no_success(bench: Bench, sink: Sink) -> None:
    (event,) = make(1)
    sent = await sink.send(bench.target(bench.nowhere()), event)
    assert (sent.ok, sent.error) == (False, bench.words.get("unroutable", "unroutable"))
    place = await bench.place()
    assert (await sink.send(bench.target(place), event)).ok


@showing(Shows.TOO_LARGE)
async def test_what_is_too_large_says_so_and_stands_in_nobodys_way(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    target = bench.target(place, subscription=SUBSCRIPTION)
    large, small = make(1, size=1_500_000) + make(1, first=1)
    sent = await sink.send(target, large)
    assert (sent.ok, sent.error) == (False, "too_large")
    assert (await sink.send(target, small)).ok
    assert [arrived.body for arrived in await bench.read(place)] == [small.body]


@showing(Shows.CREDENTIALS)
async def test_bad_credentials_are_refused_and_good_ones_are_taken(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    good = bench.target(place, subscription=SUBSCRIPTION)
    bad = bench.target(place, access=Access.BAD, subscription=SUBSCRIPTION)
    assert (await sink.send(good, event)).ok
    sent = await sink.send(bad, event)
    assert (sent.ok, sent.error) == (False, "unauthorized")
    assert sent.response
    assert b"wrong" not in sent.response
    assert (await sink.send(good, event)).ok


@showing(Shows.CREDENTIALS)
async def test_nothing_of_credentials_is_printed(
    bench: Bench, sink: Sink, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place, access=Access.BAD)
    caplog.clear()
    assert not (await sink.send(target, event)).ok
    printed = "".join(capfd.readouterr())
    assert printed == caplog.text == ""


@showing(Shows.TLS)
async def test_tls_is_spoken_with_a_server_that_proves_its_name(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    sent = await sink.send(bench.target(place, tls=True), event)
    assert (sent.error, sent.ok) == (None, True)
    assert [arrived.body for arrived in await bench.read(place)] == [event.body]


@showing(Shows.TLS)
async def test_a_server_whose_certificate_nobody_vouches_for_is_not_spoken_to(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place, tls=True)
    trusting = {name: value for name, value in (target.settings or {}).items() if name != "ca"}
    sent = await sink.send(replace(target, settings=trusting), event)
    assert (sent.ok, sent.error) == (False, "tls")
    assert await bench.read(place) == []


@showing(Shows.TLS)
async def test_a_server_that_has_another_name_is_not_spoken_to(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    (event,) = make(1)
    target = bench.target(place, tls=True)
    # The same server by its address, which its certificate does not name.
    text = json.dumps(dict(target.settings or {})).replace("localhost", "127.0.0.1")
    sent = await sink.send(replace(target, settings=json.loads(text)), event)
    assert (sent.ok, sent.error) == (False, "tls")
    assert await bench.read(place) == []


@showing(Shows.TLS)
async def test_where_tls_is_wanted_nothing_goes_to_a_server_without_it(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    (event,) = make(1)
    # Redis waits for the rest of what it takes for a command.
    target = bench.target(place, tls=True, timeout_s=0.5)
    plain = {name: place.settings[name] for name in ("server", "servers") if name in place.settings}
    settings = {**(target.settings or {}), **plain}
    sent = await sink.send(replace(target, settings=settings), event)
    assert not sent.ok
    assert sent.error in {"tls", "disconnected", "timeout"}
    assert await bench.read(place) == []


@showing(Shows.CONNECTION)
async def test_many_at_once_share_one_connection(bench: Bench, sink: Sink) -> None:
    place = await bench.place()
    target = bench.target(place, subscription=SUBSCRIPTION)
    before = bench.connections()
    events = make(50, tasks=50)
    sent = await asyncio.gather(*(sink.send(target, event) for event in events))
    assert all(one.ok for one in sent)
    assert bench.connections() - before == 1
    assert {one.address for one in sent} == {"127.0.0.1"}
    await sink.close()
    assert bench.connections() == before


@showing(Shows.CONNECTION)
async def test_another_credential_takes_another_connection_and_the_old_one_goes(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    before = bench.connections()
    (event, next_event) = make(2)
    for access in (Access.GOOD, Access.OTHER, Access.GOOD):
        target = bench.target(place, access=access, subscription=SUBSCRIPTION)
        assert (await sink.send(target, event)).ok
    good = bench.target(place, subscription=SUBSCRIPTION)
    assert (await sink.send(good, next_event)).ok
    assert bench.connections() - before <= 2
    await sink.close()
    assert bench.connections() == before


@showing(Shows.CONNECTION)
async def test_a_private_address_is_not_connected_to(bench: Bench) -> None:
    place = await bench.place()
    (event,) = make(1)
    guarded = SINKS[bench.kind](SinkOptions(bench.folder))
    for tls in (False, True):
        sent = await guarded.send(bench.target(place, tls=tls), event)
        assert (sent.ok, sent.error) == (False, "refused_address")
    await guarded.close()
    assert await bench.read(place) == []
