"""What a send gets that is not accepted: Runware's errors, the page of a proxy, a closed connection."""

from http import HTTPStatus
from types import MappingProxyType

from aiohttp import web

HTML = "<html><head><title>{0}</title></head><body><h1>{1}</h1></body></html>"

RUNWARE = MappingProxyType(
    {
        "401": (401, "invalidApiKey", "Invalid API key."),
        "402": (402, "insufficientCredits", "Insufficient credits."),
        "403": (403, "insufficientPermissions", "This API key lacks the permission."),
        "404": (404, "modelNotFound", "This model does not exist."),
        "409": (409, "conflict", "Another request is in the way."),
        "413": (413, "payloadTooLarge", "The request is too large."),
        "422": (422, "unprocessableInput", "The input cannot be used."),
        "429": (429, "rateLimitExceeded", "Too many requests."),
        "busy": (429, "rateLimitExceeded", "The queue of this model is full."),
        "500": (500, "internalServerError", "Internal server error."),
        "503": (503, "serviceUnavailable", "No capacity."),
        "504": (504, "timeout", "Waited too long in the queue."),
    }
)
"""By the scenario's name: status, code, message."""


def html_page(name: str) -> web.Response:
    """Answer with the page of a proxy: `html` is its 503, `html504` its 504."""
    status = int(name.removeprefix("html") or HTTPStatus.SERVICE_UNAVAILABLE)
    text = HTML.format(status, HTTPStatus(status).phrase)
    return web.Response(status=status, text=text, content_type="text/html")


def hang_up(request: web.Request) -> web.Response:
    """Close the connection without an answer; what is returned goes nowhere."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
