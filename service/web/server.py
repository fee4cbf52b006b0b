"""The server with its flags written out: the very same in production and in tests.

aiohttp's own TestServer cancels handlers when a client goes away; AppRunner lets them finish, and what they
commit counts (style.md 12).
"""

from dataclasses import dataclass

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

log = structlog.get_logger()

BACKLOG = 1024
"""Connections the kernel holds while all handlers are busy: callbacks come in bursts."""
KEEPALIVE_S = 75.0
"""Longer than the 60 s of common load balancers, so that it is they who close idle connections."""
LINGERING_S = 2.0
"""How long the rest of a refused body is read, so that its sender gets to see the answer."""


class ServerLog:
    """Stands where aiohttp wants a logger: its texts quote request lines, and those of callbacks hold tokens."""

    def debug(self, *_: object, **__: object) -> None:
        """Leave out what is only of use to those who develop aiohttp."""

    def exception(self, _: str, *__: object, exc_info: BaseException | None = None) -> None:
        """Note what never came to a handler: mostly bytes that are no HTTP."""
        name = type(exc_info).__name__
        if isinstance(exc_info, HttpProcessingError | web.RequestPayloadError | ConnectionError):
            log.info("http.unreadable", error=name)
        else:
            log.error("http.broke", error=name, exc_info=exc_info)


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves."""

    url: str
    port: int
    runner: web.AppRunner

    async def stop(self) -> None:
        """Take no more connections, let handlers finish within their grace, then cancel them."""
        await self.runner.cleanup()


async def start(
    app: web.Application,
    host: str,
    port: int,
    *,
    reuse_port: bool = False,
    handler_grace_s: float,
) -> Running:
    """Serve an app; port 0 is any that is free. Raises OSError when the address cannot be had."""
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        logger=ServerLog(),
        handler_cancellation=False,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_S,
        lingering_time=LINGERING_S,
        shutdown_timeout=handler_grace_s,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG, reuse_port=reuse_port or None)
        await site.start()
    except BaseException:
        await runner.cleanup()
        raise
    bound = int(runner.addresses[0][1])
    name = f"[{host}]" if ":" in host else host
    return Running(f"http://{name}:{bound}", bound, runner)
