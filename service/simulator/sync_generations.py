"""All generations of Sync: what each looks like now, and how each is called back."""

import asyncio
import hmac
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from schemas.base import part
from service.simulator.caller import Caller, Message, Write
from service.simulator.files import Ends, result_path
from service.simulator.scenario import Plan, UnknownScenario, names_in
from service.simulator.state import Job, World
from service.simulator.sync_costs import output_seconds, voice_seconds
from service.simulator.sync_refusals import bad_request, coded
from service.simulator.sync_request import cleaned_name

PENDING_SHARE = 0.3
"""How much of its time a generation is PENDING before it is PROCESSING."""
ENDED = frozenset({"COMPLETED", "FAILED", "REJECTED"})
NO_OUTPUT = {"outputUrl": None, "outputDuration": None}
OUTPUTS = frozenset({*NO_OUTPUT, "segmentOutputUrl", "synthesizedAudioUrl"})
ECHOED = ("model", "input", "options", "segments", "outputFileName", "projectId", "dubParams")
ANSWERS_ONLY = ("outputFileName", "projectId", "synthesizedAudioUrl")
"""What answers have and callbacks do not."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A generation, with where it came from."""

    job: Job
    source: str
    batched: bool


class Generations:
    """Remembers them, in the order they were made in."""

    def __init__(self, world: World, caller: Caller, *, secret: str | None) -> None:
        """Sign callbacks if there is a secret."""
        self._world = world
        self._caller = caller
        self._secret = secret
        self._entries: dict[str, Entry] = {}

    def plan(self, key: str, body: object, named: Sequence[str] = ()) -> Plan:
        """Decide what happens to a request, by these names and those in the URLs of its inputs.

        Raises:
            Refused: one of these is not known.
        """
        items = part(body, "input")
        urls = [part(item, "url") for item in items] if isinstance(items, list) else []
        names = [*named, *(name for url in urls for name in names_in(url))]
        try:
            return self._world.book.plan(key, names)
        except UnknownScenario as error:
            raise bad_request([f"input: unknown scenario {error}"]) from error

    def add(self, job: Job, *, source: str, batched: bool = False) -> None:
        """Remember a generation."""
        self._entries[job.id] = Entry(job, source, batched)

    def find(self, name: str) -> Job:
        """Return the generation with this id.

        Raises:
            Refused: it is no id, or that of none.
        """
        try:
            UUID(name)
        except ValueError as error:
            raise coded(400, "invalid_generation_id", error="Bad Request") from error
        if name not in self._entries:
            raise coded(404, "generation_not_found", error="Not Found")
        return self._entries[name].job

    def remove(self, name: str) -> dict[str, Any]:
        """Forget a generation that has ended, and show it for the last time."""
        shown = self.show(self.find(name))
        if shown["status"] not in ENDED:
            raise coded(409, "generation_not_deletable_while_processing", error="Conflict")
        del self._entries[name]
        return shown

    def listed(self) -> Iterator[tuple[Entry, dict[str, Any]]]:
        """Yield what a list shows now, newest first."""
        now = asyncio.get_running_loop().time()
        for entry in reversed(self._entries.values()):
            if now >= entry.job.accepted_at + entry.job.plan.lag_seconds:
                yield entry, self.show(entry.job)

    def ends(self) -> list[float]:
        """Return when those end that count as concurrent: a batch's do not."""
        now = asyncio.get_running_loop().time()
        times = (e.job.outcomes[0].settles_at for e in self._entries.values() if not e.batched)
        return [at for at in times if at > now]

    def status(self, job: Job) -> str:
        """Return what it is now."""
        now, outcome = asyncio.get_running_loop().time(), job.outcomes[0]
        if now >= outcome.settles_at:
            failed = "REJECTED" if job.plan.rejected else "FAILED"
            return failed if outcome.failed else "COMPLETED"
        return "PROCESSING" if self.progress(job) >= PENDING_SHARE else "PENDING"

    def progress(self, job: Job) -> float:
        """Return how far it is, from 0 to 1."""
        now, end = asyncio.get_running_loop().time(), job.outcomes[0].settles_at
        return 1.0 if now >= end else (now - job.accepted_at) / (end - job.accepted_at)

    def show(self, job: Job, *, fresh: bool = True) -> dict[str, Any]:
        """Return the generation as it is shown now; its URLs are signed anew, but for a callback."""
        status, plan, body = self.status(job), job.plan, job.request
        code, text = None, None
        if status in ENDED - {"COMPLETED"} and plan.reason:
            usual = "plan_feature_unavailable" if plan.rejected else "generation_pipeline_failed"
            code, text = plan.code or usual, "The generation failed."
        echoed = {name: body[name] for name in ECHOED if name in body}
        if "outputFileName" in echoed:
            echoed["outputFileName"] = cleaned_name(echoed["outputFileName"])
        return {
            "id": job.id,
            "createdAt": job.created_at,
            "status": status,
            **echoed,
            "webhookUrl": job.webhook if plan.echo else None,
            **(self._output(job, fresh=fresh) if status == "COMPLETED" else NO_OUTPUT),
            "error": text,
            "errorCode": code,
        }

    async def call_back(self, job: Job) -> None:
        """Call back when it has ended; one that is early ends now and is waited for."""
        if job.plan.early:
            await self._caller.announce(job, self._writer(job), attempts=1)
        else:
            self._caller.start(job, self._writer(job), attempts=1)

    def message(self, plan: Plan, body: Mapping[str, Any]) -> Message:
        """Write a callback, signed as its scenario wants it."""
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
        headers = {"Content-Type": "application/json"}
        if self._secret is not None and plan.signature != "none":
            secret = "forged" if plan.signature == "bad" else self._secret
            at = time.time() * (1000 if plan.signature == "millis" else 1)
            headers["Sync-Signature"] = _sign(secret, text, int(at))
        return Message(text, headers)

    def _writer(self, job: Job) -> Write:
        def write(_: int) -> Message:
            body = {**self.show(job, fresh=False), "webhookUrl": job.webhook}
            body["error_code"] = body.pop("errorCode")  # callbacks spell it otherwise
            body = {name: value for name, value in body.items() if name not in ANSWERS_ONLY}
            if job.plan.garbage:
                body = {"ok": True, "note": job.id}
            return self.message(job.plan, body)

        return write

    def _output(self, job: Job, *, fresh: bool) -> dict[str, Any]:
        seconds, plan = output_seconds(job.request), job.plan
        ending = "mov" if part(job.request, "options", "output_format") == "mov" else "mp4"
        name = job.outcomes[0].id
        ends = None
        if plan.expire_seconds is not None:
            age = asyncio.get_running_loop().time() - job.outcomes[0].settles_at
            since = time.time() - (0 if fresh else age)
            ends = Ends(since + plan.expire_seconds, plan.expire_status)
        path = result_path(name, ending=ending, seconds=seconds, ends=ends, faults=plan.files)
        url = self._world.media_base + path
        made: dict[str, Any] = {"outputUrl": url, "outputDuration": seconds}
        if part(job.request, "segments"):
            made["segmentOutputUrl"] = url
        spoken = voice_seconds(job.request)
        if spoken is not None:
            path = result_path(name, ending="wav", seconds=spoken)
            made["synthesizedAudioUrl"] = self._world.media_base + path
        return made


def _sign(secret: str, body: bytes, at: int) -> str:
    """Sign the bytes as they are sent; the secret is used whole, its prefix included."""
    digest = hmac.new(secret.encode(), b"%d.%b" % (at, body), "sha256").hexdigest()
    return f"t={at},v1={digest}"
