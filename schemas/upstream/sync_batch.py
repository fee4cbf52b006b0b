"""Sync's Batch API (`/v2/batch`): the lines of its input file, its answers, its webhook and its results.

An answer mixes two spellings (`created_at`, `webhookUrl`); the documents' example of the webhook, which
tells the same, has only camelCase. So both are read everywhere.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, PlainValidator

from ..base import Forgiven, Lenient, Request, Where, part
from .sync_so import SyncGenerateRequest, parse_request

ENDPOINT = "/v2/generate"
LINES_MIN, LINES_MAX = 20, 500
"""The newest pages; an older page and an example speak of 1000."""
FILE_BYTES_MAX = 5 * 2**20
"""The documents say 5 MB, and not which."""

Payload = Annotated[SyncGenerateRequest, PlainValidator(parse_request)]


class BatchLine(Request):
    """One line of the input file, which is JSONL."""

    request_id: str = Field(min_length=1)
    endpoint: Literal["/v2/generate"]
    payload: Payload


class BatchInput(Request):
    """All lines of an input file."""

    lines: Annotated[list[BatchLine], Field(min_length=LINES_MIN, max_length=LINES_MAX)]

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield each `request_id` that was used before."""
        lines = part(body, "lines")
        used: set[str] = set()
        for index, line in enumerate(lines if isinstance(lines, list) else []):
            name = part(line, "request_id")
            if isinstance(name, str):
                if name in used:
                    yield ("lines", index, "request_id"), "request_id must be unique"
                used.add(name)


def _both(snake: str, camel: str) -> Any:
    return Field(default=None, validation_alias=AliasChoices(snake, camel))


class BatchMetrics(Lenient):
    """How many generations a batch has, and how far they are."""

    total_generations: Forgiven[int] = _both("total_generations", "totalGenerations")
    success_count: Forgiven[int] = _both("success_count", "successCount")
    failed_count: Forgiven[int] = _both("failed_count", "failedCount")
    pending_count: Forgiven[int] = _both("pending_count", "pendingCount")


class SyncBatch(Lenient):
    """A batch: the answer to create and get, an entry of the list, the body of its callback.

    `status` is PENDING, JOBS_CREATED, PROCESSING, COMPLETED or FAILED. `outputUrl` is empty until the
    batch has ended; what is there then redirects to a signed address.
    """

    id: str
    status: str
    created_at: Forgiven[str] = _both("created_at", "createdAt")
    metrics: Forgiven[BatchMetrics] = None
    webhookUrl: Forgiven[str] = _both("webhook_url", "webhookUrl")
    outputUrl: Forgiven[str] = _both("output_url", "outputUrl")


class SyncBatchValidated(Lenient):
    """The answer to a dry run: the file is good, nothing was made."""

    status: Literal["VALIDATED"]


class SyncBatchResult(Lenient):
    """One line of the result file. Its form is documented nowhere: these names are our guess."""

    request_id: str = Field(validation_alias=AliasChoices("request_id", "requestId"))
    generation_id: Forgiven[str] = _both("generation_id", "generationId")
    status: Forgiven[str] = None
    outputUrl: Forgiven[str] = _both("output_url", "outputUrl")
    error: Forgiven[str] = None
    error_code: Forgiven[str] = _both("error_code", "errorCode")
