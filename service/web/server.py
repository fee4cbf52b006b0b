"""The server with its flags written out: the very same in production and in tests.

aiohttp's own TestServer cancels handlers when a client goes away; AppRunner lets them finish, and what they
commit counts (style.md 12).
"""

from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from service.core.errors import Malformed, ServiceError
from service.wire.problems import CONTENT_TYPE, problem_of

log = structlog.get_logger()

LINE_BYTES = 2**17
"""The longest query that is taken: 16 labels and a model's name, each character as 12 of a URL."""
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


class Protocol(web.RequestHandler):
    """One connection; what never came to a handler is answered with a problem too."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer bytes that are no HTTP. aiohttp's own text would quote them."""
        super().handle_error(request, status, exc, message)
        ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        error = ServiceError() if ours else Malformed("The request could not be read as HTTP.")
        place = request.path if request.path.startswith("/") else ""
        status, body = problem_of(error, place)
        response = web.Response(status=status, body=body, content_type=CONTENT_TYPE)
        response.force_close()
        return response


class Server(web.Server):
    """Makes a Protocol of each connection."""

    def __call__(self) -> web.RequestHandler:
        """Make one."""
        return Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs a Server."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return Server(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # noqa: SLF001 - aiohttp has no other way to choose the protocol's class
        )


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
    runner = Runner(
        app,
        max_line_size=LINE_BYTES,
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
