"""The whole thing in processes of its own: 200 tasks, unreliable callbacks, and a kill -9 in the middle."""

import asyncio
import time
from collections import Counter
from typing import Any

import aiohttp
import pytest

from tests.support.embedded import open_home
from tests.support.processes import House, house
from tests.support.receiver import Receiver, receiving

TASKS = 200
PATIENCE_S = 55.0
CHANCES = {
    "double": 0.2,
    "lost": 0.12,
    "early": 0.15,
    "late:0.8": 0.1,
    "reorder": 0.3,
    "flat": 0.3,
    "partial": 0.05,
    "fail": 0.05,
    "503": 0.04,
    "429": 0.05,
    "drop": 0.04,
    "garbage": 0.03,
    "noreason": 0.03,
    "rejected": 0.03,
}
FINAL = {"completed", "failed", "rejected", "canceled", "timed_out"}
VIDEO = "https://media.example/video.mp4"
AUDIO = "https://media.example/audio.wav"


def submissions() -> list[dict[str, Any]]:
    """Make tasks of both providers, every fourth of Runware with several results."""
    made: list[dict[str, Any]] = []
    for n in range(TASKS):
        if n % 2:
            media = [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}]
            made.append({"provider": "sync", "request": {"model": "sync-3", "input": media}})
        else:
            results = {"numberResults": 1 + n % 3} if n % 4 == 0 else {}
            inputs = {"video": VIDEO, "audio": AUDIO}
            request = {"model": "sync:3@0", "inputs": inputs, **results}
            made.append({"provider": "runware", "request": request})
    return made


async def submit(session: aiohttp.ClientSession, url: str) -> dict[str, int]:
    """Submit all; gives the number of results by taskUUID."""
    expected: dict[str, int] = {}
    everything = submissions()
    for start in range(0, TASKS, 100):
        batch = everything[start : start + 100]
        async with session.post(f"{url}/v1/tasks", json=batch) as answer:
            assert answer.status == 202, await answer.text()
            for task in (await answer.json())["items"]:
                expected[task["taskUUID"]] = task["resultsExpected"]
    return expected


async def subscribe(session: aiohttp.ClientSession, url: str, receiver: Receiver) -> None:
    """Subscribe the receiver to everything."""
    async with session.post(f"{url}/v1/subscriptions", json={"url": receiver.url}) as answer:
        assert answer.status == 201, await answer.text()
        receiver.secret = (await answer.json())["secret"]


async def all_told(receiver: Receiver, expected: dict[str, int], about: House) -> None:
    """Wait until every task's terminal event arrived."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        told = {u for u in expected if any(t[5:] in FINAL for t in receiver.types(u))}
        if len(told) == len(expected):
            return
        assert about.simulator.alive, about.simulator.tail()
        await asyncio.sleep(0.1)
    missing = [u for u in expected if not any(t[5:] in FINAL for t in receiver.types(u))]
    raise AssertionError(
        f"{len(missing)} of {TASKS} tasks without an end, first {missing[:3]}:\n{about.service.tail()}"
    )


async def states(session: aiohttp.ClientSession, url: str) -> dict[str, dict[str, Any]]:
    """Load every task."""
    found: dict[str, dict[str, Any]] = {}
    cursor: str | None = None
    while True:
        query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
        async with session.get(f"{url}/v1/tasks", params=query) as answer:
            page = await answer.json()
        found |= {t["taskUUID"]: t for t in page["items"]}
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def check(
    expected: dict[str, int], tasks: dict[str, dict[str, Any]], receiver: Receiver, about: House
) -> None:
    """Hold the end against the promise."""
    assert not receiver.refused
    assert set(tasks) == set(expected)
    for task_uuid, results in expected.items():
        task, types = tasks[task_uuid], receiver.types(task_uuid)
        assert task["state"] in FINAL
        assert [t for t in types if t[5:] in FINAL] == [f"task.{task['state']}"], types
        videos = Counter(t for t in types if t.startswith("video."))
        assert videos["video.completed"] + videos["video.failed"] == results, types
        told = [
            e["data"]["result"]["index"]
            for e in receiver.events[task_uuid]
            if "result" in e["data"]
        ]
        assert len(told) == len(set(told)), types
        sequences = [e["sequence"] for e in receiver.events[task_uuid]]
        assert sequences == sorted(sequences), types
        assert types.count("task.processing") <= 1
        assert types[-1] == f"task.{task['state']}" or types[-1] == "video.late"
    generated = Counter(str(b["key"]) for b in about.billed())
    assert set(generated) <= set(expected)
    assert max(generated.values()) == 1, [u for u, n in generated.items() if n > 1]
    assert sum(t["state"] == "completed" for t in tasks.values()) > TASKS // 2


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "killed in the middle"])
async def test_every_task_ends_once_and_is_generated_once(killed: bool) -> None:
    with open_home() as home, house(home, CHANCES) as running:
        await running.ready()
        async with (
            receiving() as receiver,
            aiohttp.ClientSession(headers=running.headers) as session,
        ):
            await subscribe(session, running.url, receiver)
            expected = await submit(session, running.url)
            if killed:
                await _until(lambda: len(running.billed()) >= TASKS // 4)
                running.service.kill()
                running.service.start()
                await running.ready()
            await all_told(receiver, expected, running)
            check(expected, await states(session, running.url), receiver, running)
        assert running.service.stop() == 0, running.service.tail()


async def _until(seen: Any) -> None:
    until = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < until
        await asyncio.sleep(0.02)
