"""Where providers call back. The order matters: the token first, then the body, then the database.

200 is sent after the commit. What is refused before it is counted and not stored (CONTRACT.md section 5).
"""

import re
from uuid import UUID

from aiohttp import web

from service.core.errors import ServiceError, Unauthentic
from service.core.states import CallbackOutcome
from service.ports import RawCallback
from service.web.answers import json_of
from service.web.body import read_capped
from service.web.keys import COUNTS, DEPS
from service.web.query import uuid_of

_KEPT = re.compile(
    r"content-type|user-agent|date|sync-signature|webhook-[a-z-]+|x-[a-z0-9-]*signature"
)
"""Headers that tell who called, and of what. Never authorization or cookies."""


async def receive(request: web.Request) -> web.Response:
    """Keep a callback and say what became of it."""
    deps = request.app[DEPS]
    provider, task_uuid = _entitled(request)
    try:
        body = await read_capped(request, deps.limits.callback_bytes, deps.limits.callback_s)
        call = RawCallback(task_uuid, body, kept_headers(request))
        incoming = deps.receive.open(provider, call)
        outcome = await deps.batcher.put(incoming, len(body))
    except ServiceError as error:
        _count(request, provider, error.code)
        raise
    if incoming.opened.verified is False and outcome is not CallbackOutcome.ERASED:
        raise Unauthentic("The signature is not good; the callback was kept, but not applied.")
    return json_of({"outcome": outcome.value})


def kept_headers(request: web.Request) -> dict[str, str]:
    """Choose the headers that are kept, in lower case; a repeated one becomes one line."""
    kept: dict[str, str] = {}
    for name in dict.fromkeys(name.lower() for name in request.headers):
        if _KEPT.fullmatch(name):
            kept[name] = _text(", ".join(request.headers.getall(name)))
    return kept


def _entitled(request: web.Request) -> tuple[str, UUID]:
    """Check the token; raises Unauthentic, the same for whatever of the path is wrong."""
    deps = request.app[DEPS]
    provider = request.match_info["provider"]
    task_uuid = uuid_of(request.match_info["task"])
    token = request.match_info["token"]
    known = provider in deps.upstreams
    if known and task_uuid and deps.upstreams.token_is_good(provider, task_uuid, token):
        return provider, task_uuid
    _count(request, provider if known else "unknown", Unauthentic.code)
    raise Unauthentic("The token is not good.")


def _count(request: web.Request, provider: str, reason: str) -> None:
    request.app[COUNTS].refused_callbacks[provider, reason] += 1


def _text(value: str) -> str:
    """Make a header's value storable: aiohttp hides bytes that are no UTF-8 in half surrogate pairs."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
