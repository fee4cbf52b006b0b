"""Deliveries as they arrive: events of ours, written in a format, signed and sent by the real sink over a socket."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from service.core.event import StoredEvent
from service.core.signing import format_public_key, format_secret
from service.core.states import ResultState, State
from service.core.task import Card, Result, Task, Video
from service.egress import Egress
from service.ports import Outgoing, Sent, Target
from service.sinks.webhook import WebhookSink
from service.vault import public_key
from service.wire.events import event_data
from service.wire.formats import render

RAW_SECRET, RAW_OTHER, SEED = b"e" * 32, b"o" * 32, b"k" * 32
SECRET, SPARE_SECRET = format_secret(RAW_SECRET), format_secret(b"s" * 32)
PUBLIC_KEY = format_public_key(public_key(SEED))
STYLES = ("structured", "binary", "standard", "batched")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TASK = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")
PLAN: dict[str, Any] = {
    "order": 7,
    "next": [
        {
            "provider": "runware",
            "request": {"model": "sync:3@0", "inputs": {"video": "$videoURL"}},
            "labels": {"step": "2"},
        },
        {"provider": "sync", "request": {"model": "sync-3", "input": "$videoURL"}},
    ],
}
"""What travels in a task's metadata: the steps after it."""


def video_completed(
    metadata: object, url: str = "https://video.example/0.mp4", name: str = "video.completed"
) -> StoredEvent:
    """Make the event of a video that arrived, with an id of its own; or another event about that video."""
    made = Video("v-0", url)
    task = Task(
        task_uuid=TASK,
        tenant="default",
        provider="runware",
        account="default",
        model="sync:3@0",
        state=State.COMPLETED,
        results_expected=1,
        results=(Result(0, ResultState.COMPLETED, made, None, NOW),),
        created_at=NOW,
        start_by=NOW,
        deadline_seconds=3600,
        finished_at=NOW,
    )
    card = Card({"project": "spring"}, json.dumps(metadata).encode(), request=b"{}")
    data = event_data(name, task, card, 0 if name.startswith("video.") else None)
    return StoredEvent(uuid4(), "https://board.example", name, TASK, NOW, 2, data)


def outgoing(event: StoredEvent, style: str = "structured", **changes: Any) -> Outgoing:
    """Write an event in a format, to be signed now with both schemes."""
    rendered = render(style, event)
    made = Outgoing(
        event_id=event.id,
        event_type=event.type,
        task_uuid=event.subject,
        body=rendered.body,
        content_type=rendered.content_type,
        headers=rendered.headers,
        sent_at=int(time.time()),
        secrets=(RAW_SECRET,),
        private_keys=(SEED,),
    )
    return replace(made, **changes)


async def send(url: str, event: Outgoing) -> Sent:
    """Make one attempt with the sink of production."""
    sink = WebhookSink(Egress((ip_network("127.0.0.0/8"),)))
    try:
        return await sink.send(Target("webhook", url, timeout_s=30.0), event)
    finally:
        await sink.close()


@dataclass(frozen=True, slots=True)
class Arrived:
    """A delivery as a server saw it: names of headers as they were sent."""

    headers: tuple[tuple[str, str], ...]
    body: bytes

    def but(self, **headers: str) -> "Arrived":
        """Give the same with other values of headers (`_` for `-`), which had to be there."""
        wanted = {name.replace("_", "-"): value for name, value in headers.items()}
        assert wanted.keys() <= {name.lower() for name, _ in self.headers}
        changed = tuple((name, wanted.get(name.lower(), value)) for name, value in self.headers)
        return replace(self, headers=changed)


async def arrived(event: Outgoing) -> Arrived:
    """Send it to a receiver of our own, and give what came there."""
    seen: list[Arrived] = []

    async def receive(request: web.Request) -> web.Response:
        pairs = tuple((n.decode(), v.decode()) for n, v in request.raw_headers)
        seen.append(Arrived(pairs, await request.read()))
        return web.Response(status=204)

    async with serving(receive) as url:
        assert (await send(url, event)).ok
    return seen[0]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(receive: Handler | web.Application) -> AsyncIterator[str]:
    """Serve a handler, or an application's `/hooks`, on a free port of loopback."""
    if isinstance(receive, web.Application):
        app = receive
    else:
        app = web.Application()
        app.router.add_route("*", "/hooks", receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    finally:
        await runner.cleanup()


async def hostile(event: StoredEvent) -> dict[str, Arrived]:
    """Give deliveries that no receiver may believe, by what is wrong with them."""
    good = await arrived(outgoing(event))
    late = outgoing(event, sent_at=int(time.time()) - 301)
    early = outgoing(event, sent_at=int(time.time()) + 400)
    binary = await arrived(outgoing(event, "binary"))
    unsigned = tuple(pair for pair in good.headers if not pair[0].startswith("webhook-"))
    signature = next(v for n, v in good.headers if n == "webhook-signature")
    return {
        "another secret": await arrived(outgoing(event, secrets=(RAW_OTHER,), private_keys=())),
        "another body": replace(
            good, body=good.body.replace(b"video.completed", b"video.xompleted")
        ),
        "another id": good.but(webhook_id=str(uuid4())),
        "captured long ago": await arrived(late),
        "from the future": await arrived(early),
        "its time moved to now": (await arrived(late)).but(webhook_timestamp=str(int(time.time()))),
        "no signature": replace(good, headers=unsigned),
        "an empty signature": good.but(webhook_signature=""),
        "a broken signature": good.but(webhook_signature="v1 v1, ,v1,%% v1a,AAAA"),
        "another version": good.but(webhook_signature=signature.replace("v1", "v9")),
        "a time that is none": good.but(webhook_timestamp="soon"),
        "as new, with another ce-id": binary.but(ce_id=str(uuid4())),
    }
