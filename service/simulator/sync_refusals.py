"""Error answers of Sync: `{statusCode, message, error?, errorCode?, …}`, as NestJS writes them."""

from types import MappingProxyType
from typing import Any

from aiohttp import web

from service.simulator.refusals import hang_up, html_page
from service.simulator.scenario import Plan
from service.simulator.sync_errors import MESSAGES

UPGRADE_URL = "https://sync.so/billing/subscription"
Row = tuple[int, str, dict[str, Any]]
"""Status, message, and what else the body has."""


def _coded(status: int, code: str, **more: Any) -> Row:
    return (status, MESSAGES[code], {"errorCode": code, **more})


RATE: Row = (
    429,
    "Rate limit exceeded. Please try again later.",
    {"errorCode": "rate_limit_exceeded", "error": "Too Many Requests"},
)
BUSY = _coded(
    429,
    "concurrency_limit_reached",
    activeGenerations=3,
    concurrencyLimit=3,
    retryAfterSeconds=1,
    upgradeUrl=UPGRADE_URL,
)
STOPS: MappingProxyType[str, Row] = MappingProxyType(
    {
        "401": (401, "Unauthorized", {}),
        "402": _coded(402, "account_payment_required", error="Payment Required"),
        "403": _coded(403, "plan_feature_unavailable", error="Forbidden"),
        "404": (404, "Not Found", {}),
        "409": _coded(409, "generation_conflict", error="Conflict"),
        "413": _coded(413, "file_size_exceeds_plan_limit", error="Payload Too Large"),
        "422": _coded(422, "generation_input_video_inaccessible", field="input.0"),
        "429": RATE,
        "busy": BUSY,
        "500": (500, "Internal server error", {}),
        "503": (503, "Service unavailable", {}),
        "504": (504, "Gateway timeout", {}),
    }
)
"""What a create gets, by the scenario's name."""
BATCH_STOPS: MappingProxyType[str, Row] = MappingProxyType(
    {
        **STOPS,
        "402": (402, "The Batch API needs a Scale plan.", {"error": "Payment Required"}),
        "403": (403, "The Batch API needs a Scale plan.", {"errorCode": "batch_plan_required"}),
        "busy": (
            429,
            "Batch concurrency limit reached. Please wait for an existing batch to complete.",
            {"errorCode": "concurrency_limit_reached"},
        ),
    }
)
"""What a batch gets: which of 402 and 403 a lower plan means, the documents do not agree on."""


class Refused(Exception):
    """An error answer, raised wherever its reason is found."""

    def __init__(
        self,
        status: int,
        message: str | list[str],
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        """Keep the status and the headers, and the body in Sync's form."""
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = {"statusCode": status, "message": message, **more}


def bad_request(message: str | list[str], **more: Any) -> Refused:
    """Make the answer to a bad request."""
    return Refused(400, message, error="Bad Request", **more)


def coded(status: int, code: str, **more: Any) -> Refused:
    """Make the answer that has a code of the catalogue."""
    return Refused(status, MESSAGES[code], errorCode=code, **more)


def too_large() -> Refused:
    """Make the answer to a body that is too large."""
    return coded(413, "file_size_exceeds_plan_limit", error="Payload Too Large")


def stop(
    name: str, plan: Plan, request: web.Request, rows: MappingProxyType[str, Row] = STOPS
) -> web.Response:
    """Answer a send that its scenario stops.

    Raises:
        Refused: for the answers in Sync's own form.
    """
    headers = {} if plan.retry_after is None else {"Retry-After": str(plan.retry_after)}
    if name == "reset":
        return hang_up(request)
    if name.startswith("html"):
        page = html_page(name)
        page.headers.update(headers)
        return page
    if name not in rows:
        raise bad_request([f"input: Sync has no scenario {name}"])
    status, message, more = rows[name]
    raise Refused(status, message, headers, **more)
