"""An upstream on loopback that answers what a test tells it, or does what it should not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(frozen=True)
class Got:
    """One request as it came. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Act = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class StubUpstream:
    """Does one act a request, in turn; the last one again and again."""

    url: str = ""
    acts: list[Act] = field(default_factory=list)
    got: list[Got] = field(default_factory=list)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def will(self, *acts: Act) -> None:
        self.acts = list(acts)

    async def hang(self, _: web.Request) -> web.StreamResponse:
        """Answer nothing for as long as the test lasts."""
        await self._ended.wait()
        return web.Response()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append(Got(request.method, request.path_qs, headers, await request.read()))
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        return await act(request)


def says(status: int, body: Any = None, **headers: str) -> Act:
    """Answer with JSON, or with bytes as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def act(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=raw, headers=named)

    return act


def writes(raw: bytes, *, then_closes: bool = True) -> Act:
    """Write these bytes in place of an answer; without any, close or leave it at once."""

    async def act(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(raw)
        if then_closes:
            request.transport.close()
        return web.Response()

    return act


async def resets(request: web.Request) -> web.StreamResponse:
    """Throw the connection away."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@asynccontextmanager
async def running_stub() -> AsyncIterator[StubUpstream]:
    stub = StubUpstream()
    app = web.Application(client_max_size=2**23)
    app.router.add_route("*", "/{tail:.*}", stub.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stub
    stub._ended.set()
    await runner.cleanup()
