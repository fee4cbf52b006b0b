"""What the routes of batches do, in the words of the OpenAPI document."""

from schemas.api.batches import BatchCanceled, BatchPage, BatchView
from schemas.api.tasks import Submission
from service.flows.gather import MOST, MOST_FAULTS
from service.web import examples
from service.web.deps import MIB, Limits
from service.web.lines import MEDIA
from service.web.openapi import Operation, Reply
from service.web.operations import CURSOR, KEY, MADE, limit

_LIMITS = Limits()

SUBMIT = Operation(
    "submitBatch",
    f"Submit up to {MOST} tasks at once",
    "batches",
    {202: Reply("All are stored; they will be sent.", [BatchView], headers=MADE)},
    about=(
        "JSON lines: one submission a line, as in `POST /v1/tasks`. All are stored, or none; durable before the "
        "answer. Blank lines are skipped. A fault names its line in the body, counted from 1 with the blank ones: "
        f"`/line/37/request/inputs/audio`. At most {MOST_FAULTS} faults are listed; `detail` says how many more "
        f"there are. A body has at most {_LIMITS.batch_bytes // MIB} MiB, a line "
        f"{_LIMITS.batch_line_bytes // MIB} MiB."
    ),
    parameters=[KEY],
    body=Submission,
    lines=MEDIA,
    examples=examples.BATCHES,
    problems=[400, 408, 409, 413, 415, 422],
)
LIST = Operation(
    "listBatches",
    "List batches, newest first",
    "batches",
    {200: Reply("A page.", [BatchPage])},
    parameters=[limit(100, 20), CURSOR],
    problems=[400],
)
SHOW = Operation(
    "getBatch",
    "Show how far a batch is",
    "batches",
    {200: Reply("The batch.", [BatchView])},
    about="Its tasks are listed by `GET /v1/tasks?batch=`. A retry of a task is not part of the batch.",
    problems=[400, 404],
)
CANCEL = Operation(
    "cancelBatch",
    "Cancel every task of a batch that is not final",
    "batches",
    {200: Reply("The batch, with how many tasks this call canceled.", [BatchCanceled])},
    about=(
        "Each as by its own cancel: what runs upstream is no longer waited for. Tasks are canceled some at a time; "
        "cut off in the middle, the same call goes on. Repeated, it cancels nothing more."
    ),
    problems=[400, 404],
)
