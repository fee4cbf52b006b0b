"""What Runware says of a task's results: their rows in polls and callbacks, their length and price."""

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from schemas.base import numbers, part
from service.simulator.caller import Message
from service.simulator.files import FORMATS, Ends, result_path
from service.simulator.media import DURATION_S
from service.simulator.runware_replies import Reply, error_of
from service.simulator.state import Job, Outcome, World

TASK_TYPE = "videoInference"
COST_PER_SECOND = 0.133
SPOKEN_A_SECOND = 15
"""Characters of text; a plain guess."""


class Results:
    """Reads the results of jobs; remembers nothing."""

    def __init__(self, world: World) -> None:
        """Name videos under this world's base URL."""
        self._world = world

    def state(self, job: Job, now: float) -> Reply:
        """Return the whole present state, as a poll has it: results, failures, what is under way."""
        reply = self.settled(job, now)
        running = len(job.outcomes) - len(job.settled(now))
        row = {**ids(job.request), "status": "processing"}
        if job.plan.progress:
            row["progress"] = _progress(job, now)
        reply.data.extend([row] * (min(running, 1) if job.plan.one_row else running))
        return reply

    def settled(self, job: Job, now: float) -> Reply:
        """Return results and failures alone."""
        reply = Reply()
        for _, outcome in job.settled(now):
            in_errors = outcome.failed and not job.plan.inline
            (reply.errors if in_errors else reply.data).append(self.item(job, outcome, fresh=True))
        return reply

    def item(self, job: Job, outcome: Outcome, *, fresh: bool = False) -> dict[str, Any]:
        """Return the row of one result, for a read with a fresh URL."""
        plan, item = job.plan, ids(job.request)
        if outcome.failed:
            code, message = plan.code or "providerError", "The provider failed."
            why = {"code": code, "message": message} if plan.reason else {}
            more = {"error": why} if plan.inline else why
            return {**item, "status": "error", **more}
        item |= {"status": "success", "videoUUID": outcome.id}
        item["videoURL"] = self._world.media_base + _path(job, outcome, fresh=fresh)
        item |= {"seed": outcome.seed, "NSFWContent": plan.nsfw and _checked(job.request)}
        return item | ({"cost": cost(job.request)} if job.request.get("includeCost") else {})

    def message(self, job: Job, index: int) -> Message:
        """Write the callback of one result, in the form that its plan wants."""
        outcome, plan = job.outcomes[index], job.plan
        item = self.item(job, outcome)
        if not plan.with_status:
            del item["status"]
        body: Any = frame(item, failed=outcome.failed, inline=plan.inline)
        if plan.singular and "errors" in body:
            body = {"error": item}
        body = item if plan.flat else [item] if plan.bare else body
        text = json.dumps({"ok": True, "note": outcome.id} if plan.garbage else body)
        return Message(text.encode(), {"Content-Type": "application/json"})


def frame(item: dict[str, Any], *, failed: bool, inline: bool) -> dict[str, Any]:
    """Put one row into its envelope."""
    return {"errors" if failed and not inline else "data": [item]}


def archive(job: Job, settled: Reply, conflict: str) -> dict[str, Any]:
    """Return what `getTaskDetails` keeps: the request, and the last response to the taskUUID."""
    response: dict[str, Any] = {"data": [ids(job.request)]}
    if settled.data or settled.errors:
        response = {"errors": settled.errors} if settled.errors else {}
        response |= {"data": settled.data} if settled.data else {}
    if job.refused_again:
        response = {"data": [], "errors": [error_of("conflictTaskUUID", conflict, job.request)]}
    kept = {"request": [dict(job.request)], "response": response}
    return {"taskType": "getTaskDetails", "taskUUID": job.request["taskUUID"], **kept}


def estimate(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item that answers a dry run. Its shape is our guess: no document shows one."""
    total = round(cost(task) * results_of(task), 4)
    return {**ids(task), "dryRun": True, "cost": total}


def ids(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what every row about a task begins with; alone it is the acknowledgement."""
    return {"taskType": TASK_TYPE, "taskUUID": task["taskUUID"]}


def results_of(task: Mapping[str, Any]) -> int:
    """Return how many results a task asks for."""
    return int(task.get("numberResults") or 1)


def ending_of(task: Mapping[str, Any]) -> str:
    """Return how the names of a task's results end."""
    wanted = str(task.get("outputFormat") or "MP4").lower()
    return wanted if wanted in FORMATS else "mp4"


def cost(task: Mapping[str, Any]) -> float:
    """Return the price of one result, in dollars."""
    return round(COST_PER_SECOND * seconds_of(task), 4)


def seconds_of(task: Mapping[str, Any]) -> float:
    """Return how long a result is: as long as the video, but `cut_off` ends with the audio too."""
    asked = task.get("duration")
    if numbers(asked):
        return float(asked or DURATION_S)
    video = _told(part(task, "inputs", "video"))
    segments = part(task, "settings", "segments")
    if isinstance(segments, list):
        ends = [part(segment, "endTime") for segment in segments]
        return video or float(max([end for end in ends if numbers(end)], default=DURATION_S))
    text = part(task, "speech", "text")
    audio = _told(part(task, "inputs", "audio"))
    if isinstance(text, str):
        audio = len(text) / SPOKEN_A_SECOND
    cut = part(task, "settings", "syncMode") in (None, "cut_off")
    length = video or float(DURATION_S)
    return round(min(length, audio), 2) if cut and audio else length


def _told(url: object) -> float | None:
    """Read how long an input is from the query of its URL."""
    if not isinstance(url, str):
        return None
    try:
        seconds = float(parse_qs(urlsplit(url).query)["seconds"][0])
    except (ValueError, KeyError):
        return None
    return seconds if seconds > 0 else None


def _path(job: Job, outcome: Outcome, *, fresh: bool) -> str:
    """Return where a result is. When a ttl ends follows from the job alone, so every read says the same.

    A URL that expires by its scenario is signed anew for each read.
    """
    ttl, plan = job.request.get("ttl"), job.plan
    ends = None
    began = datetime.fromisoformat(job.created_at).timestamp()
    made = began + outcome.settles_at - job.accepted_at
    if plan.expire_seconds is not None:
        since = max(time.time(), made) if fresh else made
        ends = Ends(since + plan.expire_seconds, plan.expire_status)
    elif ttl is not None:
        ends = Ends(made + ttl)
    seconds, ending = seconds_of(job.request), ending_of(job.request)
    return result_path(outcome.id, ending=ending, seconds=seconds, ends=ends, faults=plan.files)


def _checked(task: Mapping[str, Any]) -> bool:
    """Say whether a task asked for a safety check; `mode` wins over `checkContent`."""
    mode = part(task, "safety", "mode")
    return mode != "none" if mode else part(task, "safety", "checkContent") is True


def _progress(job: Job, now: float) -> int:
    whole = job.outcomes[-1].settles_at - job.accepted_at
    return max(0, min(99, int(100 * (now - job.accepted_at) / whole))) if whole else 0
