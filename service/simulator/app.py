"""Both upstreams on one port: Runware at `/v1`, Sync at `/v2/…`, their videos at `/media/…`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from uuid import UUID

import aiohttp
from aiohttp import web

from service.simulator.caller import Caller
from service.simulator.media import make_video
from service.simulator.refusals import Refused
from service.simulator.runware import Runware
from service.simulator.scenario import ScenarioBook
from service.simulator.state import Billed, Called, Journal, World
from service.simulator.sync_so import SyncSo

BODY_LIMIT_BYTES = 10 * 2**20
SHUTDOWN_SECONDS = 0.05
"""How long answers under way may take at the end: a hanging one never comes."""


class Simulator:
    """Owns the server, what the upstreams remember, and the callbacks under way."""

    def __init__(
        self,
        *,
        seed: int = 0,
        generation_seconds: float = 0.3,
        sync_webhook_secret: str | None = None,
        media_base: str | None = None,
        log_path: Path | None = None,
        scenarios: ScenarioBook | None = None,
        remembers: bool = True,
        callback_attempts: int = 8,
        callback_timeout_seconds: float = 5.0,
    ) -> None:
        """Prepare; `seed` is used when no book of scenarios, which has its own, is given.

        Runware's attempts at a callback are not documented; 8 take about half a minute.
        """
        self._book = scenarios or ScenarioBook(seed)
        self._generation_seconds = generation_seconds
        self._secret = sync_webhook_secret
        self._media_base = media_base
        self._log_path = log_path
        self._remembers = remembers
        self._attempts = callback_attempts
        self._timeout_seconds = callback_timeout_seconds
        self._owned = AsyncExitStack()
        self.billed: list[Billed] = []
        """Each generation that would have been paid for, oldest first."""
        self.acknowledged: list[Called] = []
        """Each callback that was answered 2xx, oldest first."""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Serve, on a free port unless one is given; return the base URL."""
        async with AsyncExitStack() as owned:
            journal = Journal(self._log_path, self.billed, self.acknowledged)
            owned.enter_context(journal)
            session = await owned.enter_async_context(aiohttp.ClientSession())
            dice = Random(self._book.seed)
            caller = Caller(session, journal, dice, timeout_seconds=self._timeout_seconds)
            world = World(self._book, journal, self._generation_seconds, self._remembers)
            runware = Runware(world, caller, attempts=self._attempts)
            app = _make_app(runware, SyncSo(world, caller, secret=self._secret))
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
            await runner.setup()
            owned.push_async_callback(caller.stop)
            owned.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, port).start()
            name = f"[{host}]" if ":" in host else host
            base = f"http://{name}:{runner.addresses[0][1]}"
            world.media_base = self._media_base or base
            self._owned = owned.pop_all()
        return base

    async def stop(self) -> None:
        """Stop serving and end all callbacks; raises if one of them crashed."""
        await self._owned.aclose()


def _make_app(runware: Runware, sync_so: SyncSo) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[_refuse])
    app.add_routes(
        [
            web.post("/v1", runware.handle),
            web.post("/v2/generate", sync_so.create),
            web.get("/v2/generate/{id}", sync_so.get),
            web.get("/v2/generations", sync_so.browse),
            web.get("/media/{name}.mp4", _media),
        ]
    )
    return app


@web.middleware
async def _refuse(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refused as refused:
        return web.json_response(refused.body, status=refused.status)


async def _media(request: web.Request) -> web.Response:
    """Make the video that the name asks for; it need not be remembered, so it outlives a restart."""
    name = request.match_info["name"]
    try:
        UUID(name)
    except ValueError:
        raise web.HTTPNotFound from None
    return web.Response(body=make_video(name), content_type="video/mp4")


async def run_simulator(
    host: str,
    port: int,
    *,
    simulator: Simulator | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until cancelled; `on_ready` is told the base URL."""
    simulator = simulator or Simulator()
    on_ready(await simulator.start(host, port))
    try:
        await asyncio.Event().wait()
    finally:
        await simulator.stop()
