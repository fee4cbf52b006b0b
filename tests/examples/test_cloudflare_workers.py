"""Cloudflare Workers: the module under node, whose Web Crypto and fetch are those of the same standards."""

import asyncio
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from tests.examples.conftest import EXAMPLES
from tests.support.deliveries import (
    PLAN,
    PUBLIC_KEY,
    RAW_OTHER,
    SECRET,
    SPARE_SECRET,
    STYLES,
    Arrived,
    arrived,
    hostile,
    outgoing,
    video_completed,
)
from tests.support.house import API_KEY
from tests.support.web import Api

NODE = which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed here")
RUNNER = Path(__file__).with_name("worker_runner.mjs")
WORKER = EXAMPLES / "cloudflare_workers" / "worker.js"
URL = "https://video.example/$&/0.mp4?a=1"
BY_SECRET = {"CALLBOARD_WEBHOOK_SECRET": f"{SECRET},{SPARE_SECRET}"}
BY_KEY = {"CALLBOARD_WEBHOOK_PUBLIC_KEY": PUBLIC_KEY}


@dataclass(frozen=True, slots=True)
class Ran:
    """What the Worker answered, and what became of the messages in its queue."""

    answers: list[int | str]
    outcomes: list[str]


async def run(
    folder: Path, *came: Arrived, url: str = "http://127.0.0.1:9", **variables: str
) -> Ran:
    """Have the Worker answer these one after the other, then work through its queue."""
    requests: list[dict[str, Any]] = [
        {"method": "POST", "headers": c.headers, "body": base64.b64encode(c.body).decode()}
        for c in came
    ]
    requests.append({"method": "GET", "headers": {}, "body": ""})
    env = {"CALLBOARD_URL": url, "CALLBOARD_API_KEY": API_KEY, **(variables or BY_SECRET)}
    given = folder / "given.json"
    given.write_text(json.dumps({"env": env, "requests": requests}))
    node = await asyncio.create_subprocess_exec(
        str(NODE), "--no-warnings", str(RUNNER), str(WORKER), str(given), stdout=-1, stderr=-1
    )
    async with asyncio.timeout(60):
        out, error = await node.communicate()
    assert node.returncode == 0, error.decode()
    said = json.loads(out)
    assert said["answers"].pop() == 405
    return Ran(**said)


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("keys", [BY_SECRET, BY_KEY], ids=["v1", "v1a"])
async def test_a_video_starts_the_next_step_once_however_often_its_event_comes(
    api: Api, tmp_path: Path, style: str, keys: dict[str, str]
) -> None:
    event = video_completed(PLAN, URL)
    twice = [await arrived(outgoing(event, style)) for _ in range(2)]
    assert await run(tmp_path, *twice, url=api.base, **keys) == Ran([204, 204], ["ack", "ack"])
    (task,) = (await api.get("/v1/tasks")).json["items"]
    assert task["request"]["inputs"] == {"video": URL}
    assert (task["taskUUID"], task["labels"]) == (str(event.id), {"step": "2"})
    assert task["metadata"] == {"order": 7, "next": PLAN["next"][1:]}


@pytest.mark.parametrize("keys", [BY_SECRET, BY_KEY], ids=["v1", "v1a"])
async def test_what_is_not_signed_now_and_by_us_is_refused_and_queues_nothing(
    tmp_path: Path, keys: dict[str, str]
) -> None:
    bad = await hostile(video_completed(PLAN))
    ran = await run(tmp_path, *bad.values(), **keys)
    assert dict(zip(bad, ran.answers, strict=True)) == dict.fromkeys(bad, 401)
    assert ran.outcomes == []


async def test_a_header_that_comes_twice_is_refused(tmp_path: Path) -> None:
    good = await arrived(outgoing(video_completed(PLAN)))
    headers = [pair for pair in good.headers if pair[0] == "webhook-id"]
    assert len(headers) == 1
    ran = await run(tmp_path, Arrived((*good.headers, *headers), good.body))
    assert ran == Ran([401], [])


async def test_during_a_rotation_either_secret_is_enough(tmp_path: Path) -> None:
    event = outgoing(video_completed({}), secrets=(RAW_OTHER, b"s" * 32), private_keys=())
    assert await run(tmp_path, await arrived(event)) == Ran([204], ["ack"])


async def test_without_a_key_nothing_is_taken_and_nothing_is_lost(tmp_path: Path) -> None:
    came = await arrived(outgoing(video_completed(PLAN)))
    none = await run(tmp_path, came, CALLBOARD_WEBHOOK_SECRET="")
    assert none == Ran(["Error: no secret and no public key is configured"], [])
    wrong = await run(tmp_path, came, CALLBOARD_WEBHOOK_SECRET="whsec_%")
    assert wrong == Ran(["Error: a key of v1 is not base64"], [])


async def test_what_callboard_does_not_take_now_stays_in_the_queue(tmp_path: Path) -> None:
    came = await arrived(outgoing(video_completed(PLAN)))
    assert await run(tmp_path, came) == Ran([204], ["retry"])


async def test_what_callboard_will_never_take_leaves_the_queue(api: Api, tmp_path: Path) -> None:
    plan = {"next": [{"provider": "nobody", "request": {"model": "m"}}]}
    came = await arrived(outgoing(video_completed(plan)))
    assert await run(tmp_path, came, url=api.base) == Ran([204], ["ack"])


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"null", b"\xff", b"[null]"])
async def test_what_is_signed_and_unreadable_is_a_400(tmp_path: Path, body: bytes) -> None:
    came = await arrived(outgoing(video_completed(PLAN), body=body))
    assert await run(tmp_path, came) == Ran([400], [])


async def test_events_of_other_types_are_welcome_and_queue_nothing(tmp_path: Path) -> None:
    came = await arrived(outgoing(video_completed(PLAN, name="task.completed")))
    assert await run(tmp_path, came) == Ran([204], [])
