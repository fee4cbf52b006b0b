"""Plays Sync: creates generations, and joins all that is under `/v2`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from aiohttp import web

from service.simulator.caller import Caller
from service.simulator.files import Files
from service.simulator.refusals import hang_up
from service.simulator.scenario import HEADER, Plan, names_of
from service.simulator.state import Job, World
from service.simulator.sync_assets import SyncAssets
from service.simulator.sync_batches import SyncBatches
from service.simulator.sync_facts import SyncFacts
from service.simulator.sync_files import SyncFiles
from service.simulator.sync_generations import OUTPUTS, Generations
from service.simulator.sync_limits import Limits
from service.simulator.sync_reads import SyncReads
from service.simulator.sync_refusals import Refused, bad_request, stop
from service.simulator.sync_request import idempotency_key, read_create, require_key

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SOURCE = "api"
"""Where a generation came from, unless its header `x-sync-source` says otherwise."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of an Idempotency-Key: which body it came with and what it was answered."""

    fingerprint: str
    answer: dict[str, Any]


class SyncSo:
    """Handles what is under `/v2`."""

    def __init__(
        self, world: World, caller: Caller, files: Files, *, secret: str | None, limits: Limits
    ) -> None:
        """Sign callbacks if there is a secret."""
        self._world = world
        self._limits = limits
        self._generations = Generations(world, caller, secret=secret)
        self._files = SyncFiles(world, files)
        self._assets = SyncAssets(self._files)
        self._reads = SyncReads(self._generations)
        self._batches = SyncBatches(world, caller, self._generations, self._files)
        self._facts = SyncFacts(self._files, secret=secret)
        self._kept: dict[str, Kept] = {}
        self._down_until = 0.0

    def routes(self) -> list[web.RouteDef]:
        """Return all routes; those that are not there are answered as NestJS does."""
        keyed = [
            web.post("/v2/generate", self.create),
            *self._facts.routes(),
            *self._reads.routes(),
            *self._batches.routes(),
            *self._assets.routes(),
        ]
        return [
            web.get("/v2/errors", self._facts.errors),
            web.put("/uploads/{name}", self._files.put),
            web.get("/results/{name}", self._batches.fetch),
            *(web.route(one.method, one.path, self._guarded(one.handler)) for one in keyed),
            web.route("*", "/v2/{tail:.*}", _no_route),
        ]

    def restart(self, seconds: float, *, forget: bool = False) -> None:
        """Close every connection for a while; generations go on. `forget` loses Idempotency-Keys."""
        self._down_until = asyncio.get_running_loop().time() + seconds
        if forget:
            self._kept.clear()

    async def create(self, request: web.Request) -> web.Response:
        """Answer POST /v2/generate."""
        now = asyncio.get_running_loop().time()
        self._limits.count(now)
        key = idempotency_key(request)
        body = await read_create(request, self._files)
        fingerprint = json.dumps(body, sort_keys=True)
        if key and (kept := self._kept.get(key)):
            if kept.fingerprint != fingerprint:
                code = "IDEMPOTENCY_KEY_CONFLICT"
                raise Refused(409, "The key was used with another request.", errorCode=code)
            return web.json_response(kept.answer, status=201)
        named = names_of(request.headers.get(HEADER, ""))
        plan = self._generations.plan(key or fingerprint, body, named)
        if name := self._world.stop(key or fingerprint, plan):
            return stop(name, plan, request)
        if plan.reject:
            raise bad_request([REJECTION])
        self._assets.check(body)
        self._limits.admit(self._generations.ends(), now)
        return await self._accept(request, body, plan, key, fingerprint)

    async def _accept(
        self,
        request: web.Request,
        body: Mapping[str, Any],
        plan: Plan,
        key: str | None,
        fingerprint: str,
    ) -> web.Response:
        job = self._world.accept(
            "sync",
            key or str(uuid4()),
            body,
            plan,
            webhook=body.get("webhookUrl"),
            keyed=key is not None,
        )
        self._generations.add(job, source=request.headers.get("x-sync-source", SOURCE))
        answer = self._first_answer(job)
        if key and self._world.remembers and not plan.forget:
            self._kept[key] = Kept(fingerprint, answer)
        await self._generations.call_back(job)
        if plan.restart_seconds:
            self.restart(plan.restart_seconds)
        if plan.answer == "doubted":
            code, text = "IDEMPOTENCY_OUTCOME_UNKNOWN", "The outcome of the request is not known."
            raise Refused(409, text, error="Conflict", errorCode=code, generationId=job.id)
        if plan.answer != "given":
            await asyncio.sleep(plan.hang_seconds)
            return hang_up(request)
        return web.json_response(answer, status=201)

    def _first_answer(self, job: Job) -> dict[str, Any]:
        """Show it as PENDING with its webhook, whatever is known or shown later."""
        shown = self._generations.show(job)
        kept = {name: value for name, value in shown.items() if name not in OUTPUTS}
        nothing = dict.fromkeys(("outputUrl", "outputDuration", "error", "errorCode"))
        return {**kept, "status": "PENDING", "webhookUrl": job.webhook, **nothing}

    def _guarded(self, handler: Any) -> Handler:
        """Let through who has a key, while there is anybody to answer."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if asyncio.get_running_loop().time() < self._down_until:
                return hang_up(request)
            require_key(request)
            answer: web.StreamResponse = await handler(request)
            return answer

        return guarded


REJECTION = "options.output_format must be one of the following values: mp4, mov"


async def _no_route(request: web.Request) -> web.StreamResponse:
    raise Refused(404, f"Cannot {request.method} {request.path}", error="Not Found")
