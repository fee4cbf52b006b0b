"""What a request would cost."""

from collections.abc import Mapping

from aiohttp import web

from schemas.api.estimates import EstimateRequest
from service.core.errors import FieldError, Invalid
from service.flows import estimate
from service.flows.check import check
from service.flows.upstreams import Upstreams
from service.web.answers import json_of
from service.web.body import json_body
from service.web.keys import DEPS
from service.web.query import Query
from service.wire.api import parse_body
from service.wire.estimates import estimate_view


async def make(request: web.Request) -> web.Response:
    """Check a request as on submit, and say what it would cost."""
    deps = request.app[DEPS]
    Query(request)
    given = _given(await json_body(request), deps.upstreams)
    priced = await estimate.price(
        deps.upstreams,
        deps.dice,
        given.provider,
        given.request,
        given.durationSeconds,
        given.fps,
    )
    shown = estimate_view(
        priced.estimate,
        provider=given.provider,
        model=priced.checked.model,
        results=priced.checked.results_expected,
        warnings=priced.checked.warnings,
    )
    return json_of(shown)


def _given(body: object, upstreams: Upstreams) -> EstimateRequest:
    """Check our own fields; raises Invalid with every fault, those of the request included."""
    try:
        return parse_body(EstimateRequest, body)
    except Invalid as error:
        raise Invalid(errors=error.errors + _of_request(body, upstreams)) from None


def _of_request(body: object, upstreams: Upstreams) -> tuple[FieldError, ...]:
    if not isinstance(body, Mapping):
        return ()
    provider, request = body.get("provider"), body.get("request")
    if not isinstance(provider, str) or provider not in upstreams or not isinstance(request, dict):
        return ()
    try:
        check(upstreams, provider, request)
    except Invalid as error:
        return error.errors
    return ()
