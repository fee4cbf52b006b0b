"""Sync's Batch API: many generations from one file, one callback for all, one file of results.

The scenario of the first line is that of the batch too: of how it is submitted and called back.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

from aiohttp import web

from schemas.base import part
from schemas.upstream.sync_batch import FILE_BYTES_MAX
from service.simulator.caller import Caller, Message, Write
from service.simulator.refusals import hang_up
from service.simulator.scenario import Plan
from service.simulator.state import Job, Outcome, World, may_call, timestamp
from service.simulator.sync_batch_input import Line, parse_lines
from service.simulator.sync_files import SyncFiles
from service.simulator.sync_generations import Generations
from service.simulator.sync_queries import instant
from service.simulator.sync_refusals import BATCH_STOPS, Refused, bad_request, stop, too_large
from service.simulator.sync_request import read_form

STAGES = ((0.1, "PENDING"), (0.3, "JOBS_CREATED"), (1.0, "PROCESSING"))
"""Until which share of its time a batch is in which state."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch: its generations by request_id, and what is called back for the whole of it."""

    job: Job
    generations: Mapping[str, Job]


class SyncBatches:
    """Handles `/v2/batch`."""

    def __init__(
        self, world: World, caller: Caller, generations: Generations, files: SyncFiles
    ) -> None:
        """Make generations that are also found one by one; sign result files."""
        self._world = world
        self._caller = caller
        self._generations = generations
        self._files = files
        self._batches: dict[str, Batch] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes that need a key."""
        return [
            web.post("/v2/batch", self.create),
            web.get("/v2/batch", self.browse),
            web.get("/v2/batch/{id}", self.get),
            web.get("/v2/batches/{id}/result", self.result),
        ]

    async def create(self, request: web.Request) -> web.Response:
        """Answer POST /v2/batch."""
        form = await read_form(request)
        lines = parse_lines(_file(form))
        webhook = _text(form, "webhook_url")
        plan = self._generations.plan("batch", lines[0].payload)
        if name := self._world.stop(lines[0].key, plan):
            return stop(name, plan, request, BATCH_STOPS)
        faults = [fault for line in lines for fault in line.faults]
        if webhook is not None and not may_call(webhook):
            faults.append("webhook_url must be an https URL")
        if faults or plan.reject:
            raise bad_request(faults or ["input: the file was rejected"])
        if _text(form, "dry_run") == "true":
            return web.json_response({"status": "VALIDATED"}, status=201)
        batch = self._make(lines, plan, webhook)
        answer = self._show(batch)
        for job in batch.generations.values():
            await self._generations.call_back(job)
        self._caller.start(batch.job, self._writer(batch), attempts=1)
        if plan.answer != "given":
            await asyncio.sleep(plan.hang_seconds)
            return hang_up(request)
        return web.json_response(answer, status=201)

    async def get(self, request: web.Request) -> web.Response:
        """Answer GET /v2/batch/{id}."""
        return web.json_response(self._show(self._find(request)))

    async def browse(self, request: web.Request) -> web.Response:
        """Answer GET /v2/batch, newest first."""
        status = request.query.get("status")
        after, before = (instant(request.query, f"created_{word}") for word in ("after", "before"))
        shown = [self._show(batch) for batch in reversed(self._batches.values())]
        found = [
            one
            for one in shown
            if (status is None or one["status"] == status)
            and (after is None or datetime.fromisoformat(one["created_at"]) > after)
            and (before is None or datetime.fromisoformat(one["created_at"]) < before)
        ]
        return web.json_response(found)

    async def result(self, request: web.Request) -> web.Response:
        """Redirect to the file of results."""
        batch = self._find(request)
        if not self._show(batch)["outputUrl"]:
            raise Refused(404, "The batch has no results yet", error="Not Found")
        raise web.HTTPFound(self._files.signed_url(f"/results/{batch.job.id}.jsonl"))

    async def fetch(self, request: web.Request) -> web.Response:
        """Answer the file of results, for whoever has its signed address."""
        self._files.require_signature(request)
        batch = self._batches[request.match_info["name"].removesuffix(".jsonl")]
        rows = (self._row(name, job) for name, job in batch.generations.items())
        text = "".join(json.dumps(row) + "\n" for row in rows)
        return web.Response(text=text, content_type="application/jsonl")

    def _make(self, lines: Sequence[Line], plan: Plan, webhook: str | None) -> Batch:
        dice = Random(f"{self._world.book.seed}:batch:{len(self._batches)}")
        name = f"batch_{dice.getrandbits(96):024x}"
        jobs = {}
        for line in lines:
            own = self._generations.plan(f"{name}:{line.request_id}", line.payload)
            hook = part(line.payload, "webhookUrl")
            job = self._world.accept(
                "sync", f"{name}:{line.request_id}", line.payload, own, webhook=hook, keyed=False
            )
            self._generations.add(job, source="batch", batched=True)
            jobs[line.request_id] = job
        now = asyncio.get_running_loop().time()
        last = max(job.outcomes[0].settles_at for job in jobs.values())
        outcomes = (Outcome(name, last, failed=False, seed=0),)
        whole = Job("sync", None, name, {}, plan, webhook, timestamp(), now, outcomes)
        batch = self._batches[name] = Batch(whole, jobs)
        return batch

    def _find(self, request: web.Request) -> Batch:
        name = request.match_info["id"]
        if name not in self._batches:
            raise Refused(404, "Batch not found", error="Not Found")
        return self._batches[name]

    def _status(self, batch: Batch, metrics: Mapping[str, int]) -> str:
        if not metrics["pending_count"]:
            return "COMPLETED" if metrics["success_count"] else "FAILED"
        now, job = asyncio.get_running_loop().time(), batch.job
        share = (now - job.accepted_at) / max(job.outcomes[0].settles_at - job.accepted_at, 1e-9)
        return next((name for end, name in STAGES if share < end), "PROCESSING")

    def _metrics(self, batch: Batch) -> dict[str, int]:
        states = Counter(self._generations.status(job) for job in batch.generations.values())
        total, good = states.total(), states["COMPLETED"]
        failed = states["FAILED"] + states["REJECTED"]
        return {
            "total_generations": total,
            "success_count": good,
            "failed_count": failed,
            "pending_count": total - good - failed,
        }

    def _show(self, batch: Batch) -> dict[str, Any]:
        metrics = self._metrics(batch)
        ended = not metrics["pending_count"]
        path = f"/v2/batches/{batch.job.id}/result"
        return {
            "id": batch.job.id,
            "created_at": batch.job.created_at,
            "status": self._status(batch, metrics),
            "metrics": metrics,
            "webhookUrl": batch.job.webhook,
            "outputUrl": self._world.media_base + path if ended else "",
        }

    def _row(self, request_id: str, job: Job) -> dict[str, Any]:
        """Return a line of the result file, whose form is a guess."""
        shown = self._generations.show(job)
        return {
            "request_id": request_id,
            "generation_id": job.id,
            "status": shown["status"],
            "outputUrl": shown["outputUrl"],
            "error": shown["error"],
            "error_code": shown["errorCode"],
        }

    def _writer(self, batch: Batch) -> Write:
        def write(_: int) -> Message:
            body = self._show(batch)
            if not batch.job.plan.flat:
                body = {**_camel(body), "options": {}}
            if batch.job.plan.garbage:
                body = {"ok": True, "note": batch.job.id}
            return self._generations.message(batch.job.plan, body)

        return write


def _camel(body: Mapping[str, Any]) -> dict[str, Any]:
    """Spell it as the documents' example of the callback does."""
    return {
        first + "".join(map(str.capitalize, more)): _camel(value)
        if isinstance(value, dict)
        else value
        for name, value in body.items()
        for first, *more in [name.split("_")]
    }


def _file(form: Mapping[str, Sequence[Any]]) -> bytes:
    for given in form.get("input", ()):
        if isinstance(given, web.FileField):
            content: bytes = given.file.read(FILE_BYTES_MAX + 1)
            if len(content) > FILE_BYTES_MAX:
                raise too_large()
            return content
    raise bad_request(["input should be a file"])


def _text(form: Mapping[str, Sequence[Any]], name: str) -> str | None:
    return next((text for text in form.get(name, ()) if isinstance(text, str) and text), None)
