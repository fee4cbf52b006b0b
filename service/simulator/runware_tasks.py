"""What Runware does with each kind of task, whichever way it came: HTTP or WebSocket."""

import asyncio
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from schemas.base import part
from service.simulator.caller import Caller, Upload, Write
from service.simulator.files import FORMATS, Files
from service.simulator.runware_replies import (
    REJECTED_FOR,
    Reply,
    error_of,
    faults_of,
    refused,
    stopped,
)
from service.simulator.runware_results import (
    Results,
    archive,
    ending_of,
    estimate,
    ids,
    results_of,
    seconds_of,
)
from service.simulator.runware_storage import Storage
from service.simulator.scenario import Plan, UnknownScenario, names_in
from service.simulator.state import Job, World

CONFLICT = "A task with this taskUUID exists."


class Tasks:
    """Remembers the jobs by their taskUUID."""

    def __init__(self, world: World, caller: Caller, files: Files, *, attempts: int) -> None:
        """Call back up to `attempts` times."""
        self._world = world
        self._caller = caller
        self._attempts = attempts
        self._storage = Storage(world, files)
        self._jobs: dict[str, Job] = {}
        self._forgotten: set[str] = set()
        self.results = Results(world)

    async def reply(self, task: dict[str, Any], *, dry: bool, named: Sequence[str] = ()) -> Reply:
        """Answer one task; a dry run changes nothing. `named` are scenarios beside the task's own."""
        match task.get("taskType"):
            case "ping":
                return Reply([{"taskType": "ping", "pong": True}])
            case "getResponse":
                return self._poll(task)
            case "getTaskDetails":
                return self._details(task)
            case "videoInference":
                return await self._submit(task, dry=dry, named=named)
            case "mediaStorage":
                return self._storage.media(task, dry=dry)
            case "imageUpload":
                return self._storage.image(task, dry=dry)
            case _:
                return refused("unsupportedTaskType", "Unknown task type.", task)

    def forget(self) -> None:
        """Take every taskUUID as new from now on; what it was used for can still be read."""
        self._forgotten.update(self._jobs)

    async def _submit(self, task: dict[str, Any], *, dry: bool, named: Sequence[str]) -> Reply:
        if faults := faults_of(task):
            return Reply(errors=faults, status=HTTPStatus.BAD_REQUEST)
        key = task["taskUUID"].lower()
        try:
            plan = self._world.book.plan(key, [*named, *names_in(part(task, "inputs", "video"))])
        except UnknownScenario as error:
            return refused("invalidScenario", f"Unknown scenario: {error}", task)
        if dry:
            return Reply([estimate(task)])
        known = None if key in self._forgotten else self._jobs.get(key)
        if known and self._world.remembers and not plan.forget:
            known.refused_again = True
            return refused("conflictTaskUUID", CONFLICT, task, parameter="taskUUID")
        if stop := self._world.stop(key, plan):
            return stopped(stop, plan, task)
        if plan.reject:
            return refused("unsupportedDuration", "Invalid value.", task, **REJECTED_FOR)
        return await self._accept(key, task, plan)

    async def _accept(self, key: str, task: dict[str, Any], plan: Plan) -> Reply:
        webhook, results = task.get("webhookURL"), results_of(task)
        job = self._world.accept("runware", key, task, plan, webhook=webhook, results=results)
        self._jobs[key] = job
        self._forgotten.discard(key)
        write, upload, attempts = self._writer(job), _upload(job), self._attempts
        if plan.early:
            await self._caller.announce(job, write, attempts=attempts, upload=upload)
        else:
            self._caller.start(job, write, attempts=attempts, upload=upload)
        if plan.answer != "given":
            return Reply(connection="closed", hang_seconds=plan.hang_seconds)
        held = task.get("deliveryMethod") == "sync"
        reply = Reply([] if held else [ids(task)], restart_seconds=plan.restart_seconds)
        reply.owed = job if held or plan.pushed else None
        return reply

    def _poll(self, task: Mapping[str, Any]) -> Reply:
        job = self._jobs.get(_key(task))
        if job is None:
            return Reply()
        if blind := self._blind(job, task):
            return blind
        if self._lags(job) and job.plan.not_found:
            error = error_of("taskFailedOrNotFound", "There is no such task.", task)
            return Reply(errors=[error])
        if self._lags(job) or job.plan.archived:
            return Reply()
        return self.results.state(job, asyncio.get_running_loop().time())

    def _details(self, task: Mapping[str, Any]) -> Reply:
        job = self._jobs.get(_key(task))
        if job is None:
            return Reply()
        if blind := self._blind(job, task):
            return blind
        if self._lags(job):
            return Reply()
        settled = self.results.settled(job, asyncio.get_running_loop().time())
        return Reply([archive(job, settled, CONFLICT)])

    def _blind(self, job: Job, task: Mapping[str, Any]) -> Reply | None:
        reads = f"read:{job.id}"
        if self._world.stopped[reads] >= job.plan.blind:
            return None
        self._world.stopped[reads] += 1
        return stopped("503", job.plan, task)

    def _lags(self, job: Job) -> bool:
        return asyncio.get_running_loop().time() < job.accepted_at + job.plan.lag_seconds

    def _writer(self, job: Job) -> Write:
        return lambda index: self.results.message(job, index)


def _key(task: Mapping[str, Any]) -> str:
    return str(task.get("taskUUID")).lower()


def _upload(job: Job) -> Upload | None:
    """Return what is put where when a result is done, if the task asked for it."""
    url, ending = job.request.get("uploadEndpoint"), ending_of(job.request)
    if url is None or job.plan.upload == "never":
        return None
    made = FORMATS[ending]
    seconds = seconds_of(job.request)
    return Upload(url, made.content_type, lambda index: made.make(job.outcomes[index].id, seconds))
