"""What the bench of deliveries runs on: subscriptions, events, and a deliverer with the settings of the service."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from service.bootstrap.parts import delivery_policy
from service.clock import SystemDice
from service.egress import Egress
from service.flows.deliver import Deliver
from service.flows.wake import Topic, Wake
from service.settings import load
from service.sinks.webhook import WebhookSink
from service.store import outbox
from service.store.events import NewDelivery, NewEvent
from service.store.pool import Pool
from service.vault import Vault
from service.workers.loop import Lanes

HEALTHY, SLOW, DEAD = 40, 5, 5
DATA = b'{"taskUUID":"' + b"x" * 700 + b'"}'


@dataclass(frozen=True, slots=True)
class Bench:
    """What the bench runs on."""

    pool: Pool
    wake: Wake
    vault: Vault
    url: str
    refusing: str

    async def subscribe(self) -> list[tuple[UUID, str]]:
        """Make the subscriptions: healthy, slow, dead; of the dead some refuse, some say nothing."""
        paths = [f"/healthy/{n}" for n in range(HEALTHY)] + [f"/slow/{n}" for n in range(SLOW)]
        urls = [f"{self.url}{path}" for path in paths]
        urls += [f"{self.url}/silent/{n}" if n % 2 else self.refusing for n in range(DEAD)]
        out = []
        for url in urls:
            subscription = uuid4()
            await self.pool.execute(
                "INSERT INTO callboard.subscriptions (id, tenant, kind, url, types, secret)"
                " VALUES ($1, 'default', 'webhook', $2, '{*}', $3)",
                subscription,
                url,
                self.vault.seal(b"s" * 32),
            )
            out.append((subscription, url))
        return out

    async def write(self, targets: Sequence[UUID], task: UUID, sequence: int) -> UUID:
        """Write one event and its deliveries."""
        event = NewEvent(uuid4(), "default", "task.processing", task, sequence, DATA)
        out = [NewDelivery("default", event.id, task, t, held=False, lane=t) for t in targets]
        async with self.pool.acquire() as conn, conn.transaction():
            await outbox.write(conn, datetime.now(UTC), "https://bench.example", [event], out)
        self.wake.ring_here([Topic.DELIVER])
        return event.id

    async def seen(self) -> list[Any]:
        """Ask the targets what came."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/seen") as answer:
            found: list[Any] = await answer.json(content_type=None)
            return found


@asynccontextmanager
async def delivering(bench: Bench) -> AsyncIterator[Deliver]:
    """Deliver as the service does, with its own settings."""
    settings = load()
    sink = WebhookSink(Egress([ipaddress.ip_network("127.0.0.0/8")]))
    deliver = Deliver(
        bench.pool,
        SystemDice(),
        bench.vault,
        {"webhook": sink},
        delivery_policy(settings),
        source="https://bench.example",
    )
    loop = Lanes(
        "deliver",
        deliver.claim,
        deliver.work,
        size=settings.delivery_concurrency,
        wake=bench.wake,
        topic=Topic.DELIVER,
        poll_s=settings.loop_poll_seconds,
        release=deliver.release,
    )
    stop = asyncio.Event()
    running = asyncio.create_task(loop.run(stop))
    try:
        yield deliver
    finally:
        stop.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await sink.close()


async def arrived(bench: Bench, targets: Sequence[UUID], patience_s: float = 60) -> None:
    """Wait until nothing is open for these."""
    left, until = 0, time.perf_counter() + patience_s
    while time.perf_counter() < until:
        left = await bench.pool.fetchval(
            "SELECT count(*) FROM callboard.deliveries"
            " WHERE lane = ANY ($1::uuid[]) AND state IN ('pending', 'sending')",
            list(targets),
        )
        if not left:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{left} deliveries did not arrive in {patience_s} s")
