"""A simulator on loopback, a receiver for its callbacks, and a client."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from service.simulator.app import Simulator


@dataclass
class Received:
    """One callback as it came."""

    path: str
    headers: dict[str, str]
    raw: bytes
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Receiver:
    """Keeps what is posted to it; answers with `statuses` in turn, then 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    calls: list[Received] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        raw, now = await request.read(), asyncio.get_running_loop().time()
        async with self._news:
            self.calls.append(Received(request.path_qs, dict(request.headers), raw, now))
            self._news.notify_all()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def wait_for(self, number: int) -> list[Received]:
        """Return what came, once there are that many."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.calls) >= number)
        return self.calls


@dataclass
class Upstream:
    """A running simulator with a client that talks to it."""

    base: str
    simulator: Simulator
    session: aiohttp.ClientSession
    runware_key: str | None = "any"
    sync_key: str | None = "any"

    async def runware(self, *tasks: Any, **headers: str) -> tuple[int, Any]:
        if self.runware_key:
            headers["Authorization"] = f"Bearer {self.runware_key}"
        return await self._send("POST", "/v1", json=list(tasks), headers=headers)

    async def generate(self, body: Any, **headers: str) -> tuple[int, Any]:
        return await self._send("POST", "/v2/generate", json=body, headers=self._keyed(headers))

    async def read(self, path: str, params: Any = None) -> tuple[int, Any]:
        return await self._send("GET", path, params=params, headers=self._keyed({}))

    async def sync(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        return await self._send(method, path, headers=self._keyed({}), **options)

    def _keyed(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return named | ({"x-api-key": self.sync_key} if self.sync_key else {})

    async def _send(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.base + path, **options) as answer:
            if answer.content_type == "application/json":
                return answer.status, await answer.json()
            return answer.status, await answer.text()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], Awaitable[None]]:
    """Wait until the simulator has come to something that it tells nobody about."""

    async def wait(condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook?token=abc"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    """Start simulators with settings of their own; all end with the test."""
    async with AsyncExitStack() as owned:

        async def make(**settings: Any) -> Upstream:
            simulator = Simulator(**{"generation_seconds": 0.05, **settings})
            session = await owned.enter_async_context(aiohttp.ClientSession())
            base = await simulator.start()
            owned.push_async_callback(simulator.stop)
            return Upstream(base, simulator, session)

        yield make


@pytest.fixture
async def upstream(start: Callable[..., Any]) -> Upstream:
    made: Upstream = await start()
    return made
