"""Both upstreams in a process of their own that a test can upset: `python -m tests.chaos.upstream JSON`.

SIGUSR1 makes both hang up on everybody for a moment; generations go on.
"""

import asyncio
import json
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.simulator.app import Simulator
from service.simulator.scenario import Plan, ScenarioBook
from service.simulator.state import Job, Outcome

HUNG_UP_S = 0.7
GENERATION_S = 0.4
SECRET = "whsec_chaos"


def foreign(number: int, total: int, loop_time: float) -> Job:
    """Make a generation of somebody else: they are spread over the last hour, the oldest has number 0.

    A read goes back ten minutes before the first send, so it has a sixth of them to page through.
    """
    made = datetime.now(UTC) - timedelta(hours=1) * (1 - number / total)
    name = f"00000000-0000-4000-9000-{number:012d}"
    ended = Outcome(name, loop_time, failed=False, seed=0)
    request = {"model": "sync-3", "input": []}
    at = made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Job("sync", None, name, request, Plan(), None, at, loop_time - 60, (ended,))


async def main(given: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    book = ScenarioBook(seed=given["seed"], chances=given["chances"])
    simulator = Simulator(
        seed=given["seed"],
        generation_seconds=GENERATION_S,
        sync_webhook_secret=SECRET,
        log_path=Path(given["log"]),
        scenarios=book,
        callback_timeout_seconds=3.0,
    )
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def hang_up() -> None:
        simulator.restart_sync(HUNG_UP_S)
        simulator.restart_runware(HUNG_UP_S)

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, hang_up)
    await simulator.start("127.0.0.1", given["port"])
    assert simulator._sync_so is not None
    for number in range(given["foreign"]):
        simulator._sync_so._generations.add(
            foreign(number, given["foreign"], loop.time()), source="api"
        )
    await stop.wait()
    await simulator.stop()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
