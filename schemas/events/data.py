"""Every type of event with its data."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ..api.batches import BatchView
from ..api.tasks import FailedResult, TaskSummary, VideoResult
from ..base import Strict
from .envelope import CloudEvent

WHERE = "Missing in an event with a `dataref`."


class TaskData(TaskSummary):
    """The task as it was then; `request` only where the subscription asks for it."""

    metadata: Any = Field(default=None, description=WHERE)
    request: dict[str, Any] = Field(default_factory=dict)


class TaskReference(Strict):
    """Which task a video is of."""

    taskUUID: UUID
    provider: str
    model: str
    labels: dict[str, str]
    metadata: Any = Field(default=None, description=WHERE)


class VideoData(Strict):
    """A video that arrived."""

    task: TaskReference
    result: VideoResult


class FailedVideoData(Strict):
    """A video that will not come."""

    task: TaskReference
    result: FailedResult


class SubscriptionTestData(Strict):
    """Nothing happened: somebody wants to see whether events arrive."""

    subscriptionId: UUID


class TaskProcessing(CloudEvent):
    """The upstream has the task. At most one a task."""

    type: Literal["task.processing"]
    data: TaskData


class VideoCompleted(CloudEvent):
    """A result is settled: its video arrived."""

    type: Literal["video.completed"]
    data: VideoData


class VideoFailed(CloudEvent):
    """A result is settled: it will not come."""

    type: Literal["video.failed"]
    data: FailedVideoData


class TaskCompleted(CloudEvent):
    """The task is final: every result is settled and at least one video arrived."""

    type: Literal["task.completed"]
    data: TaskData


class TaskFailed(CloudEvent):
    """The task is final: no video arrived, or the upstream failed it."""

    type: Literal["task.failed"]
    data: TaskData


class TaskRejected(CloudEvent):
    """The task is final: the upstream refused it before working on it."""

    type: Literal["task.rejected"]
    data: TaskData


class TaskCanceled(CloudEvent):
    """The task is final: its user canceled it."""

    type: Literal["task.canceled"]
    data: TaskData


class TaskTimedOut(CloudEvent):
    """The task is final: its time passed without an outcome."""

    type: Literal["task.timed_out"]
    data: TaskData


class VideoLate(CloudEvent):
    """A video came after its task was final without it."""

    type: Literal["video.late"]
    data: VideoData


class VideoArchived(CloudEvent):
    """The file of a video is kept: `result.media` says where and what it is. At most one a result."""

    type: Literal["video.archived"]
    data: VideoData


class VideoArchiveFailed(CloudEvent):
    """The file of a video could not be kept: `result.archive.error` says why. The video itself stands."""

    type: Literal["video.archive_failed"]
    data: VideoData


class BatchCompleted(CloudEvent):
    """Every task of a batch is final. Exactly one a batch; in the feed after all events of its tasks."""

    type: Literal["batch.completed"]
    data: BatchView


class SubscriptionDisabledData(Strict):
    """Which subscription gets nothing any more, and why."""

    subscriptionId: UUID
    kind: str
    url: str | None
    description: str
    reason: Literal["gone", "failing"] = Field(
        description="`gone`: its target answered 410. `failing`: every attempt failed for days."
    )
    failingSince: AwareDatetime | None = Field(
        description="The first failure after the last success."
    )
    disabledAt: AwareDatetime
    lastStatus: int | None = Field(description="The HTTP status of the last attempt.")
    lastError: str | None = Field(description="What was wrong with it, in one stable word.")


class SubscriptionDisabled(CloudEvent):
    """A subscription was disabled because of its target. It goes to the other subscriptions; what is for it is held."""

    type: Literal["subscription.disabled"]
    data: SubscriptionDisabledData


class SubscriptionTest(CloudEvent):
    """A test, sent because somebody asked for it."""

    type: Literal["callboard.test"]
    data: SubscriptionTestData


class ErasedData(Strict):
    """All that is left to say."""

    taskUUID: UUID
    erased: Literal[True]


class Erased(CloudEvent):
    """What stays in the feed of an event of a task that was erased since: everything but its data. Never delivered."""

    type: Literal[
        "task.processing",
        "video.completed",
        "video.failed",
        "task.completed",
        "task.failed",
        "task.rejected",
        "task.canceled",
        "task.timed_out",
        "video.late",
        "video.archived",
        "video.archive_failed",
    ]
    data: ErasedData


EVENTS: dict[str, type[CloudEvent]] = {
    "task.processing": TaskProcessing,
    "video.completed": VideoCompleted,
    "video.failed": VideoFailed,
    "task.completed": TaskCompleted,
    "task.failed": TaskFailed,
    "task.rejected": TaskRejected,
    "task.canceled": TaskCanceled,
    "task.timed_out": TaskTimedOut,
    "video.late": VideoLate,
    "video.archived": VideoArchived,
    "video.archive_failed": VideoArchiveFailed,
    "batch.completed": BatchCompleted,
    "subscription.disabled": SubscriptionDisabled,
    "callboard.test": SubscriptionTest,
}
"""Every type there is."""

AnyEvent = Annotated[
    TaskProcessing
    | VideoCompleted
    | VideoFailed
    | TaskCompleted
    | TaskFailed
    | TaskRejected
    | TaskCanceled
    | TaskTimedOut
    | VideoLate
    | VideoArchived
    | VideoArchiveFailed
    | BatchCompleted
    | SubscriptionDisabled
    | SubscriptionTest,
    Field(discriminator="type"),
]
