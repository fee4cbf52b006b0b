"""Around every request: its id, one log line, and problems for whatever goes wrong."""

import asyncio
import re
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from service.core.errors import (
    Malformed,
    NotFound,
    NotKeptYet,
    ServiceError,
    Unauthentic,
    Unavailable,
)
from service.web.keys import COUNTS, DEPS
from service.web.refusals import MethodNotAllowed, RangeNotSatisfiable, TooLarge, TooSlow
from service.wire.problems import CONTENT_TYPE, problem_of

log = structlog.get_logger()

REQUEST_ID: Final = "X-Request-Id"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
PROBES = frozenset({"/livez", "/readyz", "/metrics"})
"""Asked for every few seconds: their log lines are for debugging only."""
_GIVEN_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SECRET_PLACE = 4
"""/callbacks/{provider}/{taskUUID}/{token}: the token is the fourth part after the first slash."""


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, have it answered, write the one line about it."""
    given = request.headers.get(REQUEST_ID, "")
    request_id = given if _GIVEN_ID.fullmatch(given) else request.app[DEPS].dice.uuid().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    loop = asyncio.get_running_loop()
    began = loop.time()
    response = await _answer(request, handler)
    response.headers[REQUEST_ID] = request_id
    route = _route(request)
    method = request.method if request.method in METHODS else "other"
    request.app[COUNTS].requests[method, route, str(response.status)] += 1
    quiet = route in PROBES and response.status < web.HTTPBadRequest.status_code
    (log.debug if quiet else log.info)(
        "http.request",
        method=method,
        route=route,
        status=response.status,
        duration_ms=round((loop.time() - began) * 1000, 1),
    )
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ServiceError as error:
        return problem(request, error)
    except web.HTTPException as error:
        return problem(request, _refusal(error))
    except Exception:
        log.exception("http.failed", route=_route(request))
        return problem(request, ServiceError())


def problem(request: web.Request, error: ServiceError) -> web.Response:
    """Answer with a problem, and with the headers that its status asks for."""
    status, body = problem_of(error, shown_path(request))
    response = web.Response(status=status, body=body, content_type=CONTENT_TYPE)
    match error:
        case Unavailable():
            response.headers["Retry-After"] = "1"
        case NotKeptYet():
            response.headers["Retry-After"] = "5"
        case RangeNotSatisfiable():
            response.headers["Content-Range"] = f"bytes */{error.size}"
        case Unauthentic():
            response.headers["WWW-Authenticate"] = 'Bearer realm="callboard"'
        case MethodNotAllowed():
            response.headers["Allow"] = error.allowed
        case TooLarge() | TooSlow():
            # What is left of the body is not worth reading.
            response.force_close()
        case _:
            pass
    return response


def shown_path(request: web.Request) -> str:
    """Give the path without the secret part of a callback URL, as text that JSON takes."""
    parts = request.path.split("/")
    if parts[1:2] == ["callbacks"] and len(parts) > _SECRET_PLACE:
        parts[_SECRET_PLACE:] = ["[token]"]
    return "/".join(parts).encode("utf-8", "replace").decode()


def _refusal(error: web.HTTPException) -> ServiceError:
    """Say in our words what aiohttp refused."""
    if isinstance(error, web.HTTPMethodNotAllowed):
        return MethodNotAllowed(error.allowed_methods)
    if isinstance(error, web.HTTPNotFound):
        return NotFound("There is nothing at this path.")
    if isinstance(error, web.HTTPServerError):
        return ServiceError()
    return Malformed(f"The request was refused: {error.reason}.")


def _route(request: web.Request) -> str:
    """Name the route by its template: the path of a callback holds a secret."""
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical
