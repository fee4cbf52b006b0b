"""`callboard simulate`: both upstreams on one loopback port; any API key is good there."""

import asyncio
import signal
from typing import Annotated

import typer

from service.cli.output import Failed, err, run
from service.simulator.app import Simulator, run_simulator


def simulate(
    port: Annotated[int, typer.Option(help="Which port on 127.0.0.1.")] = 8090,
    seconds: Annotated[float, typer.Option(help="How long a generation takes.")] = 2.0,
    sync_webhook_secret: Annotated[
        str | None, typer.Option(help="Sign Sync's callbacks with this secret.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What decides by chance.")] = 0,
) -> None:
    """Simulate Runware at /v1 and Sync at /v2 on this machine."""
    simulator = Simulator(
        seed=seed, generation_seconds=seconds, sync_webhook_secret=sync_webhook_secret
    )
    try:
        run(_simulate(simulator, port))
    except OSError as error:
        raise Failed(f"Port {port} cannot be used: {error}") from None


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
