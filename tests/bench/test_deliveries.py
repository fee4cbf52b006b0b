"""A thousand deliveries a second over fifty subscriptions, five dead and five slow: what the healthy ones feel of it.

`make bench` prints the figures: latency from the writing of an event to its arrival, idle and loaded, and throughput
against plain POSTs of the same bytes in the same run. Nothing may be lost, and order is kept per task and subscription.
"""

import asyncio
import io
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
import structlog

from service.core.event import StoredEvent
from service.flows.wake import Wake
from service.observe import set_up_logs
from service.store.pool import create_pool
from service.vault import Vault
from service.wire.events import envelope
from tests.support.delivering import DATA, DEAD, HEALTHY, SLOW, Bench, arrived, delivering

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
IDLE_EVENTS = 150
LOADED_S = 30
EVENTS_A_SECOND, GROUPS = 100, 5
"""Each goes to one of five groups of ten subscriptions, to one after the other."""
OF_A_TASK = 3
AT_ONCE = 64
PLAIN = 4000


@pytest.fixture
def targets() -> Iterator[str]:
    """Run the targets in a process of their own."""
    command = (sys.executable, "-m", "tests.support.targets_process")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        process.stdin.close()


@pytest.fixture
async def bench(dsn: str, targets: str) -> AsyncIterator[Bench]:
    pool = await create_pool(dsn, size=16, statement_timeout_s=30)
    set_up_logs("json", "info", io.StringIO())
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        yield Bench(pool, Wake(), Vault([b"k" * 32]), targets, refusing)
    structlog.reset_defaults()
    await pool.close()


async def test_healthy_targets_beside_dead_and_slow_ones(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    subscribed = await bench.subscribe()
    everyone = [subscription for subscription, _ in subscribed]
    async with delivering(bench):
        idle = await _idle(bench, everyone[:HEALTHY])
        written, offered = await _load(bench, everyone)
        await arrived(bench, everyone[:HEALTHY])
        came = await bench.seen()
    healthy = [c for c in came if c[0].startswith("/healthy")]
    _nothing_is_lost(bench, subscribed, came, written)
    await _the_rest_still_waits(bench, came, written)
    _in_order(came)
    loaded = sorted(at - written[UUID(event)][0] for _, event, _, _, at in healthy)
    with capsys.disabled():
        print(
            f"\n{len(subscribed)} subscriptions, {DEAD} dead, {SLOW} slow, {offered:.0f} deliveries/s offered"
        )
        print(f"idle    p50 {_ms(idle, 0.5)}  p99 {_ms(idle, 0.99)}")
        print(
            f"loaded  p50 {_ms(loaded, 0.5)}  p99 {_ms(loaded, 0.99)}  (healthy ones, {len(loaded)} deliveries)"
        )
        print(
            f"ratio of p99 {_at(loaded, 0.99) / _at(idle, 0.99):.1f}, to idle p50 {_at(loaded, 0.99) / _at(idle, 0.5):.1f}"
        )


async def test_deliveries_a_second(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    subscribed = await bench.subscribe()
    healthy = [subscription for subscription, _ in subscribed[:HEALTHY]]
    plain = await _plain(f"{bench.url}/healthy/0")
    await bench.seen()
    for _ in range(PLAIN // HEALTHY):
        await bench.write(healthy, uuid4(), 1)
    began = time.perf_counter()
    async with delivering(bench):
        await arrived(bench, healthy)
        rate = PLAIN / (time.perf_counter() - began)
    with capsys.disabled():
        print(f"\nceiling, plain POSTs of the same bytes, {AT_ONCE} at once {plain:8.0f}/s")
        print(f"claimed, signed, sent, recorded                      {rate:8.0f}/s")
        print(f"ratio {rate / plain:.2f}")


async def _idle(bench: Bench, targets: Sequence[UUID]) -> list[float]:
    """Deliver one event at a time; gives the latencies in seconds, sorted."""
    written = {}
    for n in range(IDLE_EVENTS):
        written[await bench.write([targets[n % len(targets)]], uuid4(), 1)] = time.time()
        await asyncio.sleep(0.03)
    await arrived(bench, targets)
    return sorted(at - written[UUID(event)] for _, event, _, _, at in await bench.seen())


async def _load(
    bench: Bench, targets: Sequence[UUID]
) -> tuple[dict[UUID, tuple[float, UUID, Sequence[UUID]]], float]:
    """Write events at a steady pace, each to one group of targets after the other.

    Gives when each was written and for whom, and the rate of deliveries.
    """
    written: dict[UUID, tuple[float, UUID, Sequence[UUID]]] = {}
    groups = [targets[n::GROUPS] for n in range(GROUPS)]
    tasks = [uuid4() for _ in groups]
    began = time.perf_counter()
    total = LOADED_S * EVENTS_A_SECOND
    for n in range(total):
        turn, group = divmod(n, GROUPS)
        if turn % OF_A_TASK == 0:
            tasks[group] = uuid4()
        event = await bench.write(groups[group], tasks[group], turn % OF_A_TASK + 1)
        written[event] = time.time(), tasks[group], groups[group]
        await asyncio.sleep(max(0.0, began + (n + 1) / EVENTS_A_SECOND - time.perf_counter()))
    return written, total * len(groups[0]) / (time.perf_counter() - began)


def _nothing_is_lost(
    bench: Bench, subscribed: Sequence[tuple[UUID, str]], came: Sequence[Any], written: Any
) -> None:
    """All that was written for a healthy target came."""
    events = defaultdict(set)
    for path, event, *_ in came:
        events[path].add(UUID(event))
    for subscription, url in subscribed[:HEALTHY]:
        wanted = {e for e, (_, _, targets) in written.items() if subscription in targets}
        assert events[url.removeprefix(bench.url)] == wanted


async def _the_rest_still_waits(
    bench: Bench, came: Sequence[Any], written: dict[UUID, Any]
) -> None:
    """What did not come is still to be delivered, and what counts as delivered came."""
    rows = await bench.pool.fetch(
        "SELECT s.url, d.state, d.event_id FROM callboard.deliveries AS d"
        " JOIN callboard.subscriptions AS s ON s.id = d.lane WHERE d.event_id = ANY ($1::uuid[])",
        list(written),
    )
    assert len(rows) == sum(len(targets) for _, _, targets in written.values())
    arrived = {(path, UUID(event)) for path, event, *_ in came}
    delivered = [r for r in rows if r["state"] == "delivered"]
    assert all((r["url"].removeprefix(bench.url), r["event_id"]) in arrived for r in delivered)
    assert {r["state"] for r in rows} <= {"delivered", "pending", "sending"}


def _in_order(came: Sequence[Any]) -> None:
    last: dict[tuple[str, str], str] = {}
    seen = set()
    for path, event, subject, sequence, _ in came:
        if (path, event) in seen:
            continue
        seen.add((path, event))
        assert last.get((path, subject), "") < sequence
        last[path, subject] = sequence


async def _plain(url: str) -> float:
    """Post the same bytes, AT_ONCE at a time; gives the rate a second."""
    left = iter(range(PLAIN))
    body = envelope(StoredEvent(uuid4(), "s", "t", uuid4(), datetime.now(UTC), 1, DATA))

    async with aiohttp.ClientSession() as session:

        async def lane() -> None:
            for _ in left:
                async with session.post(url, data=body) as answer:
                    await answer.read()

        return await _rate([lane for _ in range(AT_ONCE)])


async def _rate(lanes: Sequence[Callable[[], Awaitable[None]]]) -> float:
    began = time.perf_counter()
    await asyncio.gather(*(lane() for lane in lanes))
    return PLAIN / (time.perf_counter() - began)


def _at(latencies: Sequence[float], share: float) -> float:
    return latencies[int(len(latencies) * share)]


def _ms(latencies: Sequence[float], share: float) -> str:
    return f"{_at(latencies, share) * 1000:7.1f} ms"
