"""What Runware answers to one task, apart from results: errors, refusals, faults of a request."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from schemas.upstream.runware import VOICES, parse_request
from service.simulator.refusals import RUNWARE
from service.simulator.scenario import Plan
from service.simulator.state import Job, may_call

DOCUMENTATION = "https://runware.ai/docs/models/sync-3"
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
    "greater_than_equal": "valueTooSmall",
    "less_than_equal": "valueTooLarge",
    "too_short": "arrayTooSmall",
}
"""By the validator's own word; for all else the code is `invalidParameter`."""
TYPES = {
    "float": ("float_", "multiple_of"),
    "integer": ("int_",),
    "string": ("string_", "value_error", "literal_"),
    "boolean": ("bool_",),
    "array": ("list_", "too_"),
    "object": ("dict_", "model_"),
}
"""What a value had to be, by how the validator's word begins."""
_AUDIO_TIMES = ("audioStartTime", "audioEndTime")
TOGETHER = {
    "endTime": ("startTime", "endTime"),
    "audioStartTime": _AUDIO_TIMES,
    "audioEndTime": _AUDIO_TIMES,
    "boundingBoxes": ("boundingBoxes", "coordinates"),
    "coordinates": ("coordinates", "frameNumber"),
    "frameNumber": ("coordinates", "frameNumber"),
}
"""Fields that a rule is about, by the one where it is found broken."""
BAD_KEY = "bad"
"""What a refused API key begins with."""
NO_KEY = ("missingApiKey", "An API key is required.")
QUOTED = re.compile(r"'([^']*)'")


@dataclass(slots=True)
class Reply:
    """What one task adds to the answer, or does to the connection."""

    data: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200
    html: str | None = None
    """A proxy answers with its page of this name, and nothing else is answered."""
    connection: Literal["open", "closed"] = "open"
    hang_seconds: float = 0
    headers: dict[str, str] = field(default_factory=dict)
    restart_seconds: float = 0
    owed: Job | None = None
    """A job whose results are still to be given on this connection."""


def error_of(code: str, message: str, task: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Make one entry of `errors`."""
    ids = {name: task[name] for name in ("taskType", "taskUUID") if name in task}
    return {"code": code, "message": message, **more, **ids}


def refused(
    code: str, message: str, task: Mapping[str, Any], *, status: int = 400, **more: Any
) -> Reply:
    """Refuse a task for one reason."""
    return Reply(errors=[error_of(code, message, task, **more)], status=status)


def bad_body() -> dict[str, Any]:
    """Make the error of a body that is no array of tasks."""
    return {"code": "invalidRequest", "message": "The body is an array of task objects."}


def key_fault(key: str) -> dict[str, Any] | None:
    """Make the error of a missing or bad key, which is about no task but the authentication."""
    if key and not key.startswith(BAD_KEY):
        return None
    code, message = ("invalidApiKey", "Invalid API key.") if key else NO_KEY
    return error_of(code, message, {"taskType": "authentication"}, parameter="apiKey")


def stopped(name: str, plan: Plan, task: Mapping[str, Any]) -> Reply:
    """Return what a send gets that is not accepted."""
    headers = {} if plan.retry_after is None else {"Retry-After": str(plan.retry_after)}
    if name == "reset":
        return Reply(connection="closed")
    if name.startswith("html"):
        return Reply(html=name, headers=headers)
    status, code, message = RUNWARE[name]
    reply = refused(code, message, task, status=status)
    reply.headers = headers
    return reply


def faults_of(task: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what is wrong with a submitted task, as errors."""
    try:
        parse_request(task)
    except ValidationError as error:
        return [_fault(fault, task) for fault in error.errors(include_url=False)]
    if "taskUUID" not in task:
        return [error_of("missingTaskUUID", "Field required", task, parameter="taskUUID")]
    return [
        error_of(f"invalid{name[0].upper()}{name[1:]}", "https is required", task, parameter=name)
        for name in ("webhookURL", "uploadEndpoint")
        if task.get(name) is not None and not may_call(task[name])
    ]


def _fault(fault: Any, task: Mapping[str, Any]) -> dict[str, Any]:
    where, kind = fault["loc"], fault["type"]
    path = _path(where)
    anchor = "-".join(step.lower() for step in where if isinstance(step, str))
    more: dict[str, Any] = {"parameter": path, "documentation": f"{DOCUMENTATION}#request-{anchor}"}
    wanted = [name for name, words in TYPES.items() if kind.startswith(words)]
    more |= {"type": wanted[0]} if wanted else {}
    if kind == "literal_error":
        more["allowedValues"] = QUOTED.findall(fault["msg"])
    if kind == "rule_broken":
        more["parameter"] = _related(where) or path
    return error_of(CODES.get(kind, "invalidParameter"), fault["msg"], task, **more)


def _related(where: tuple[str | int, ...]) -> list[str]:
    """Return all fields that a broken rule is about; none where it is about one."""
    if where in VOICES:
        return [".".join(place) for place in VOICES]
    return [_path((*where[:-1], name)) for name in TOGETHER.get(str(where[-1]), ())]


def _path(where: tuple[str | int, ...]) -> str:
    return "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in where).lstrip(".")
