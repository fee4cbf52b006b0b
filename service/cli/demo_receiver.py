"""The demo's receiver of events: verifies what it is sent, the way a consumer would."""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from schemas.verify import VerificationError, verify


@dataclass(slots=True)
class Receiver:
    """An HTTP server on loopback with two addresses: a subscription's and a notifyURL's."""

    secrets: dict[str, str] = field(default_factory=dict)
    """The secret of each path; set once it is known."""
    events: dict[tuple[str, str], list[dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By path and taskUUID, in the order of arrival, each id once."""
    refused: list[str] = field(default_factory=list)
    url: str = ""
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application()
        app.router.add_post("/{path}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def types(self, path: str, task_uuid: str) -> tuple[str, ...]:
        """Give the types of the verified events of a task, in order of arrival."""
        return tuple(e["type"] for e in self.events[path, task_uuid])

    async def _receive(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        body = await request.read()
        try:
            proven = verify(request.headers, body, self.secrets[path], now=time.time())  # noqa: TID251
        except (KeyError, VerificationError) as error:
            self.refused.append(f"/{path}: {error}")
            return web.Response(status=401)
        event = json.loads(body)
        if (path, proven.id) not in self._seen:
            self._seen.add((path, proven.id))
            self.events[path, event["subject"]].append(event)
        return web.Response(status=204)
