"""One slow or dead target delays no other: real sockets, and fewer places than the bad ones would take."""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiohttp import web

from service.egress import Egress
from service.flows.deliver import Deliver
from service.flows.wake import Topic
from service.sinks.webhook import WebhookSink
from service.store.pool import Pool
from service.workers.loop import Lanes
from tests.support.flows import accepted, submission, subscribed, until
from tests.support.house import DELIVERIES, House

EVENTS = 30
PLACES = 6
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


class Targets:
    """A target that answers and one that never does until it is let, on one port; and a port that refuses."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.let = asyncio.Event()
        self.url = ""
        self.refusing = ""

    async def healthy(self, request: web.Request) -> web.Response:
        await request.read()
        self.came["healthy"] += 1
        return web.Response()

    async def hanging(self, request: web.Request) -> web.Response:
        await request.read()
        self.came["hanging"] += 1
        await self.let.wait()
        return web.Response()


@pytest.fixture
async def targets() -> AsyncIterator[Targets]:
    out = Targets()
    app = web.Application()
    app.router.add_post("/healthy", out.healthy)
    app.router.add_post("/hanging", out.hanging)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    out.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    with socket.socket() as bound:
        # Bound and not listening: whoever connects is refused, and nobody else gets the port.
        bound.bind(("127.0.0.1", 0))
        out.refusing = f"http://127.0.0.1:{bound.getsockname()[1]}/"
        yield out
    out.let.set()
    await runner.cleanup()


@pytest.fixture
async def sink() -> AsyncIterator[WebhookSink]:
    made = WebhookSink(Egress([LOOPBACK]))
    yield made
    await made.close()


async def test_a_hanging_and_a_refusing_target_delay_no_other(
    house: House, pool: Pool, sink: WebhookSink, targets: Targets
) -> None:
    policy = replace(DELIVERIES, timeout_s=60.0)
    deliver = Deliver(pool, house.dice, house.vault, {"webhook": sink}, policy, source="s")
    for url in (f"{targets.url}/hanging", targets.refusing, f"{targets.url}/healthy"):
        await subscribed(house, url=url)
    await accepted(house, *[submission() for _ in range(EVENTS)])
    await house.send_queued()
    stop = asyncio.Event()
    loop = Lanes(
        "deliver",
        deliver.claim,
        deliver.work,
        size=PLACES,
        wake=house.wake,
        topic=Topic.DELIVER,
        poll_s=0.05,
        release=deliver.release,
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(loop.run(stop))

        async def all_came() -> bool:
            return targets.came["healthy"] == EVENTS

        await until(all_came)
        assert 0 < targets.came["hanging"] <= DELIVERIES.per_target
        stop.set()
        targets.let.set()
    states = await pool.fetch(
        "SELECT s.url, d.state, count(*) AS n FROM callboard.deliveries AS d"
        " JOIN callboard.subscriptions AS s ON s.id = d.target GROUP BY s.url, d.state"
    )
    by_url = {(r["url"], r["state"]): r["n"] for r in states}
    assert by_url[f"{targets.url}/healthy", "delivered"] == EVENTS
    assert by_url[targets.refusing, "pending"] == EVENTS
    tried = await pool.fetchval("SELECT count(*) FROM callboard.attempts WHERE error = 'connect'")
    assert tried < EVENTS
    assert (
        await pool.fetchval("SELECT count(*) FROM callboard.deliveries WHERE state = 'sending'")
        == 0
    )
