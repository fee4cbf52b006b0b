"""Both upstreams on one port: Runware at `/v1`, Sync at `/v2/…`, their videos at `/media/…`."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import aiohttp
from aiohttp import web

from service.simulator.caller import Caller
from service.simulator.files import Files
from service.simulator.runware import Runware
from service.simulator.scenario import ScenarioBook
from service.simulator.state import Billed, Called, Journal, World
from service.simulator.sync_limits import Limits
from service.simulator.sync_refusals import Refused
from service.simulator.sync_so import SyncSo

BODY_LIMIT_BYTES = 20 * 2**20
"""What Sync's older pages allow an uploaded form; more is a 413."""
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
        socket_silence_seconds: float = 120.0,
        socket_buffer_seconds: float = 120.0,
        sync_concurrency: int | None = None,
        sync_creates_per_minute: int | None = None,
    ) -> None:
        """Prepare; `seed` is used when no book of scenarios, which has its own, is given.

        Runware's attempts at a callback are not documented; 8 take about half a minute. It closes
        WebSockets that are silent for too long, and buffers what could not be delivered on them.
        """
        self._book = scenarios or ScenarioBook(seed)
        self._generation_seconds = generation_seconds
        self._secret = sync_webhook_secret
        self._media_base = media_base
        self._log_path = log_path
        self._remembers = remembers
        self._attempts = callback_attempts
        self._timeout_seconds = callback_timeout_seconds
        self._silence_seconds = socket_silence_seconds
        self._buffer_seconds = socket_buffer_seconds
        self._sync_limits = Limits(
            concurrency=sync_concurrency, creates_per_minute=sync_creates_per_minute
        )
        self._sync_so: SyncSo | None = None
        self._runware: Runware | None = None
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
            files = Files()
            runware = Runware(
                world,
                caller,
                files,
                attempts=self._attempts,
                silence_seconds=self._silence_seconds,
                buffer_seconds=self._buffer_seconds,
            )
            sync_so = SyncSo(world, caller, files, secret=self._secret, limits=self._sync_limits)
            app = _make_app(runware, sync_so, files)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
            await runner.setup()
            owned.push_async_callback(caller.stop)
            owned.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, host, port).start()
            name = f"[{host}]" if ":" in host else host
            base = f"http://{name}:{runner.addresses[0][1]}"
            world.media_base = self._media_base or base
            self._sync_so = sync_so
            self._runware = runware
            self._owned = owned.pop_all()
        return base

    def restart_sync(self, seconds: float = 0.0, *, forget: bool = False) -> None:
        """Make Sync hang up on everybody for so long, and forget its Idempotency-Keys if asked to."""
        if self._sync_so is not None:
            self._sync_so.restart(seconds, forget=forget)

    def restart_runware(self, seconds: float = 0.0, *, forget: bool = False) -> None:
        """Make Runware hang up on everybody for so long, and forget which uuids were used if asked to."""
        if self._runware is not None:
            self._runware.restart(seconds, forget=forget)

    async def stop(self) -> None:
        """Stop serving and end all callbacks; raises if one of them crashed."""
        await self._owned.aclose()


def _make_app(runware: Runware, sync_so: SyncSo, files: Files) -> web.Application:
    app = web.Application(client_max_size=BODY_LIMIT_BYTES, middlewares=[_refuse])
    app.add_routes(
        [
            web.post("/v1", runware.handle),
            web.get("/v1", runware.connect),
            *sync_so.routes(),
            web.get("/media/{name}", files.serve),
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
        return web.json_response(refused.body, status=refused.status, headers=refused.headers)


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
