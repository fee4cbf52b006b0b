"""A batch from end to end: from the command line through both upstreams to its one event."""

import asyncio
import json
import re
import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from tests.cli.test_cli import callboard
from tests.support.embedded import open_home
from tests.support.processes import House, free_port, house
from tests.support.receiver import receiving

TASKS = 60
VIDEO, AUDIO = "https://media.example/v.mp4", "https://media.example/a.wav"
MEDIA = [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}]
SYNC = {"provider": "sync", "request": {"model": "sync-3", "input": MEDIA}}
RUNWARE = {
    "provider": "runware",
    "request": {"model": "sync:3@0", "inputs": {"video": VIDEO, "audio": AUDIO}},
}


def batch(*args: str, about: House, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {"CALLBOARD_URL": about.url, "CALLBOARD_API_KEY": "cb_test_key_of_the_whole_tests"}
    return callboard("batch", *args, stdin=stdin, **env)


async def feed(session: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    """Read the feed to its end."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        query = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
        async with session.get(f"{url}/v1/events", params=query) as answer:
            page = await answer.json()
        if not page["items"]:
            return found
        found += page["items"]
        cursor = page["nextCursor"]


async def test_a_batch_goes_in_as_a_file_and_is_told_of_once_at_the_end(tmp_path: Path) -> None:
    lines = tmp_path / "tasks.jsonl"
    lines.write_text("".join(json.dumps((SYNC, RUNWARE)[n % 2]) + "\n" for n in range(TASKS)))
    with open_home() as home, house(home, {"double": 0.2, "lost": 0.1, "early": 0.1}) as running:
        await running.ready()
        async with (
            receiving() as receiver,
            aiohttp.ClientSession(headers=running.headers) as session,
        ):
            wanted = {"url": receiver.url, "types": ["batch.*"]}
            async with session.post(f"{running.url}/v1/subscriptions", json=wanted) as answer:
                receiver.secret = (await answer.json())["secret"]
            named = ("--idempotency-key", uuid4().hex)
            ended = batch("submit", str(lines), "--wait", "--json", *named, about=running)
            assert ended.returncode == 0, ended.stderr
            made = json.loads(ended.stdout)
            assert (made["state"], made["counts"]["completed"]) == ("completed", TASKS)

            events = await feed(session, running.url)
            assert [e["type"] for e in events].count("batch.completed") == 1
            assert [e["type"] for e in events].count("task.completed") == TASKS
            assert (events[-1]["type"], events[-1]["subject"]) == ("batch.completed", made["id"])
            assert events[-1]["data"] == made

            again = batch("submit", "-", "--json", *named, about=running, stdin=lines.read_text())
            assert json.loads(again.stdout)["id"] == made["id"]
            async with asyncio.timeout(20):
                while not receiver.events.get(made["id"]):  # noqa: ASYNC110 - it is sent by another process
                    await asyncio.sleep(0.02)
        assert running.service.stop() == 0, running.service.tail()
    (told,) = receiver.events[made["id"]]
    assert told == events[-1]
    assert not receiver.refused


async def test_a_batch_that_fails_is_exit_1_and_wrong_lines_are_named_with_exit_2() -> None:
    failing = json.dumps(SYNC).replace("v.mp4", "v.mp4?simulate=fail") + "\n"
    with open_home() as home, house(home, {}) as running:
        await running.ready()
        ended = batch("submit", "-", "--wait", about=running, stdin=failing + json.dumps(RUNWARE))
        assert ended.returncode == 1, ended.stderr
        assert "2 of 2 final (100 %)" in ended.stdout
        assert "failed 1" in ended.stdout

        wrong = batch("submit", "-", about=running, stdin=f"\n{failing}{{\n")
        assert wrong.returncode == 2
        assert "/line/3: The line is not JSON" in wrong.stderr
        assert batch("submit", "no-such-file", about=running).returncode == 2

        own = json.dumps({**RUNWARE, "archive": "none"})
        odd = f" {json.dumps(SYNC)}\r\n\n{own}\n[]\n{{\n" + "[" * 9999
        kept = batch("submit", "-", "--archive", "ftp://x", about=running, stdin=odd)
        assert kept.returncode == 2
        assert re.findall(r"/line/[^:]+", kept.stderr) == [
            "/line/1/archive",
            "/line/4",
            "/line/5",
            "/line/6",
        ]

        never = json.dumps(RUNWARE).replace("v.mp4", "v.mp4?simulate=lost")
        disk = ("--archive", "disk", "--json")
        made = json.loads(batch("submit", "-", *disk, about=running, stdin=never).stdout)
        canceled = batch("cancel", made["id"], "--json", about=running)
        assert json.loads(canceled.stdout)["canceledNow"] in {0, 1}
        shown = batch("show", made["id"], about=running)
        assert "1 of 1 final" in shown.stdout
        assert batch("show", str(uuid4()), about=running).returncode == 2


def test_no_service_is_exit_3(tmp_path: Path) -> None:
    env = {"CALLBOARD_URL": f"http://127.0.0.1:{free_port()}", "CALLBOARD_API_KEY": "k"}
    ended = callboard("batch", "submit", "-", stdin="{}", CALLBOARD_DATA_DIR=str(tmp_path), **env)
    assert ended.returncode == 3
