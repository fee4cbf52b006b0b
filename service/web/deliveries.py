"""Deliveries: look at them, send one again; the secret that signs those to a notifyURL."""

from collections.abc import Sequence

from aiohttp import web

from schemas.api.deliveries import SigningSecretRotate
from service.core.errors import Malformed
from service.flows.again import STATES, narrowed_to
from service.flows.idempotent import scope
from service.web.answers import json_of
from service.web.body import optional_json_body
from service.web.events import wanted_types
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_uuid
from service.web.subscriptions import SECRET
from service.web.tasks import answered, idempotency_key
from service.wire.api import parse_body


async def page(request: web.Request) -> web.Response:
    """List deliveries to all targets, newest first."""
    query = Query(
        request, *("subscription", "state", "type", "task", "event"), *("limit", "cursor")
    )
    found = await request.app[DEPS].again.deliveries(
        request[TENANT],
        narrowed_to(
            query.uuid("subscription"), query.uuid("task"), query.uuid("event"), _states(query)
        ),
        wanted_types(query.all("type")),
        query.one("cursor"),
        query.limit(100, 50),
    )
    return json_of({"items": found.items, "nextCursor": found.next_cursor})


async def page_of_subscription(request: web.Request) -> web.Response:
    """List the deliveries of one subscription, newest first."""
    query = Query(request, "state", "type", "task", "event", "limit", "cursor")
    target = path_uuid(request, "subscription")
    found = await request.app[DEPS].again.deliveries_to(
        request[TENANT],
        narrowed_to(target, query.uuid("task"), query.uuid("event"), _states(query)),
        wanted_types(query.all("type")),
        query.one("cursor"),
        query.limit(100, 50),
    )
    return json_of({"items": found.items, "nextCursor": found.next_cursor})


async def show(request: web.Request) -> web.Response:
    """Show a delivery with its attempts."""
    Query(request)
    name = request.match_info["id"]
    return json_of(await request.app[DEPS].again.delivery(request[TENANT], name))


async def retry(request: web.Request) -> web.Response:
    """Send a delivery again now."""
    Query(request)
    name = request.match_info["id"]
    key = idempotency_key(request)
    tenant = request[TENANT]
    where = scope(tenant, "POST", f"/v1/deliveries/{name}/retry", key)
    return answered(await request.app[DEPS].again.retry(tenant, name, where))


async def rotate_signing_secret(request: web.Request) -> web.Response:
    """Make a new default secret; the one before signs too for a while.

    No Idempotency-Key: the answer would be kept, and the secret with it.
    """
    Query(request)
    given = parse_body(SigningSecretRotate, await optional_json_body(request))
    secret, until = await request.app[DEPS].again.rotate_signing_secret(
        request[TENANT], given.overlapSeconds
    )
    return json_of({"secret": secret, "previousUntil": until}, headers=SECRET)


def _states(query: Query) -> Sequence[str]:
    """Read the states that are asked for; none for all of them."""
    given = query.all("state")
    if len(given) > len(STATES):
        raise Malformed(f"The query parameter state can be given {len(STATES)} times at most.")
    for state in given:
        if state not in STATES:
            raise Malformed(f"The query parameter state should be one of {', '.join(STATES)}.")
    return given
