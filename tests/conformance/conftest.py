"""What sinks are tried with: an event, and a receiver on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import ip_network
from uuid import UUID

import pytest
from aiohttp import web

from service.egress import Egress
from service.ports import Outgoing, Sent, Target
from service.sinks.webhook import WebhookSink

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """Serve on loopback, with the runner of production; the end cancels what hangs."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        _, port = runner.addresses[0][:2]
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        await runner.cleanup()


@pytest.fixture
def receiver() -> Callable[[Handler], AbstractAsyncContextManager[str]]:
    """Give the receiver: entered with a handler, it is the URL to call."""
    return serving


@pytest.fixture
def event() -> Outgoing:
    """Give an event that is signed with one secret."""
    return Outgoing(
        event_id=UUID("11111111-2222-4333-8444-555555555555"),
        event_type="task.completed",
        task_uuid=UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e"),
        body='{"id":"1","data":{"text":"é"}}'.encode(),
        content_type="application/cloudevents+json; charset=UTF-8",
        sent_at=1614265330,
        secrets=(b"s" * 32,),
    )


@pytest.fixture
def send(event: Outgoing) -> Callable[..., Awaitable[Sent]]:
    """Give a function that makes one attempt."""

    async def attempt(sink: WebhookSink, url: str, timeout_s: float = 5.0) -> Sent:
        return await sink.send(Target("webhook", url, timeout_s=timeout_s), event)

    return attempt


@pytest.fixture
async def sink() -> AsyncIterator[WebhookSink]:
    """Give a webhook sink that may call loopback."""
    made = WebhookSink(Egress((ip_network("127.0.0.0/8"),)))
    yield made
    await made.close()
