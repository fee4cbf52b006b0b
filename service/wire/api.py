"""Bodies of our API to checked values, and tasks to the JSON that is shown."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn, TypeVar, assert_never

import orjson
from pydantic import BaseModel, ValidationError

from schemas.api.tasks import Submission, TaskState
from schemas.base import WORDS
from service.core.errors import FieldError, Invalid, Malformed
from service.core.settle import UNKNOWN
from service.core.states import ResultState, State
from service.core.task import Card, Result, Task
from service.wire.media import archive_view, fault_view, wanted_view

Body = TypeVar("Body", bound=BaseModel)


def read_json(raw: bytes, what: str = "The body") -> object:
    """Read a body with its integers of any size; raises Malformed for what is no JSON.

    orjson is the stricter reader (UTF-8 only, no NaN, no half characters, 254 levels), but makes a float
    of an integer beyond 64 bits; so it says whether to read at all, and the standard library reads.
    """
    try:
        orjson.dumps(orjson.loads(raw))
        return json.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"{what} is not JSON: {error}.") from None
    except orjson.JSONEncodeError:
        raise Malformed(f"{what} is nested too deeply.") from None
    except (ValueError, RecursionError):
        raise Malformed(f"{what} holds a number that is too long.") from None


def parse_submission(body: object, prefix: str = "") -> Submission:
    """Check one submission, but not its request; raises Invalid with every fault.

    `prefix` is where in the whole body it stands: `/37` in an array.
    """
    return parse_body(Submission, body, prefix)


def parse_body(model: type[Body], body: object, prefix: str = "") -> Body:
    """Check a body; raises Invalid with a pointer to every fault."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        faults = [
            FieldError(prefix + _place(fault["loc"]), WORDS.get(fault["type"], fault["msg"]))
            for fault in error.errors(include_url=False, include_input=False)
        ]
    # Raised out here, so that no input hangs on to the error as its context.
    raise Invalid(errors=tuple(faults))


def json_pointer(loc: Sequence[str | int]) -> str:
    """Write a place as an RFC 6901 pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in loc)


def rfc3339(at: datetime) -> str:
    """Write a time in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def task_view(
    task: Task, card: Card, *, with_request: bool, waiting_for: str | None
) -> dict[str, object]:
    """Show a task, ready for orjson: metadata and request are fragments of what was given."""
    request = {"request": orjson.Fragment(_loaded(card.request))} if with_request else {}
    return {
        "taskUUID": str(task.task_uuid),
        "provider": task.provider,
        "account": task.account,
        "model": task.model,
        "state": public_state(task.state),
        "waitingFor": waiting_for,
        "resultsExpected": task.results_expected,
        "results": [result_view(result) for result in task.results],
        "cost": None if task.cost is None else float(task.cost),
        "error": None if task.error is None else fault_view(task.error),
        "warnings": list(card.warnings),
        "upstreamId": task.upstream_id,
        "attempts": task.attempts,
        "retryOf": None if card.retry_of is None else str(card.retry_of),
        "fallbackOf": None if card.fallback_of is None else str(card.fallback_of),
        "fallbackTask": None if card.fallback_task is None else str(card.fallback_task),
        **wanted_view(card.archive),
        "batch": None if task.batch_id is None else str(task.batch_id),
        "labels": dict(card.labels),
        "metadata": orjson.Fragment(card.metadata),
        **request,
        "createdAt": rfc3339(task.created_at),
        "submittedAt": _time(task.submitted_at),
        "finishedAt": _time(task.finished_at),
        "deadlineAt": _time(task.deadline_at),
    }


def task_view_bytes(
    task: Task, card: Card, *, with_request: bool, waiting_for: str | None
) -> bytes:
    """Show a task as JSON."""
    return orjson.dumps(task_view(task, card, with_request=with_request, waiting_for=waiting_for))


def page_bytes(items: Sequence[bytes], next_cursor: str | None) -> bytes:
    """Make a page of things that are JSON already."""
    fragments = [orjson.Fragment(item) for item in items]
    return orjson.dumps({"items": fragments, "nextCursor": next_cursor})


def result_view(result: Result) -> dict[str, object]:
    """Show a result; which fields it has depends on its state."""
    shown: dict[str, object] = {"index": result.index, "state": result.state.value}
    match result.state:
        case ResultState.ARCHIVING | ResultState.COMPLETED | ResultState.LATE:
            return shown | _video(result)
        case ResultState.FAILED:
            return shown | {"error": fault_view(result.error or UNKNOWN)}
        case ResultState.PENDING | ResultState.CANCELED:
            return shown
        case _:
            assert_never(result.state)


def public_state(state: State) -> TaskState:
    """Name a state as the world knows it; a new one has to be decided about here."""
    match state:
        case State.QUEUED:
            return "queued"
        case State.SUBMITTING:
            return "submitting"
        case State.PROCESSING:
            return "processing"
        case State.COMPLETED:
            return "completed"
        case State.FAILED:
            return "failed"
        case State.REJECTED:
            return "rejected"
        case State.CANCELED:
            return "canceled"
        case State.TIMED_OUT:
            return "timed_out"
        case _:
            assert_never(state)


def _place(loc: tuple[str | int, ...]) -> str:
    """Point to the member whose key is wrong, where pydantic adds a step `[key]` to its place."""
    of_key = (
        loc[2:] == ("[key]",)
    )  # the only objects with free keys that are checked are labels and headers, at the top of a body
    return json_pointer(loc[:2] if of_key else loc)


def _video(result: Result) -> dict[str, object]:
    video = result.video
    if video is None:
        _not_loaded("a result that has its video")
    return {
        "videoUUID": video.video_uuid,
        "videoURL": video.url,
        "seed": video.seed,
        "cost": None if video.cost is None else float(video.cost),
        "NSFWContent": video.nsfw,
        "completedAt": _time(result.settled_at),
        **archive_view(result.archive),
    }


def _loaded(request: bytes) -> bytes:
    return request or _not_loaded("the request")


def _not_loaded(what: str) -> NoReturn:
    raise ValueError(f"{what} was not loaded")


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
