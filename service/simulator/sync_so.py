"""Plays Sync: `/v2/generate` and `/v2/generations`, one generation a request, one callback each."""

import asyncio
import hmac
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web
from multidict import MultiMapping
from pydantic import ValidationError

from schemas.base import part
from schemas.upstream.sync_so import parse_request
from service.simulator.caller import Caller, Message, Write
from service.simulator.media import DURATION_S
from service.simulator.refusals import Refused, bad_request, hang_up, stop_sync
from service.simulator.scenario import Plan, UnknownScenario, names_in
from service.simulator.state import Job, World, may_call

IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._~-]{1,128}")
PENDING_SHARE = 0.3
"""How much of its time a generation is PENDING before it is PROCESSING."""
TERMINAL = frozenset({"COMPLETED", "FAILED", "REJECTED"})
LONGEST_WAIT_SECONDS, LARGEST_PAGE = 10, 100


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of an Idempotency-Key: which body it came with and what it was answered."""

    fingerprint: str
    answer: dict[str, Any]


class SyncSo:
    """Handles what is under `/v2`."""

    def __init__(self, world: World, caller: Caller, *, secret: str | None) -> None:
        """Sign callbacks if there is a secret."""
        self._world = world
        self._caller = caller
        self._secret = secret
        self._jobs: dict[str, Job] = {}
        self._kept: dict[str, Kept] = {}

    async def create(self, request: web.Request) -> web.Response:
        """Answer POST /v2/generate."""
        _require_key(request)
        key = _idempotency_key(request)
        try:
            body = json.loads(await request.read())
        except ValueError as error:
            raise bad_request("The body is not JSON") from error
        _check(body)
        fingerprint = json.dumps(body, sort_keys=True)
        if key and (kept := self._kept.get(key)):
            if kept.fingerprint != fingerprint:
                code = "IDEMPOTENCY_KEY_CONFLICT"
                raise Refused(409, "The key was used with another request.", errorCode=code)
            return web.json_response(kept.answer, status=201)
        plan = self._plan(key or fingerprint, body)
        if name := self._world.stop(key or fingerprint, plan):
            return stop_sync(name, request)
        if plan.reject:
            message = "options.output_format must be one of the following values: mp4, mov"
            raise bad_request([message])
        return await self._accept(request, body, plan, key, fingerprint)

    async def get(self, request: web.Request) -> web.Response:
        """Answer GET /v2/generate/{id}, at once or when the generation has ended."""
        _require_key(request)
        job = self._find(request.match_info["id"])
        if request.query.get("wait") != "true":
            return web.json_response(self._generation(job))
        seconds = _timeout(request.query.get("timeout", "5"))
        left = job.outcomes[0].settles_at - asyncio.get_running_loop().time()
        await asyncio.sleep(min(max(left, 0), seconds))
        headers = {"Retry-After": "2", "X-Sync-Wait-Mode": "long_poll"}
        headers["X-Sync-Wait-Timeout-Seconds"] = str(seconds)
        return web.json_response(self._generation(job), headers=headers)

    async def browse(self, request: web.Request) -> web.Response:
        """Answer GET /v2/generations, newest first."""
        _require_key(request)
        query = request.query
        limit, cursor = query.get("limit"), query.get("cursor")
        statuses, ids = _several(query, "status"), _several(query, "ids")
        now = asyncio.get_running_loop().time()
        items = [
            self._generation(job)
            for job in reversed(self._jobs.values())
            if now >= job.accepted_at + job.plan.lag_seconds
        ]
        items = [
            item
            for item in items
            if (not statuses or item["status"] in statuses) and (not ids or item["id"] in ids)
        ]
        return web.json_response(_page(items, limit, cursor))

    async def _accept(
        self,
        request: web.Request,
        body: Mapping[str, Any],
        plan: Plan,
        key: str | None,
        fingerprint: str,
    ) -> web.Response:
        webhook = body.get("webhookUrl")
        own_key = key or str(uuid4())
        job = self._world.accept(
            "sync", own_key, body, plan, webhook=webhook, keyed=key is not None
        )
        self._jobs[job.id] = job
        answer = {**self._generation(job), "status": "PENDING", "webhookUrl": webhook}
        answer |= {"outputUrl": None, "outputDuration": None, "error": None, "errorCode": None}
        if key and self._world.remembers and not plan.forget:
            self._kept[key] = Kept(fingerprint, answer)
        if plan.early:
            await self._caller.announce(job, self._writer(job), attempts=1)
        else:
            self._caller.start(job, self._writer(job), attempts=1)
        if plan.answer != "given":
            await asyncio.sleep(plan.hang_seconds)
            return hang_up(request)
        return web.json_response(answer, status=201)

    def _plan(self, key: str, body: Mapping[str, Any]) -> Plan:
        urls = [part(item, "url") for item in body["input"]]
        try:
            return self._world.book.plan(key, [name for url in urls for name in names_in(url)])
        except UnknownScenario as error:
            raise bad_request([f"input: unknown scenario {error}"]) from error

    def _find(self, name: str) -> Job:
        try:
            UUID(name)
        except ValueError as error:
            raise bad_request("Invalid id", errorCode="invalid_generation_id") from error
        if name not in self._jobs:
            raise Refused(404, "Generation not found", errorCode="generation_not_found")
        return self._jobs[name]

    def _status(self, job: Job) -> str:
        now, outcome = asyncio.get_running_loop().time(), job.outcomes[0]
        if now >= outcome.settles_at:
            failed = "REJECTED" if job.plan.rejected else "FAILED"
            return failed if outcome.failed else "COMPLETED"
        started = job.accepted_at + PENDING_SHARE * (outcome.settles_at - job.accepted_at)
        return "PROCESSING" if now >= started else "PENDING"

    def _generation(self, job: Job) -> dict[str, Any]:
        """Return the generation as it is shown now."""
        status, outcome, plan = self._status(job), job.outcomes[0], job.plan
        video, code, text = None, None, None
        if status == "COMPLETED":
            video = self._world.video_url(outcome)
        elif status in TERMINAL and plan.reason:
            usual = "plan_feature_unavailable" if plan.rejected else "generation_pipeline_failed"
            code, text = plan.code or usual, "The generation failed."
        wanted = ("model", "input", "options", "segments", "outputFileName", "projectId")
        return {
            "id": job.id,
            "createdAt": job.created_at,
            "status": status,
            **{name: job.request[name] for name in wanted if name in job.request},
            "webhookUrl": job.webhook if plan.echo else None,
            "outputUrl": video,
            "outputDuration": DURATION_S if video else None,
            "error": text,
            "errorCode": code,
        }

    def _writer(self, job: Job) -> Write:
        def write(_: int) -> Message:
            body = {**self._generation(job), "webhookUrl": job.webhook}
            body["error_code"] = body.pop("errorCode")  # callbacks spell it otherwise
            for name in ("outputFileName", "projectId"):
                body.pop(name, None)
            if job.plan.garbage:
                body = {"ok": True, "note": job.id}
            text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
            headers = {"Content-Type": "application/json"}
            if self._secret is not None:
                headers["Sync-Signature"] = _sign(self._secret, text, int(time.time()))
            return Message(text, headers)

        return write


def _sign(secret: str, body: bytes, at: int) -> str:
    """Sign the bytes as they are sent; the secret is used whole, its prefix included."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (at, body), "sha256").hexdigest()
    return f"t={at},v1={digest}"


def _require_key(request: web.Request) -> None:
    if not request.headers.get("x-api-key"):
        message = "Either Cookie or x-api-key header must be provided"
        raise Refused(401, message, error="Unauthorized")


def _idempotency_key(request: web.Request) -> str | None:
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise bad_request("Invalid Idempotency-Key", errorCode="INVALID_IDEMPOTENCY_KEY")
    return keys[0]


def _check(body: object) -> None:
    try:
        parse_request(body)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise bad_request(
            [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
        ) from error
    webhook = part(body, "webhookUrl")
    if webhook is not None and not may_call(webhook):
        raise bad_request(["webhookUrl: https is required"])


def _timeout(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= LONGEST_WAIT_SECONDS:
        raise bad_request("timeout must be 1 to 10")
    return int(text)


def _several(query: MultiMapping[str], name: str) -> set[str]:
    """Read a filter as the two SDKs send it: repeated or comma-separated words, or JSON text."""
    words: set[str] = set()
    for text in query.getall(name, []):
        try:
            value = json.loads(text)
        except ValueError:
            value = text.split(",")
        words.update(map(str, value if isinstance(value, list) else [value]))
    return words


def _page(items: list[Any], limit: str | None, cursor: str | None) -> list[Any]:
    """Cut a page out; without a limit there are no pages."""
    if limit is None:
        if cursor is not None:
            raise bad_request("cursor requires limit")
        return items
    if not limit.isdigit() or not 1 <= int(limit) <= LARGEST_PAGE:
        raise bad_request("limit must be 1 to 100")
    start = 0
    if cursor is not None:
        start = next((i + 1 for i, item in enumerate(items) if item["id"] == cursor), len(items))
    return items[start : start + int(limit)]
