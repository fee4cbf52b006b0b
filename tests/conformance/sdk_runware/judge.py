"""Lets an official SDK, unchanged and in a process of its own, work against a simulator."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from service.simulator.app import Simulator
from tests.support.sdk_environment import settings

SCRIPTS = Path(__file__).parent / "scripts"
JUDGE_SECONDS = 50
VIDEO = "https://cdn.example/v.mp4"


@dataclass(frozen=True)
class Case:
    """What an SDK is asked to do, and what the simulator makes of it."""

    action: str = "run"
    simulate: str = "ok"
    task: Mapping[str, Any] = field(default_factory=dict)
    key: str = "any"

    def plan(self, uuid: str) -> dict[str, Any]:
        video = f"{VIDEO}?simulate={self.simulate}"
        inputs = {"video": video, "audio": VIDEO}
        task = {"model": "sync:3@0", "inputs": inputs, "includeCost": True, **self.task}
        return {"action": self.action, "key": self.key, "task": {**task, "taskUUID": uuid}}


@dataclass(frozen=True)
class Verdict:
    """What came of one case: what the SDK gave back or raised, and how often it was billed."""

    said: Any
    billed: int
    task_uuid: str

    @property
    def items(self) -> Any:
        return self.said["items"]

    @property
    def error(self) -> Any:
        return self.said["error"]


def judge(
    python: Path, script: str, cases: Mapping[str, Case], *more: str, **environment: str
) -> dict[str, Verdict]:
    """Run all cases at the same time, against one simulator."""
    return asyncio.run(_judge(python, script, cases, more, environment))


async def _judge(
    python: Path,
    script: str,
    cases: Mapping[str, Case],
    more: tuple[str, ...],
    environment: Mapping[str, str],
) -> dict[str, Verdict]:
    simulator = Simulator(generation_seconds=0.2)
    uuids = {name: str(uuid4()) for name in cases}
    plans = {name: case.plan(uuids[name]) for name, case in cases.items()}
    base = await simulator.start()
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            SCRIPTS / script,
            base.removeprefix("http://"),
            json.dumps(plans),
            *more,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=settings(**environment),
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
    said = json.loads(out)
    billed = Counter(entry.key for entry in simulator.billed)
    return {name: Verdict(said[name], billed[uuids[name]], uuids[name]) for name in cases}
