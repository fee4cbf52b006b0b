"""`callboard simulate`: both upstreams on one loopback port; any API key is good there."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from service.cli.output import Failed, err, run
from service.simulator.app import Simulator, run_simulator
from service.simulator.scenario import ScenarioBook, read_book


def simulate(
    port: Annotated[int, typer.Option(help="Which port on 127.0.0.1.")] = 8090,
    seconds: Annotated[float, typer.Option(help="How long a generation takes.")] = 2.0,
    sync_webhook_secret: Annotated[
        str | None, typer.Option(help="Sign Sync's callbacks with this secret.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What decides by chance.")] = 0,
    scenarios: Annotated[
        Path | None,
        typer.Option(
            help='JSON: {"seed": 0, "chances": {"lost": 0.1}, "jobs": {"<taskUUID>": ["double"]}}'
        ),
    ] = None,
) -> None:
    """Simulate Runware at /v1 and Sync at /v2 on this machine; any API key is good, unless it begins with bad."""
    simulator = Simulator(
        seed=seed,
        generation_seconds=seconds,
        sync_webhook_secret=sync_webhook_secret,
        scenarios=_book(scenarios),
    )
    try:
        run(_simulate(simulator, port))
    except OSError as error:
        raise Failed(f"Port {port} cannot be used: {error}") from None


def _book(file: Path | None) -> ScenarioBook | None:
    if file is None:
        return None
    try:
        return read_book(file.read_text("utf-8"))
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Failed(f"{file} is no scenario file: {error}") from None


async def _simulate(simulator: Simulator, port: int) -> None:
    me = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, me.cancel if me else loop.stop)
    try:
        await run_simulator("127.0.0.1", port, simulator=simulator, on_ready=_ready)
    except asyncio.CancelledError:
        err.print("The simulator stopped.")


def _ready(url: str) -> None:
    err.print(
        f"Runware is simulated at {url}/v1, Sync at {url} (any API key is good).", soft_wrap=True
    )
    err.print(f"CALLBOARD_RUNWARE_URL={url}/v1 CALLBOARD_SYNC_URL={url}", soft_wrap=True)
