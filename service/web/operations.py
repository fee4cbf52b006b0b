"""What every route does, in the words of the OpenAPI document; what is about the process is in `about_process`."""

from typing import Final, get_args

from schemas.api.callbacks import CallbackPage, CallbackView, Outcome
from schemas.api.estimates import EstimateRequest, EstimateView
from schemas.api.tasks import (
    Provider,
    RetryOptions,
    Submission,
    TaskPage,
    TaskState,
    TaskView,
    TimelinePage,
)
from service.web import examples
from service.web.openapi import Operation, Parameter, Reply, Schema
from service.web.query import LABEL_PATTERN, MOST_CHARACTERS, MOST_LABELS
from service.web.submissions import MOST
from service.web.tasks import MOST_WAIT_S

TEXT: Final[Schema] = {"type": "string", "maxLength": MOST_CHARACTERS, "pattern": "^[^\\x00]*$"}
CURSOR_TEXT: Final[Schema] = {"type": "string", "pattern": "^[A-Za-z0-9_-]*$", "maxLength": 500}
LABEL: Final[Schema] = {
    "type": "string",
    "pattern": f"^{LABEL_PATTERN}$",
    "examples": ["project:spring-campaign"],
}
UUID: Final[Schema] = {"type": "string", "format": "uuid"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
KEY = Parameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "The first 2xx answer to a key is kept for at least 24 h and given again, with "
    "`Idempotent-Replayed: true`. Errors are not kept; the same key with another body is 422. When a task that the "
    "answer shows was erased, so was the answer: the key does nothing again, and is 410 `erased`.",
    "header",
)
CURSOR = Parameter("cursor", CURSOR_TEXT, "The `nextCursor` of the page before, as it is.")
TASK = Parameter("task", UUID, "Only of this task.")
BATCH = Parameter("batch", UUID, "Only of this batch.")
MADE = {"Location": "Where it is.", "Idempotent-Replayed": "`true` for an answer that was kept."}


def limit(most: int, default: int) -> Parameter:
    """Describe how many items a page has."""
    bounds = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", bounds, "How many items a page has at most.")


SUBMIT = Operation(
    "submitTasks",
    "Submit a task, or an array of them",
    "tasks",
    {
        202: Reply(
            "Stored; it will be sent. An array is answered in its order.",
            [TaskView, TaskPage],
            headers=MADE,
        )
    },
    about="Durable before the answer. Of an array all are stored, or none; pointers then begin with the position.",
    parameters=[KEY],
    body=Submission,
    array_of=MOST,
    examples=examples.SUBMISSIONS,
    problems=[400, 408, 409, 410, 413, 415, 422],
)
SHOW_TASK = Operation(
    "getTask",
    "Show a task",
    "tasks",
    {200: Reply("The task.", [TaskView])},
    parameters=[
        Parameter(
            "wait",
            {"type": "integer", "minimum": 1, "maximum": MOST_WAIT_S},
            "Hold the answer until the task is final, or for this many seconds.",
        )
    ],
    problems=[400, 404],
)
LIST_TASKS = Operation(
    "listTasks",
    "List tasks, newest first",
    "tasks",
    {200: Reply("A page.", [TaskPage])},
    parameters=[
        Parameter("state", {"type": "string", "enum": list(get_args(TaskState))}, ""),
        Parameter("provider", {"type": "string", "enum": list(get_args(Provider))}, ""),
        Parameter("model", TEXT | {"examples": ["sync:3@0", "sync-3"]}, ""),
        Parameter(
            "label",
            LABEL,
            "`key:value`; repeated, a task has to have all of them.",
            most=MOST_LABELS,
        ),
        Parameter("created_after", TIME, ""),
        Parameter("created_before", TIME, ""),
        BATCH,
        limit(100, 50),
        CURSOR,
    ],
    problems=[400],
)
TIMELINE = Operation(
    "getTimeline",
    "List what happened to a task, oldest first",
    "tasks",
    {200: Reply("A page.", [TimelinePage])},
    about="Every transition, upstream call, callback, event and delivery.",
    parameters=[limit(1000, 100), CURSOR],
    problems=[400, 404],
)
CANCEL = Operation(
    "cancelTask",
    "Cancel a task",
    "tasks",
    {200: Reply("It is canceled, or was before.", [TaskView])},
    about="Stops what has not been sent. What runs upstream is no longer waited for; a video that comes is `video.late`.",
    problems=[400, 404, 409],
)
RETRY = Operation(
    "retryTask",
    "Make a new task of the same request",
    "tasks",
    {
        200: Reply("The new task that was made before.", [TaskView], headers=MADE),
        202: Reply("The new task; `retryOf` names the old one.", [TaskView], headers=MADE),
    },
    about="409 unless the task is final; 409 `upstream_still_running` while it may still run upstream.",
    parameters=[KEY],
    body=RetryOptions,
    body_required=False,
    examples=examples.RETRIES,
    problems=[400, 404, 408, 409, 410, 413, 415, 422],
)
ESTIMATE = Operation(
    "estimateCost",
    "Say what a request would cost",
    "tasks",
    {200: Reply("What it would cost, as far as it can be told.", [EstimateView])},
    about="The request is checked as on submit. Nothing is stored, fetched or generated.",
    body=EstimateRequest,
    examples=examples.ESTIMATES,
    problems=[400, 408, 413, 415, 422],
)
LIST_CALLBACKS = Operation(
    "listCallbacks",
    "List callbacks, newest first",
    "inbox",
    {200: Reply("A page.", [CallbackPage])},
    parameters=[
        TASK,
        Parameter("outcome", {"type": "string", "enum": list(get_args(Outcome))}, ""),
        limit(100, 50),
        CURSOR,
    ],
    problems=[400],
)
SHOW_CALLBACK = Operation(
    "getCallback",
    "Show a callback",
    "inbox",
    {200: Reply("The callback.", [CallbackView])},
    parameters=[Parameter("id", {"type": "integer", "minimum": 1}, "", "path")],
    problems=[400, 404],
)
RECEIVE = Operation(
    "receiveCallback",
    "Where providers call back",
    "inbox",
    {
        200: Reply(
            "It is stored; `outcome` says what became of it. Of an `erased` task nothing is stored.",
            {
                "type": "object",
                "required": ["outcome"],
                "properties": {
                    "outcome": {"type": "string", "enum": [*get_args(Outcome), "erased"]}
                },
            },
        )
    },
    parameters=[
        Parameter("provider", {"type": "string", "enum": list(get_args(Provider))}, "", "path"),
        Parameter(
            "token",
            {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
            "Made from provider and task: only who was given the URL knows it.",
            "path",
        ),
    ],
    problems=[400, 401, 408, 413, 415, 503],
    guarded=False,
)
