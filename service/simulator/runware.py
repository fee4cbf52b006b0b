"""Plays Runware over HTTP: one URL, arrays of tasks, results by callback and by `getResponse`."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import uuid4

from aiohttp import web
from pydantic import ValidationError

from schemas.base import part
from schemas.upstream.runware import parse_request
from service.simulator.caller import Caller, Message, Write
from service.simulator.media import DURATION_S
from service.simulator.refusals import HTML, RUNWARE, hang_up
from service.simulator.scenario import UnknownScenario, names_in
from service.simulator.state import Job, Outcome, World, may_call

TASK_TYPE = "videoInference"
COST = round(0.133 * DURATION_S, 4)
DOCUMENTATION = "https://runware.ai/docs/models/sync-3"
CONFLICT = "A task with this taskUUID exists."
REJECTED_FOR: dict[str, Any] = {
    "parameter": "duration",
    "type": "float",
    "documentation": f"{DOCUMENTATION}#request-duration",
    "allowedValues": [6],
}
CODES = {
    "missing": "missingParameter",
    "extra_forbidden": "unsupportedParameter",
    "rule_broken": "incompatibleParameters",
}


@dataclass(slots=True)
class Reply:
    """What one task adds to the answer, or does to the connection."""

    data: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    html: bool = False
    connection: Literal["open", "closed"] = "open"
    hang_seconds: float = 0


def _error(code: str, message: str, task: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    ids = {name: task[name] for name in ("taskType", "taskUUID") if name in task}
    return {"code": code, "message": message, **more, **ids}


def _refused(
    code: str, message: str, task: Mapping[str, Any], *, status: int = 400, **more: Any
) -> Reply:
    return Reply(errors=[_error(code, message, task, **more)], status=status)


class Runware:
    """Handles `POST /v1`."""

    def __init__(self, world: World, caller: Caller, *, attempts: int) -> None:
        """Call back up to `attempts` times."""
        self._world = world
        self._caller = caller
        self._attempts = attempts
        self._jobs: dict[str, Job] = {}

    async def handle(self, request: web.Request) -> web.Response:
        """Answer an array of tasks, each on its own."""
        try:
            tasks = json.loads(await request.read())
        except ValueError:
            tasks = None
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            error = {"code": "invalidRequest", "message": "The body is an array of task objects."}
            return web.json_response({"errors": [error]}, status=400)
        if not _api_key(request, tasks):
            error = {"code": "missingApiKey", "message": "An API key is required."}
            error |= {"parameter": "apiKey", "taskType": "authentication"}
            return web.json_response({"errors": [error]}, status=401)
        return await self._answer(request, [await self._reply(task) for task in tasks])

    async def _answer(self, request: web.Request, replies: list[Reply]) -> web.Response:
        if any(reply.connection == "closed" for reply in replies):
            await asyncio.sleep(max(reply.hang_seconds for reply in replies))
            return hang_up(request)
        data = [item for reply in replies for item in reply.data]
        errors = [item for reply in replies for item in reply.errors]
        status = 200 if data else max((reply.status for reply in replies), default=200)
        if any(reply.html for reply in replies):
            return web.Response(status=status, text=HTML, content_type="text/html")
        # `errors` is left out when empty: the official client takes its presence for a failure.
        body = {"data": data, "errors": errors} if errors else {"data": data}
        return web.json_response(body, status=status)

    async def _reply(self, task: dict[str, Any]) -> Reply:
        match task.get("taskType"):
            case "authentication":
                session = str(task.get("connectionSessionUUID") or uuid4())
                item = {"taskType": "authentication", "connectionSessionUUID": session}
                return Reply([item])
            case "ping":
                return Reply([{"taskType": "ping", "pong": True}])
            case "getResponse":
                return self._poll(task)
            case "getTaskDetails":
                return self._details(task)
            case "videoInference":
                return await self._submit(task)
            case _:
                return _refused("unsupportedTaskType", "Unknown task type.", task)

    async def _submit(self, task: dict[str, Any]) -> Reply:
        if faults := _faults(task):
            return Reply(errors=faults, status=400)
        key = task["taskUUID"].lower()
        try:
            plan = self._world.book.plan(key, names_in(part(task, "inputs", "video")))
        except UnknownScenario as error:
            return _refused("invalidScenario", f"Unknown scenario: {error}", task)
        known = self._jobs.get(key)
        if known and self._world.remembers and not plan.forget:
            known.refused_again = True
            return _refused("conflictTaskUUID", CONFLICT, task, parameter="taskUUID")
        if stop := self._world.stop(key, plan):
            return _stopped(stop, task)
        if plan.reject:
            return _refused("unsupportedDuration", "Invalid value.", task, **REJECTED_FOR)
        results = task.get("numberResults", 1)
        webhook = task.get("webhookURL")
        job = self._world.accept("runware", key, task, plan, webhook=webhook, results=results)
        self._jobs[key] = job
        if plan.early:
            await self._caller.announce(job, self._writer(job), attempts=self._attempts)
        else:
            self._caller.start(job, self._writer(job), attempts=self._attempts)
        if plan.answer != "given":
            return Reply(connection="closed", hang_seconds=plan.hang_seconds)
        return Reply([{"taskType": TASK_TYPE, "taskUUID": task["taskUUID"]}])

    def _poll(self, task: Mapping[str, Any]) -> Reply:
        job = self._find(task)
        if job is None:
            return Reply()
        now = asyncio.get_running_loop().time()
        reply = self._results(job, now)
        running = len(job.outcomes) - len(job.settled(now))
        row = {"taskType": TASK_TYPE, "taskUUID": job.request["taskUUID"], "status": "processing"}
        reply.data.extend([row] * running)
        return reply

    def _details(self, task: Mapping[str, Any]) -> Reply:
        job = self._find(task)
        if job is None:
            return Reply()
        reply = self._results(job, asyncio.get_running_loop().time())
        response: dict[str, Any] = {"errors": reply.errors} if reply.errors else {}
        response |= {"data": reply.data} if reply.data or not reply.errors else {}
        if job.refused_again:
            response = {"data": [], "errors": [_error("conflictTaskUUID", CONFLICT, job.request)]}
        item = {"taskType": "getTaskDetails", "taskUUID": job.request["taskUUID"]}
        return Reply([{**item, "request": [job.request], "response": response}])

    def _find(self, task: Mapping[str, Any]) -> Job | None:
        job = self._jobs.get(str(task.get("taskUUID")).lower())
        now = asyncio.get_running_loop().time()
        return job if job and now >= job.accepted_at + job.plan.lag_seconds else None

    def _results(self, job: Job, now: float) -> Reply:
        reply = Reply()
        for _, outcome in job.settled(now):
            item = self._item(job, outcome)
            (reply.errors if outcome.failed else reply.data).append(item)
        return reply

    def _item(self, job: Job, outcome: Outcome) -> dict[str, Any]:
        plan = job.plan
        item = {"taskType": TASK_TYPE, "taskUUID": job.request["taskUUID"]}
        if outcome.failed:
            item["status"] = "error"
            if plan.reason:
                item |= {"code": plan.code or "providerError", "message": "The provider failed."}
            return item
        item |= {"status": "success", "videoUUID": outcome.id}
        item["videoURL"] = self._world.video_url(outcome)
        more: dict[str, Any] = {"seed": outcome.seed, "NSFWContent": False}
        return item | more | ({"cost": COST} if job.request.get("includeCost") else {})

    def _writer(self, job: Job) -> Write:
        def write(index: int) -> Message:
            outcome, plan = job.outcomes[index], job.plan
            item = self._item(job, outcome)
            if not plan.with_status:
                del item["status"]
            body = item if plan.flat else {"errors" if outcome.failed else "data": [item]}
            text = json.dumps({"ok": True, "note": outcome.id} if plan.garbage else body)
            return Message(text.encode(), {"Content-Type": "application/json"})

        return write


def _api_key(request: web.Request, tasks: list[dict[str, Any]]) -> bool:
    """Say whether there is a key, in the header or in a first task of its own; any is good."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    first = tasks[0] if tasks else {}
    in_body = first.get("taskType") == "authentication" and first.get("apiKey")
    return bool(in_body or (scheme.lower() == "bearer" and key.strip()))


def _faults(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is wrong with a submitted task, as errors."""
    try:
        parse_request(task)
    except ValidationError as error:
        return [_fault(fault, task) for fault in error.errors(include_url=False)]
    if "taskUUID" not in task:
        return [_error("missingTaskUUID", "Field required", task, parameter="taskUUID")]
    if "webhookURL" in task and not may_call(task["webhookURL"]):
        return [_error("invalidWebhookURL", "https is required", task, parameter="webhookURL")]
    return []


def _fault(fault: Any, task: Mapping[str, Any]) -> dict[str, Any]:
    path = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in fault["loc"]).lstrip(".")
    code = CODES.get(fault["type"], "invalidParameter")
    more = {"parameter": path, "documentation": DOCUMENTATION}
    return _error(code, fault["msg"], task, **more)


def _stopped(name: str, task: Mapping[str, Any]) -> Reply:
    """Return what a send gets that is not accepted."""
    if name == "reset":
        return Reply(connection="closed")
    if name == "html":
        return Reply(html=True, status=503)
    status, code, message = RUNWARE[name]
    return _refused(code, message, task, status=status)
