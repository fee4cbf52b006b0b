"""The simulator in a process of its own: `python -m tests.support.simulator_process PORT LOG CHANCES`."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from service.simulator.app import Simulator
from service.simulator.scenario import ScenarioBook


async def main(port: int, log: Path, chances: dict[str, float]) -> None:
    """Serve until SIGTERM."""
    simulator = Simulator(
        seed=7,
        generation_seconds=0.4,
        sync_webhook_secret="whsec_whole",
        log_path=log,
        scenarios=ScenarioBook(seed=7, chances=chances),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await simulator.start("127.0.0.1", port)
    await stop.wait()
    await simulator.stop()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])))
