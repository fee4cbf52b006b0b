"""Who submits and who is told: a caller that never gives up, and a receiver that is not to be relied on."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Any
from uuid import UUID

import aiohttp
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.processes import API_KEY

HEADERS = {"Authorization": f"Bearer {API_KEY}"}
TIMEOUT = aiohttp.ClientTimeout(total=4)
VIDEO, AUDIO = "https://media.example/video.mp4", "https://media.example/audio.wav"


def submission(dice: Random, notify: str) -> dict[str, Any]:
    """Draw a task: of either provider, with one result or several, some in a hurry, some with a notifyURL."""
    name = str(UUID(int=dice.getrandbits(128), version=4))
    told = {"webhookURL": notify} if dice.random() < 0.1 else {}
    hurry = {"deadlineSeconds": dice.choice((3, 8))} if dice.random() < 0.1 else {}
    given: dict[str, Any] = {"taskUUID": name, "labels": {"run": "chaos"}, **hurry}
    if dice.random() < 0.5:
        media = [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}]
        return {**given, "provider": "sync", "request": {"model": "sync-3", "input": media}}
    results = {"numberResults": dice.randint(2, 4)} if dice.random() < 0.3 else {}
    request = {"model": "sync:3@0", "inputs": {"video": VIDEO, "audio": AUDIO}, **results, **told}
    return {**given, "provider": "runware", "request": request}


class Caller:
    """Submits with an Idempotency-Key, and again until it is answered 2xx."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._dice = Random(f"{seed}:tasks")
        self.accepted: dict[str, dict[str, Any]] = {}
        self.canceled: set[str] = set()
        self.counts: Counter[str] = Counter()

    async def go_on(self, per_second: float, notify: str) -> None:
        """Submit until cancelled; what is under way then is finished."""
        async with (
            aiohttp.ClientSession(headers=HEADERS, timeout=TIMEOUT) as session,
            asyncio.TaskGroup() as group,
        ):
            with suppress(asyncio.CancelledError):
                while True:
                    given = submission(self._dice, notify)
                    cancel = self._dice.random() < 0.05
                    group.create_task(self._one(session, given, cancel=cancel))
                    await asyncio.sleep(self._dice.expovariate(per_second))

    async def _one(
        self, session: aiohttp.ClientSession, given: dict[str, Any], *, cancel: bool
    ) -> None:
        name = given["taskUUID"]
        key = {"Idempotency-Key": f"submit-{name}"}
        await self._insist(session, "/v1/tasks", given, key)
        self.accepted[name] = given
        if cancel:
            self.canceled.add(name)
            await self._insist(session, f"/v1/tasks/{name}/cancel", None, {})

    async def _insist(
        self,
        session: aiohttp.ClientSession,
        path: str,
        body: dict[str, Any] | None,
        headers: dict[str, str],
    ) -> None:
        for attempt in range(200):
            with suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with session.post(self._url + path, json=body, headers=headers) as answer:
                    if answer.status < 300:
                        self.counts["answered"] += 1
                        return
                    text = await answer.text()
                    if path.endswith("/cancel") and answer.status == 409:
                        return
                    assert answer.status in {409, 502, 503}, f"{answer.status} {path} {text}"
            self.counts["tried again"] += attempt == 0
            await asyncio.sleep(0.3)
        raise AssertionError(f"{path} was never answered")


class Receiver:
    """Takes events, fails, hangs and hangs up; what it takes it verifies and keeps, in order of arrival."""

    def __init__(self, seed: int) -> None:
        self._dice = Random(f"{seed}:receiver")
        self.secrets: dict[str, str] = {}
        self.url = ""
        self.calm = False
        self.bodies: dict[str, bytes] = {}
        self.events: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.refused: list[str] = []

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Take one event, or do something bad to it."""
        kind = request.match_info["kind"]
        throw = 1.0 if self.calm else self._dice.random()
        body = await request.read()
        # Some of what is answered badly was taken all the same.
        taken = throw >= 0.12 or self._dice.random() < 0.5
        if taken:
            self._take(kind, body, request)
        if throw < 0.06:
            self.counts["failed"] += 1
            return web.Response(status=500)
        if throw < 0.09:
            self.counts["hung"] += 1
            await asyncio.sleep(3)
        elif throw < 0.12 and request.transport is not None:
            self.counts["hung up"] += 1
            request.transport.close()
        return web.Response(status=204)

    def _take(self, kind: str, body: bytes, request: web.Request) -> None:
        try:
            Webhook(self.secrets[kind]).verify(body, dict(request.headers))
        except (WebhookVerificationError, RuntimeError) as error:
            self.refused.append(repr(error))
            return
        event_id = request.headers["webhook-id"]
        seen = self.bodies.setdefault(f"{kind} {event_id}", body)
        self.counts["taken"] += 1
        if seen is not body:
            self.counts["taken again"] += 1
            if seen != body:
                self.refused.append(f"{event_id} came with another body")
            return
        event = json.loads(body)
        self.events[kind, event["subject"]].append(event)


@asynccontextmanager
async def receiving(seed: int) -> AsyncIterator[Receiver]:
    """Run a receiver on a free port of 127.0.0.1."""
    receiver = Receiver(seed)
    app = web.Application()
    app.router.add_post("/{kind}", receiver.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


async def introduce(receiver: Receiver, url: str) -> None:
    """Subscribe the receiver to everything, and learn the secrets."""
    async with aiohttp.ClientSession(headers=HEADERS, timeout=TIMEOUT) as session:
        body = {"url": f"{receiver.url}/subscribed"}
        async with session.post(f"{url}/v1/subscriptions", json=body) as answer:
            assert answer.status == 201, await answer.text()
            receiver.secrets["subscribed"] = (await answer.json())["secret"]
        async with session.get(f"{url}/v1/signing-secret") as answer:
            receiver.secrets["notified"] = (await answer.json())["secret"]
