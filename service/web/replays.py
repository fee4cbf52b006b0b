"""Replays of a subscription: begin, show, list, cancel."""

from aiohttp import web

from schemas.api.replays import ReplayRequest
from service.flows.again import Wanted
from service.flows.idempotent import scope
from service.web.answers import json_of
from service.web.body import json_body
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_uuid
from service.web.tasks import answered, idempotency_key
from service.wire.api import parse_body


async def begin(request: web.Request) -> web.Response:
    """Begin a replay."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    key = idempotency_key(request)
    body = await json_body(request)
    given = parse_body(ReplayRequest, body)
    tenant = request[TENANT]
    answer = await request.app[DEPS].again.replay(
        tenant,
        subscription_id,
        Wanted(given.since, given.until, given.state, given.types, given.ratePerSecond),
        scope(tenant, "POST", f"/v1/subscriptions/{subscription_id}/replay", key),
        body,
    )
    return answered(answer)


async def page(request: web.Request) -> web.Response:
    """List the replays of a subscription, newest first."""
    query = Query(request, "limit", "cursor")
    subscription_id = path_uuid(request, "subscription")
    found = await request.app[DEPS].again.replays(
        request[TENANT], subscription_id, query.one("cursor"), query.limit(100, 20)
    )
    return json_of({"items": found.items, "nextCursor": found.next_cursor})


async def show(request: web.Request) -> web.Response:
    """Show how far a replay is."""
    Query(request)
    replay_id = path_uuid(request, "replay")
    return json_of(await request.app[DEPS].again.show_replay(request[TENANT], replay_id))


async def cancel(request: web.Request) -> web.Response:
    """Stop a replay and show it."""
    Query(request)
    replay_id = path_uuid(request, "replay")
    return json_of(await request.app[DEPS].again.cancel_replay(request[TENANT], replay_id))
