"""Nothing that was confirmed is lost, whoever stops or is killed, and the rest arrives later."""

import asyncio
import json
import signal
import sys
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from service.ports import Sink
from tests.conformance.sinks.bench import Bench, Place, Shows, until
from tests.conformance.sinks.benches import showing
from tests.conformance.sinks.events import deliver, deliver_lanes, make
from tests.support.processes import ROOT

OTHER_SUBSCRIPTION = UUID("5b000000-0000-4000-8000-000000000002")


async def all_there(bench: Bench, place: Place, bodies: list[bytes]) -> None:
    """Hold what arrived against what was confirmed: nothing is missing, and first sights are in order."""
    found = [arrived.body for arrived in await bench.read(place)]
    firsts = list(dict.fromkeys(found))
    if Shows.DEDUPE in bench.shows:
        assert found == firsts
    assert sorted(firsts) == sorted(bodies)
    if Shows.ORDER in bench.shows:
        assert firsts == bodies


async def back(bench: Bench) -> None:
    """Start a broker again while the test goes on."""
    bench.launch()

    async def ready() -> bool:
        return await asyncio.to_thread(bench.ready)

    await until(ready)


@showing(Shows.RESTART)
async def test_a_restart_of_the_broker_loses_nothing_and_what_came_meanwhile_arrives(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    target = bench.target(place, timeout_s=2.0)
    before, meanwhile, after = make(20), make(5, first=20), make(5, first=25)
    await deliver_lanes(sink, target, before)
    unused = replace(target, id=OTHER_SUBSCRIPTION)
    await deliver(sink, unused, before[0])
    bench.stop()
    away = await sink.send(target, meanwhile[0])
    assert not away.ok
    assert away.error in {"connect", "disconnected", "timeout"}
    sending = asyncio.gather(deliver_lanes(sink, target, meanwhile))
    await back(bench)
    await sending
    # That its connection ended while it was not used costs a subscription no attempt.
    assert (await sink.send(unused, before[0])).ok
    await deliver_lanes(sink, target, after)
    await all_there(bench, place, [event.body for event in before + meanwhile + after])


@showing(Shows.CRASH)
async def test_a_broker_that_is_killed_while_it_takes_events_loses_no_confirmed_one(
    bench: Bench, sink: Sink
) -> None:
    place = await bench.place()
    target = bench.target(place, timeout_s=2.0)
    events = make(300)
    confirmed = asyncio.Semaphore(0)

    async def send_all() -> None:
        for event in events:
            await deliver(sink, target, event)
            confirmed.release()

    sending = asyncio.gather(send_all())
    for _ in range(30):
        await confirmed.acquire()
    bench.kill()
    await back(bench)
    await sending
    await all_there(bench, place, [event.body for event in events])


@showing()
async def test_a_sender_that_is_killed_has_lost_nothing_that_it_called_confirmed(
    bench: Bench, tmp_path: Path
) -> None:
    place = await bench.place()
    target = bench.target(place)
    events = make(bench.many)
    early = bench.many // 7
    order = {
        "kind": bench.kind,
        "url": target.url,
        "settings": target.settings,
        "credentials": target.credentials,
        "folder": str(bench.folder),
        "count": len(events),
    }
    (tmp_path / "order").write_text(json.dumps(order))
    ids = [str(event.event_id) for event in events]
    confirmed = await _run(tmp_path, 0, kill_after=early)
    assert early <= len(confirmed) < len(ids)
    assert confirmed == ids[: len(confirmed)]
    arrived = [one.body for one in await bench.read(place)]
    assert {event.body for event in events[: len(confirmed)]} <= set(arrived)
    rest = await _run(tmp_path, len(confirmed), kill_after=None)
    assert confirmed + rest == ids
    await all_there(bench, place, [event.body for event in events])


async def _run(folder: Path, first: int, *, kill_after: int | None) -> list[str]:
    """Run the sender from an event on; gives what it called confirmed until it ended, or was killed."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.conformance.sinks.sender", folder / "order", str(first)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(60):
        while line := await child.stdout.readline():
            lines.append(line.decode())
            if len(lines) == kill_after:
                child.send_signal(signal.SIGKILL)
        code = await child.wait()
    assert code == (0 if kill_after is None else -signal.SIGKILL)
    return [line.strip() for line in lines if line.endswith("\n")]
