"""Lets an official SDK of Sync, unchanged and in a process of its own, work against a simulator."""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.simulator.app import Simulator
from tests.support.sdk_environment import settings

SCRIPTS = Path(__file__).parent / "scripts"
JUDGE_SECONDS = 45


@dataclass(frozen=True)
class Verdicts:
    """What came of each case: what the SDK gave back or raised; and what would have been billed."""

    said: dict[str, Any]
    billed: Counter[str | None]
    """By Idempotency-Key."""

    def value(self, name: str) -> Any:
        assert "error" not in self.said[name], self.said[name]
        return self.said[name]["value"]

    def error(self, name: str) -> Any:
        return self.said[name]["error"]


def judge(command: Sequence[str | Path]) -> Verdicts:
    """Run a script with the simulator's address as its last argument; it prints an object of cases."""
    return asyncio.run(_judge(command))


async def _judge(command: Sequence[str | Path]) -> Verdicts:
    simulator = Simulator(generation_seconds=0.2)
    base = await simulator.start()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            base,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=settings(),
        )
        try:
            async with asyncio.timeout(JUDGE_SECONDS):
                out, log = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    finally:
        await simulator.stop()
    assert process.returncode == 0, log.decode()
    return Verdicts(json.loads(out), Counter(entry.key for entry in simulator.billed))
