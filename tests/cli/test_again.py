"""`callboard deliveries` and `callboard replays`, from the command line's text to what a receiver gets."""

import asyncio
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from service.cli.output import Failed
from service.cli.replays import _moment
from tests.cli.test_cli import callboard
from tests.support.embedded import open_home
from tests.support.processes import API_KEY, House, free_port, house
from tests.support.receiver import receiving

TASK = {
    "provider": "sync",
    "request": {
        "model": "sync-3",
        "input": [
            {"type": "video", "url": "https://media.example/v.mp4"},
            {"type": "audio", "url": "https://media.example/a.wav"},
        ],
    },
}
TYPES = ["task.processing", "video.completed", "task.completed"]


def ran(*args: str, about: House) -> subprocess.CompletedProcess[str]:
    return callboard(*args, CALLBOARD_URL=about.url, CALLBOARD_API_KEY=API_KEY)


def said(*args: str, about: House) -> dict[str, Any]:
    ended = ran(*args, "--json", about=about)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


async def test_who_subscribes_late_gets_what_was_missed_and_one_of_it_again() -> None:
    with open_home() as home, house(home, {}) as running:
        await running.ready()
        async with (
            receiving() as receiver,
            aiohttp.ClientSession(headers=running.headers) as session,
        ):
            async with session.post(f"{running.url}/v1/tasks", json=TASK) as answer:
                task = (await answer.json())["taskUUID"]
            async with session.get(f"{running.url}/v1/tasks/{task}?wait=20") as answer:
                assert (await answer.json())["state"] == "completed"
            wanted = {"url": receiver.url}
            async with session.post(f"{running.url}/v1/subscriptions", json=wanted) as answer:
                made = await answer.json()
            subscription, receiver.secret = made["id"], made["secret"]

            # The receiver answers from this loop: whoever waits for it must not stand in its way.
            begun = said(
                *("replays", "start", subscription, "--since", "1h", "--state", "missing"),
                about=running,
            )
            async with asyncio.timeout(20):
                while len(receiver.types(task)) < 3:  # noqa: ASYNC110 - they are sent by another process
                    await asyncio.sleep(0.02)
            assert sorted(receiver.types(task)) == sorted(TYPES)

            again = ("replays", "start", subscription, "--since", "1h", "--wait", "--json")
            ended = ran(*again, about=running)
            assert (ended.returncode, json.loads(ended.stdout)["queued"]) == (0, 0)
            listed = said("replays", "list", subscription, about=running)
            assert [r["request"]["state"] for r in listed["items"]] == ["failed", "missing"]
            shown = ran("replays", "show", begun["id"], about=running)
            assert "3 queued" in shown.stdout
            canceled = ran("replays", "cancel", begun["id"], about=running)
            assert (canceled.returncode, "completed" in canceled.stderr) == (2, True)

            page = said("deliveries", "list", "--task", task, "--type", "video.*", about=running)
            (delivery,) = page["items"]
            assert delivery["replay"] == begun["id"]
            retried = said("deliveries", "retry", delivery["id"], about=running)
            assert retried["state"] == "pending"
            async with asyncio.timeout(20):
                while receiver.repeated == 0:  # noqa: ASYNC110 - it is sent by another process
                    await asyncio.sleep(0.02)
            text = ran("deliveries", "show", delivery["id"], about=running).stdout
            assert "Attempts" in text
            some = said("deliveries", "list", "--limit", "2", about=running)
            assert len(some["items"]) == 2
            wrong = ran("deliveries", "list", "--state", "lost", about=running)
            assert (wrong.returncode, "state should be one of" in wrong.stderr) == (2, True)
            assert ran("deliveries", "show", "1-1", about=running).returncode == 2
    assert not receiver.refused


def test_no_service_is_exit_3(tmp_path: Path) -> None:
    env = {
        "CALLBOARD_URL": f"http://127.0.0.1:{free_port()}",
        "CALLBOARD_API_KEY": "k",
        "CALLBOARD_DATA_DIR": str(tmp_path),
    }
    assert callboard("deliveries", "list", **env).returncode == 3
    assert callboard("replays", "list", "x", **env).returncode == 3


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("6h", 21600)])
def test_how_long_ago_is_a_time(text: str, seconds: int) -> None:
    ago = datetime.now(UTC) - datetime.fromisoformat(_moment(text))
    # To the millisecond, rounded either way.
    assert abs(ago - timedelta(seconds=seconds)) < timedelta(minutes=1)


def test_what_is_no_span_is_left_to_the_service() -> None:
    assert _moment("2026-01-31T12:00:00Z") == "2026-01-31T12:00:00Z"
    assert _moment("soon") == "soon"
    with pytest.raises(Failed, match="before all time"):
        _moment("999999d")
