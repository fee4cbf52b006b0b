"""How both simulated upstreams call back: when, how often, in which order and in which form."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

VIDEO = "https://cdn.example/v.mp4"


def runware_task(hook: str, simulate: str, results: int = 1) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": str(uuid4()),
        "model": "sync:3@0",
        "inputs": {"video": f"{VIDEO}?simulate={simulate}", "audio": VIDEO},
        "numberResults": results,
        "webhookURL": hook,
    }


def sync_body(hook: str, simulate: str) -> dict[str, Any]:
    return {
        "model": "sync-3",
        "input": [
            {"type": "video", "url": f"{VIDEO}?simulate={simulate}"},
            {"type": "audio", "url": VIDEO},
        ],
        "webhookUrl": hook,
    }


async def submit(upstream: Any, provider: str, hook: str, simulate: str) -> int:
    if provider == "runware":
        status, _ = await upstream.runware(runware_task(hook, simulate))
    else:
        status, _ = await upstream.generate(sync_body(hook, simulate))
    assert isinstance(status, int)
    return status


both = pytest.mark.parametrize("provider", ["runware", "sync"])


@both
async def test_early_callback_is_answered_before_the_submit(
    upstream: Any, receiver: Any, provider: str
) -> None:
    assert await submit(upstream, provider, receiver.url, "early") in {200, 201}
    assert len(receiver.calls) == len(upstream.simulator.acknowledged) == 1


@both
async def test_double_callback_comes_twice_with_the_same_body(
    upstream: Any, receiver: Any, provider: str
) -> None:
    await submit(upstream, provider, receiver.url, "double,early")
    first, second = await receiver.wait_for(2)
    assert first.raw == second.raw


@both
async def test_lost_callback_never_comes(upstream: Any, receiver: Any, provider: str) -> None:
    await submit(upstream, provider, receiver.url, "lost,early")
    await submit(upstream, provider, receiver.url, "delay:0.1")
    await receiver.wait_for(1)
    assert len(receiver.calls) == 1


@both
async def test_late_callback_comes_after_an_earlier_job_is_long_done(
    upstream: Any, receiver: Any, provider: str
) -> None:
    began = asyncio.get_running_loop().time()
    await submit(upstream, provider, receiver.url, "late:0.3")
    (call,) = await receiver.wait_for(1)
    assert call.at - began >= 0.35


@both
async def test_garbage_has_an_unknown_shape(upstream: Any, receiver: Any, provider: str) -> None:
    await submit(upstream, provider, receiver.url, "garbage")
    (call,) = await receiver.wait_for(1)
    assert set(call.json) == {"ok", "note"}


async def test_reordered_results_come_last_one_first(upstream: Any, receiver: Any) -> None:
    task = runware_task(receiver.url, "reorder", results=4)
    await upstream.runware(task)
    calls = await receiver.wait_for(4)
    _, polled = await upstream.runware({"taskType": "getResponse", "taskUUID": task["taskUUID"]})
    came = [call.json["data"][0]["videoUUID"] for call in calls]
    assert came == [item["videoUUID"] for item in reversed(polled["data"])]


@pytest.mark.parametrize(
    ("simulate", "enveloped", "with_status"),
    [("ok", True, True), ("nostatus", True, False), ("flat", False, True)],
)
async def test_forms_of_a_runware_callback(
    upstream: Any, receiver: Any, simulate: str, enveloped: bool, with_status: bool
) -> None:
    await upstream.runware(runware_task(receiver.url, simulate))
    (call,) = await receiver.wait_for(1)
    item = call.json["data"][0] if enveloped else call.json
    assert ("status" in item) == with_status
    assert {"taskType", "taskUUID", "videoUUID", "videoURL"} <= set(item)


async def test_runware_calls_again_after_longer_and_longer_waits(
    upstream: Any, receiver: Any
) -> None:
    receiver.statuses = [500, 302]
    await upstream.runware(runware_task(receiver.url, "early"))
    calls = await receiver.wait_for(3)
    waits = [after.at - before.at for before, after in pairwise(calls)]
    assert waits[0] >= 0.2
    assert waits[1] >= 0.4
    assert len({call.raw for call in calls}) == 1


async def test_runware_gives_up_after_its_attempts(start: Any, receiver: Any) -> None:
    upstream = await start(callback_attempts=2)
    receiver.statuses = [503] * 9
    await upstream.runware(runware_task(receiver.url, "early"))
    await receiver.wait_for(2)
    await submit(upstream, "sync", receiver.url, "delay:0.6")  # a third attempt would be sooner
    calls = await receiver.wait_for(3)
    assert ["data" in call.json for call in calls] == [True, True, False]


async def test_sync_calls_once_whatever_the_answer(upstream: Any, receiver: Any) -> None:
    receiver.statuses = [500]
    await upstream.generate(sync_body(receiver.url, "early"))
    await submit(upstream, "sync", receiver.url, "delay:0.6")
    await receiver.wait_for(2)
    assert len({call.json["id"] for call in receiver.calls}) == 2


async def test_log_tells_bills_and_callbacks_line_by_line(
    start: Any, receiver: Any, until: Any, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    upstream = await start(log_path=log)
    receiver.statuses = [404]
    task = runware_task(receiver.url, "early")
    await upstream.runware(task)
    await until(lambda: upstream.simulator.acknowledged)
    billed, refused, taken = read(log)
    assert (billed["kind"], billed["provider"], billed["key"]) == (
        "billed",
        "runware",
        task["taskUUID"],
    )
    assert [(e["kind"], e["attempt"], e["status"]) for e in (refused, taken)] == [
        ("callback", 1, 404),
        ("callback", 2, 200),
    ]
    assert refused["key"] == taken["key"] == task["taskUUID"]


async def test_unanswered_callback_is_logged_without_status(start: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    upstream = await start(log_path=log)
    await upstream.generate(sync_body("http://127.0.0.1:9/hook", "early"))
    assert [entry.get("status", "none") for entry in read(log)] == ["none", None]
    assert upstream.simulator.acknowledged == []


async def test_stop_ends_callbacks_and_hanging_answers(
    start: Any, receiver: Any, until: Any
) -> None:
    upstream = await start(generation_seconds=60)
    await submit(upstream, "runware", receiver.url, "ok")
    hanging = asyncio.ensure_future(submit(upstream, "sync", receiver.url, "hang:60"))
    await until(lambda: len(upstream.simulator.billed) == 2)
    async with asyncio.timeout(5):
        await upstream.simulator.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await hanging
    assert receiver.calls == []


def read(log: Path) -> list[Any]:
    return [json.loads(line) for line in log.read_text().splitlines()]
