"""What a send gets that is not accepted: error answers of both upstreams, or a closed connection."""

from types import MappingProxyType
from typing import Any

from aiohttp import web

HTML = "<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"

RUNWARE = MappingProxyType(
    {
        "401": (401, "invalidApiKey", "Invalid API key."),
        "402": (402, "insufficientCredits", "Insufficient credits."),
        "403": (403, "insufficientPermissions", "This API key lacks the permission."),
        "429": (429, "rateLimitExceeded", "Too many requests."),
        "busy": (429, "rateLimitExceeded", "The queue of this model is full."),
        "500": (500, "internalServerError", "Internal server error."),
        "503": (503, "serviceUnavailable", "No capacity."),
        "504": (504, "timeout", "Waited too long in the queue."),
    }
)
"""By the scenario's name: status, code, message."""

_BUSY = {
    "errorCode": "concurrency_limit_reached",
    "activeGenerations": 3,
    "concurrencyLimit": 3,
    "retryAfterSeconds": 1,
}
_RATE = {"errorCode": "rate_limit_exceeded", "error": "Too Many Requests"}
SYNC: MappingProxyType[str, tuple[int, str, dict[str, Any]]] = MappingProxyType(
    {
        "401": (401, "Unauthorized", {}),
        "402": (402, "Payment required.", {"errorCode": "account_payment_required"}),
        "403": (403, "Not in your plan.", {"errorCode": "plan_feature_unavailable"}),
        "429": (429, "Rate limit exceeded. Please try again later.", _RATE),
        "busy": (429, "Too many generations are under way.", _BUSY),
        "500": (500, "Internal server error", {}),
        "503": (503, "Service unavailable", {}),
        "504": (504, "Gateway timeout", {}),
    }
)
"""By the scenario's name: status, message, more of the body."""


class Refused(Exception):
    """An error answer of Sync, raised wherever its reason is found."""

    def __init__(self, status: int, message: str | list[str], **more: Any) -> None:
        """Keep the status, and the body in Sync's form."""
        super().__init__(message)
        self.status = status
        self.body = {"statusCode": status, "message": message, **more}


def bad_request(message: str | list[str], **more: Any) -> Refused:
    """Make Sync's answer to a bad request."""
    return Refused(400, message, error="Bad Request", **more)


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer; what is returned goes nowhere."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)


def stop_sync(name: str, request: web.Request) -> web.Response:
    """Answer a send to Sync that its scenario stops.

    Raises:
        Refused: for the answers in Sync's own form.
    """
    if name == "reset":
        return hang_up(request)
    if name == "html":
        return web.Response(status=503, text=HTML, content_type="text/html")
    status, message, more = SYNC[name]
    raise Refused(status, message, **more)
