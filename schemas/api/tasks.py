"""Submitting tasks, and tasks as they are shown."""

import json
import re
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from ..base import Request, Strict
from .media import ArchiveOrTarget, ArchiveView, ArchiveWanted, Fault, Media
from .pages import Page

MAX_METADATA_BYTES = 16 * 1024
MAX_SECONDS = 604_800
"""One week: longer than any upstream works on a task, or keeps its result."""
_HEX = "[0-9A-Fa-f]"
_UUID4 = rf"{_HEX}{{8}}-{_HEX}{{4}}-4{_HEX}{{3}}-[89ABab]{_HEX}{{3}}-{_HEX}{{12}}"

Provider = Literal["runware", "sync"]
TaskState = Literal[
    "queued",
    "submitting",
    "processing",
    "completed",
    "failed",
    "rejected",
    "canceled",
    "timed_out",
]


def _uuid4(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(_UUID4, value):
        return UUID(value)
    raise PydanticCustomError("uuid4", "Input should be a UUID v4, written with hyphens")


def _small(value: object) -> object:
    try:
        size = len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    except (TypeError, ValueError, RecursionError):
        raise PydanticCustomError("json_value", "Input should be a JSON value") from None
    if size > MAX_METADATA_BYTES:
        raise PydanticCustomError(
            "too_large",
            "Input should have at most 16 KiB as JSON, not {size} bytes",
            {"size": size},
        )
    return value


TaskUUID = Annotated[
    UUID,
    BeforeValidator(_uuid4),
    WithJsonSchema({"type": "string", "format": "uuid", "pattern": f"^{_UUID4}$"}),
]
LabelKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^:\x00-\x1f\x7f]*$")]
"""No colon: `label=key:value` is how a list is filtered. No control characters, in values neither."""
LabelValue = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=16, json_schema_extra={"additionalProperties": False}),
]
ProviderRequest = Annotated[
    dict[str, Any],
    Field(
        description="The provider's own request body.",
        json_schema_extra={
            "required": ["model"],
            "properties": {"model": {"type": "string", "minLength": 1}},
        },
    ),
]
"""What is in it is checked by the provider's own rules (schemas/upstream), the model's name included."""
ACCOUNT_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
AccountName = Annotated[str, Field(pattern=ACCOUNT_NAME)]
Metadata = Annotated[Any, AfterValidator(_small)]
Seconds = Annotated[int, Field(ge=1, le=MAX_SECONDS)]


class FallbackEntry(Request):
    """What to try instead."""

    provider: Provider
    request: ProviderRequest


class Submission(Request):
    """One task to be generated."""

    provider: Provider
    request: ProviderRequest
    account: AccountName | None = Field(
        default=None, description="Send it by this account only. Default: by any of the provider's."
    )
    taskUUID: TaskUUID | None = Field(default=None, description="Made here when not given.")
    labels: Labels = Field(default_factory=dict)
    metadata: Metadata = Field(
        default_factory=dict,
        description="Any JSON up to 16 KiB; it is returned untouched and never read.",
    )
    deadlineSeconds: Seconds | None = Field(
        default=None, description="Counts from the first send. Default: a setting of the service."
    )
    startWithinSeconds: Seconds | None = Field(
        default=None, description="Counts from acceptance. Default: 604800."
    )
    fallback: list[FallbackEntry] = Field(
        default_factory=list,
        max_length=5,
        description="Tried one after the other, each as a task of its own, when the one before ended without a "
        "video for reasons of its provider (failure, outage, capacity, account). Never after an unknown outcome, "
        "a cancel, a deadline, or a fault of the request.",
    )
    archive: ArchiveOrTarget | None = Field(
        default=None,
        description="Keep the videos: where, or an object with more. Default: a setting of the service.",
    )
    priority: int = Field(default=0, ge=-100, le=100, description="Larger goes first.")

    # The name of the base class's validator: null is JSON, so metadata may be null.
    @field_validator(
        *("provider", "request", "account", "taskUUID", "labels", "fallback", "archive"),
        *("deadlineSeconds", "startWithinSeconds", "priority"),
        mode="before",
    )
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null_forbidden", "Input should not be null")
        return value


class RetryOptions(Request):
    """How to repeat a task."""

    again: bool = Field(default=False, description="Make one more, even if one was made already.")
    force: bool = Field(
        default=False, description="Even though it may still run upstream and be paid twice."
    )


class _Video(Strict):
    index: int = Field(ge=0)
    videoUUID: str
    videoURL: str | None
    seed: int | None
    cost: float | None = Field(description="In USD.")
    NSFWContent: bool | None
    completedAt: AwareDatetime | None
    media: Media | None = Field(default=None, description="The kept file.")
    archive: ArchiveView | None = Field(
        default=None, description="None where the video is not to be kept."
    )


class VideoResult(_Video):
    """A result whose video arrived; `late` when its task was final without it."""

    state: Literal["completed", "late"]


class ArchivingResult(_Video):
    """A result whose video arrived and is being kept; `video.completed` waits for that."""

    state: Literal["archiving"]


class FailedResult(Strict):
    """A result that will not come."""

    index: int = Field(ge=0)
    state: Literal["failed"]
    error: Fault


class OpenResult(Strict):
    """A result that is waited for, or no longer is because its task was canceled."""

    index: int = Field(ge=0)
    state: Literal["pending", "canceled"]


Result = Annotated[
    VideoResult | ArchivingResult | FailedResult | OpenResult, Field(discriminator="state")
]


class TaskSummary(Strict):
    """A task as it is shown, without its request."""

    taskUUID: UUID
    provider: str
    account: str
    model: str
    state: TaskState
    waitingFor: Literal["slot", "rate", "account_paused", "retry_at"] | None = Field(
        description="Why it is not being sent, while it is queued."
    )
    resultsExpected: int = Field(ge=1)
    results: list[Result] = Field(description="The expected ones by index, then late ones.")
    cost: float | None = Field(description="In USD, as far as the upstream said.")
    error: Fault | None
    warnings: list[str]
    upstreamId: str | None
    attempts: int = Field(ge=0, description="How often it was sent upstream.")
    retryOf: UUID | None
    fallbackOf: UUID | None = Field(description="The task that this one is tried instead of.")
    fallbackTask: UUID | None = Field(description="The task that was started instead of this one.")
    archive: ArchiveWanted | None = Field(
        default=None, description="What is done with its videos, if anything is."
    )
    batch: UUID | None = Field(description="The batch it was submitted with.")
    labels: dict[str, str]
    metadata: Any
    createdAt: AwareDatetime
    submittedAt: AwareDatetime | None
    finishedAt: AwareDatetime | None
    deadlineAt: AwareDatetime | None


class TaskView(TaskSummary):
    """A task as it is shown."""

    request: dict[str, Any]


class TaskPage(Page[TaskView]):
    """Tasks, newest first; also the answer to an array of submissions, in their order."""


class TimelineEntry(Strict):
    """One thing that happened to a task."""

    at: AwareDatetime
    kind: Literal["transition", "upstream", "callback", "event", "delivery"]
    name: str = Field(
        description="Its cause, the call, the callback's outcome, the event's type, the delivery's."
    )
    detail: dict[str, Any] = Field(description="Of a transition: `from` and `to` among others.")


class TimelinePage(Page[TimelineEntry]):
    """What happened to a task, oldest first."""
