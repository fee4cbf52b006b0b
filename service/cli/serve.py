"""`callboard serve`: run the service until a signal, then drain it."""

import asyncio
import os
import signal
import sys
from typing import Annotated

import typer

from service.bootstrap.run import Service, StartError, service
from service.cli.database import Database, database
from service.cli.output import Failed, err, run
from service.cli.output import settings as read_settings
from service.observe import set_up_logs
from service.settings import Settings
from service.workers.loop import Every
from service.workers.roles import Role

TEND_S = 0.25
"""How often the embedded server is looked after."""


def serve(
    role: Annotated[
        str | None,
        typer.Option(
            help="Which share of the work: api, submit, deliver, reconcile; comma-separated. All by default."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Where to listen (CALLBOARD_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Which port (CALLBOARD_PORT).")] = None,
    worker: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Run the service. SIGTERM or Ctrl-C drains it; a second one ends it at once."""
    given = {k: v for k, v in {"host": host, "port": port}.items() if v is not None}
    settings = read_settings(**given)
    roles = _roles(role)
    set_up_logs(settings.log_format, settings.log_level)
    try:
        with database(settings) as db:
            run(_serve(settings, db, roles, worker=worker))
    except StartError as error:
        raise Failed(str(error)) from None


def _roles(text: str | None) -> frozenset[Role]:
    if text is None:
        return frozenset(Role)
    names = [part.strip() for part in text.split(",") if part.strip()]
    unknown = [n for n in names if n not in set(Role)]
    if unknown or not names:
        known = ", ".join(Role)
        raise Failed(
            f"--role: there is no role {', '.join(unknown) or text!r}; there are: {known}."
        )
    return frozenset(Role(n) for n in names)


async def _serve(settings: Settings, db: Database, roles: frozenset[Role], *, worker: bool) -> None:
    stop = asyncio.Event()
    _on_signals(stop)
    shared = worker or settings.workers > 1
    async with service(
        settings, db.dsn, roles=roles, embedded=db.server is not None, reuse_port=shared
    ) as running:
        if db.server is not None:
            tend = db.server.tend

            async def look_after() -> int:
                tend()
                return 0

            running.supervisor.start([Every("embedded-postgres", look_after, TEND_S)])
        if worker:
            parent = os.getppid()

            async def follow_parent() -> int:
                if os.getppid() != parent:
                    stop.set()
                return 0

            running.supervisor.start([Every("parent", follow_parent, TEND_S)])
        else:
            _greet(settings, db, running)
        await _until_stopped(settings, stop, running, alone=worker or settings.workers == 1)
    if running.health.failed is not None:
        raise Failed(f"The loop {running.health.failed} kept dying; see the log.", 1)


async def _until_stopped(
    settings: Settings, stop: asyncio.Event, running: Service, *, alone: bool
) -> None:
    """Wait for a signal or a failure; other processes that share the port end with this one."""
    others = [] if alone else [await _another(settings) for _ in range(settings.workers - 1)]
    waits = [asyncio.ensure_future(e.wait()) for e in (stop, running.supervisor.failed)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in waits:
            waiting.cancel()
        for other in others:
            if other.returncode is None:
                other.terminate()
        for other in others:
            await other.wait()


async def _another(settings: Settings) -> asyncio.subprocess.Process:
    """Start another process on the same port; it takes the API's share of the work."""
    env = os.environ | {"CALLBOARD_WORKERS": "1"}  # noqa: TID251 - handed on, not read
    address = ("--host", settings.host, "--port", str(settings.port))
    command = (sys.executable, "-m", "service", "serve", "--worker", "--role", "api", *address)
    return await asyncio.create_subprocess_exec(*command, env=env)


def _on_signals(stop: asyncio.Event) -> None:
    """Drain on the first signal; the second finds the default handler and ends the process."""
    loop = asyncio.get_running_loop()

    def first(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, first, number)


def _greet(settings: Settings, db: Database, running: Service) -> None:
    """Say what a person needs to know; logs go on below."""
    where = db.server.location if db.server is not None else "CALLBOARD_DATABASE_URL"
    err.print(
        f"Callboard serves {running.url or 'no port'}  (data: {settings.data_dir}, database: {where})",
        soft_wrap=True,
    )
    if running.first_key is not None:
        err.print(f"API key, shown this once: [bold]{running.first_key}[/]", soft_wrap=True)
