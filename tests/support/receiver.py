"""A receiver of events whose oracle is the `standardwebhooks` library, not our own verifier."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """Keeps verified events by task, in order of arrival, each id once."""

    def __init__(self) -> None:
        self.secret: str | None = None
        self.url = ""
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.refused: list[str] = []
        self.repeated = 0
        self._seen: set[str] = set()

    def types(self, task_uuid: str) -> list[str]:
        """Give the types of a task's events."""
        return [e["type"] for e in self.events[task_uuid]]

    async def receive(self, request: web.Request) -> web.Response:
        """Verify and keep one event."""
        body = await request.read()
        try:
            Webhook(self.secret or "").verify(body, dict(request.headers))
        except (WebhookVerificationError, RuntimeError) as error:
            self.refused.append(repr(error))
            return web.Response(status=401)
        event_id = request.headers["webhook-id"]
        event = json.loads(body)
        assert event["id"] == event_id
        if event_id in self._seen:
            self.repeated += 1
        else:
            self._seen.add(event_id)
            self.events[event["subject"]].append(event)
        return web.Response(status=204)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hooks", receiver.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    try:
        yield receiver
    finally:
        await runner.cleanup()
