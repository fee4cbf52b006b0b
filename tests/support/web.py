"""The web on a house, on loopback, through the server of production; and a caller of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
from multidict import CIMultiDictProxy

from schemas.api.problem import Problem
from service.clock import SystemDice
from service.core import url_guard
from service.core.fault import Fault, FaultKind
from service.flows.files import Files, Places
from service.observe import Health, Metrics
from service.ports import Place, PlaceError
from service.store.pool import Pool
from service.web.app import make_app
from service.web.deps import Deps, Limits
from service.web.server import Running, start
from tests.support.fakes import FakeProvider
from tests.support.house import API_KEY, CALLBACK_KEYS, PUBLIC_URL, House, make_house

HANDLER_GRACE_S = 1.0
LINK_S = 3600
PUBLIC = {"Authorization": ""}
"""Headers of somebody who has no key."""


class Nowhere:
    """Keeps nothing, for tests that are not about files."""

    def at(self, location: str) -> Place:
        raise PlaceError(Fault("no_place", f"Nothing is at {location}.", FaultKind.TRANSIENT))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    def problem(self, status: int, code: str) -> Problem:
        """Take the answer for a problem of this kind."""
        assert (self.status, self.json.get("code")) == (status, code), self.raw
        assert self.headers["Content-Type"] == "application/problem+json"
        problem = Problem.model_validate_json(self.raw)
        assert (problem.status, problem.type) == (status, f"urn:callboard:problem:{code}")
        return problem

    def pointers(self) -> list[str]:
        """Say which places of the body an `invalid` problem names."""
        return [fault.pointer for fault in self.problem(422, "invalid").errors]


@dataclass(frozen=True, slots=True)
class Api:
    """A server that runs, and a caller with a key."""

    running: Running
    session: aiohttp.ClientSession
    house: House
    health: Health

    @property
    def base(self) -> str:
        return self.running.url

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        data: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Make a request; `body` is sent as JSON, `data` as it is."""
        sent = {"Authorization": f"Bearer {API_KEY}"} | dict(headers or {})
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(
            method, self.base + path, data=data, headers={k: v for k, v in sent.items() if v}
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **headers: str) -> Reply:
        return await self.call("GET", path, headers=headers)

    async def post(self, path: str, body: object = None, **headers: str) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call("POST", path, body=body, headers=named)

    async def made(self, **more: object) -> UUID:
        """Submit one task and say its name."""
        reply = await self.post("/v1/tasks", submission(**more))
        assert reply.status == 202, reply.raw
        return UUID(reply.json["taskUUID"])

    async def call_back(
        self, task_uuid: UUID, body: object, provider: str = "runware", **headers: str
    ) -> Reply:
        """Call back with a good token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call(
            "POST", self.callback_path(task_uuid, provider), data=body, headers=PUBLIC | named
        )

    def callback_path(self, task_uuid: UUID, provider: str = "runware") -> str:
        """Give the path that an upstream is told to call."""
        url = self.house.upstreams.webhook_url(provider, task_uuid)
        assert url is not None
        return url.removeprefix("https://board.example")


def submission(**more: object) -> dict[str, object]:
    """Make a good submission, with other fields in it or instead."""
    return {"provider": "runware", "request": {"model": "sync:3@0"}, **more}


@asynccontextmanager
async def serving(
    pool: Pool,
    *,
    limits: Limits | None = None,
    off: Mapping[str, str] | None = None,
    patience_s: float = 4.0,
    flushers: int = 2,
    fake: type[FakeProvider] = FakeProvider,
    keyless: bool = False,
    places: Places | None = None,
    link_keys: Sequence[bytes] = CALLBACK_KEYS,
) -> AsyncIterator[Api]:
    """Serve the web of a house until the block ends; its inbox is flushed as in production."""
    house = make_house(
        pool,
        dice=SystemDice(),
        off=off,
        concurrency=500,
        patience_s=patience_s,
        fake=fake,
        keyless=keyless,
    )
    health = Health()
    deps = Deps(
        accept=house.accept,
        gather=house.gather,
        operate=house.operate,
        erase=house.erase,
        look=house.look,
        files=Files(
            pool, house.wake, places or Nowhere(), link_keys, public_url=PUBLIC_URL, link_s=LINK_S
        ),
        feed=house.feed,
        tail=house.tail,
        subscribe=house.subscribe,
        again=house.again,
        ping=house.ping,
        publish=house.publish,
        admit=house.admit,
        accounts=house.accounts,
        receive=house.receive,
        batcher=house.batcher,
        upstreams=house.upstreams,
        upkeep=house.upkeep,
        health=health,
        metrics=Metrics(),
        dice=house.dice,
        check_url=url_guard.check_url,
        version="1.2.3",
        limits=limits or Limits(),
    )
    await house.accounts.ready()
    running = await start(make_app(deps), "127.0.0.1", 0, handler_grace_s=HANDLER_GRACE_S)
    loops = [asyncio.create_task(_flush(house)) for _ in range(flushers)]
    loops.append(asyncio.create_task(house.tail.run(asyncio.Event())))
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            yield Api(running, session, house, health)
    finally:
        await running.stop()
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def _flush(house: House) -> None:
    while True:
        await house.batcher.flush_once()
