"""Several `callboard serve` on one database, each a process of its own, with a stub for the upstream."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from service.vault import format_key
from tests.support.processes import API_KEY, Process, free_port
from tests.support.stub_upstream import StubUpstream

PATIENCE_S = 30.0
ENCRYPTION_KEY = format_key(b"e" * 32)
CALLBACK_KEY = "callback-key-of-the-fleet"
REQUEST = {
    "model": "sync:3@0",
    "inputs": {"video": "https://m.example/v.mp4", "audio": "https://m.example/a.wav"},
}


@dataclass
class Member:
    """One process of the fleet."""

    process: Process
    url: str

    async def ready(self) -> None:
        """Wait until it serves and is ready."""
        until = time.monotonic() + PATIENCE_S
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until:
                assert self.process.alive, self.process.tail()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready:\n{self.process.tail()}")

    def logged(self, event: str) -> bool:
        """Whether it logged something of this name."""
        return f'"event":"{event}"' in self.process.log.read_text("utf-8", "replace")


@dataclass
class Fleet:
    """Makes processes that share a database."""

    home: Path
    dsn: str
    upstream: str

    @contextmanager
    def member(self, name: str, *, role: str | None = None, **more: str) -> Iterator[Member]:
        """Run a process for a while."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        env = {
            "CALLBOARD_DATABASE_URL": self.dsn,
            "CALLBOARD_DATA_DIR": str(self.home / name),
            "CALLBOARD_PORT": str(port),
            "CALLBOARD_API_KEYS": API_KEY,
            "CALLBOARD_CALLBACK_KEYS": CALLBACK_KEY,
            "CALLBOARD_ENCRYPTION_KEYS": ENCRYPTION_KEY,
            "CALLBOARD_RUNWARE_URL": f"{self.upstream}/v1",
            "CALLBOARD_RUNWARE_API_KEY": "rw",
            "CALLBOARD_ALLOW_NETWORKS": "127.0.0.0/8",
            "CALLBOARD_POOL_SIZE": "6",
            "CALLBOARD_LOG_FORMAT": "json",
            **more,
        }
        roles = ("--role", role) if role else ()
        process = Process(("-m", "service", "serve", *roles), env, self.home / f"{name}.log")
        process.start()
        try:
            yield Member(process, url)
        finally:
            process.stop()


@asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session that is let in."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def submit(session: aiohttp.ClientSession, member: Member, many: int = 1) -> list[str]:
    """Have tasks accepted; gives their names."""
    given = [{"provider": "runware", "request": REQUEST}] * many
    async with session.post(f"{member.url}/v1/tasks", json=given) as answer:
        assert answer.status == 202, await answer.text()
        return [item["taskUUID"] for item in (await answer.json())["items"]]


async def shown(session: aiohttp.ClientSession, member: Member, task_uuid: str) -> dict[str, Any]:
    """Ask for a task."""
    async with session.get(f"{member.url}/v1/tasks/{task_uuid}") as answer:
        found: dict[str, Any] = await answer.json()
        return found


async def accepts(request: web.Request) -> web.StreamResponse:
    """Take a submit, and know nothing of any task when asked."""
    (asked,) = await request.json()
    if asked["taskType"] != "videoInference":
        return web.json_response({"data": []})
    return web.json_response(
        {"data": [{"taskType": "videoInference", "taskUUID": asked["taskUUID"]}]}
    )


async def sends(stub: StubUpstream, many: int = 1) -> list[dict[str, Any]]:
    """Wait for so many submits; gives their bodies."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = [got.json[0] for got in list(stub.got) if got.body]
        found = [asked for asked in found if asked["taskType"] == "videoInference"]
        if len(found) >= many:
            return found
        assert time.monotonic() < until, f"{len(found)} of {many} were sent"
        await asyncio.sleep(0.01)


async def call_back(session: aiohttp.ClientSession, sent: dict[str, Any]) -> None:
    """Be the upstream that says a video is done."""
    row = {
        "taskType": "videoInference",
        "taskUUID": sent["taskUUID"],
        "status": "success",
        "videoUUID": f"v-{sent['taskUUID']}",
        "videoURL": "https://im.example/v.mp4",
        "cost": 0.5,
    }
    async with session.post(sent["webhookURL"], json={"data": [row]}) as answer:
        assert answer.status == 200, await answer.text()
