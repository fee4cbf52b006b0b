"""Subscriptions, and the secret that signs what goes to a notifyURL."""

from functools import partial

from aiohttp import web

from schemas.api.subscriptions import RotateOptions
from service.core.errors import Malformed
from service.core.jwk import key_set
from service.flows.idempotent import scope
from service.web.answers import json_of
from service.web.body import json_body, optional_json_body
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_uuid
from service.web.subscription_bodies import read_new, read_patch
from service.web.tasks import answered, idempotency_key
from service.wire.api import parse_body
from service.wire.subscriptions import subscription_view

SECRET = {"Cache-Control": "no-store"}
KEYS_S = 300
"""How long public keys may be kept by those who verify."""
WORDS = {"true": True, "false": False}


async def create(request: web.Request) -> web.Response:
    """Make a subscription; its secret is shown this once."""
    deps = request.app[DEPS]
    Query(request)
    key = idempotency_key(request)
    body = await json_body(request)
    draft = read_new(body, deps.check_url, deps.check_target)
    tenant = request[TENANT]
    where = scope(tenant, "POST", "/v1/subscriptions", key)
    answer = answered(await deps.subscribe.create(tenant, draft, scope=where, body=body))
    answer.headers.update(SECRET)
    return answer


async def change(request: web.Request) -> web.Response:
    """Change a subscription by a merge patch."""
    deps = request.app[DEPS]
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    patch = await json_body(request)
    redo = partial(
        read_patch, patch=patch, url_check=deps.check_url, target_check=deps.check_target
    )
    row = await deps.subscribe.change(request[TENANT], subscription_id, redo)
    return json_of(subscription_view(row))


async def page(request: web.Request) -> web.Response:
    """List subscriptions, oldest first."""
    query = Query(request, "kind", "enabled", "limit", "cursor")
    word = query.word("enabled", tuple(WORDS))
    found = await request.app[DEPS].subscribe.page(
        request[TENANT],
        query.one("cursor"),
        query.limit(100, 50),
        kind=query.one("kind"),
        enabled=None if word is None else WORDS[word],
    )
    items = [subscription_view(row) for row in found.items]
    return json_of({"items": items, "nextCursor": found.next_cursor})


async def show(request: web.Request) -> web.Response:
    """Show a subscription."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    row = await request.app[DEPS].subscribe.get(request[TENANT], subscription_id)
    return json_of(subscription_view(row))


async def delete(request: web.Request) -> web.Response:
    """Delete a subscription."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    await request.app[DEPS].subscribe.delete(request[TENANT], subscription_id)
    return web.Response(status=204)


async def rotate(request: web.Request) -> web.Response:
    """Give a subscription a new secret; it is shown this once."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    key = idempotency_key(request)
    options = parse_body(RotateOptions, await optional_json_body(request))
    tenant = request[TENANT]
    where = scope(tenant, "POST", f"/v1/subscriptions/{subscription_id}/rotate-secret", key)
    answer = answered(
        await request.app[DEPS].subscribe.rotate(
            tenant, subscription_id, options.overlapSeconds, scope=where
        )
    )
    answer.headers.update(SECRET)
    return answer


async def test(request: web.Request) -> web.Response:
    """Send a test event now, and show what came back."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    if await optional_json_body(request) != {}:
        raise Malformed("A test has no body, or an empty object.")
    return json_of(await request.app[DEPS].ping.send(request[TENANT], subscription_id))


async def public_keys(request: web.Request) -> web.Response:
    """Give the public keys that verify v1a, to anybody."""
    Query(request)
    keys = await request.app[DEPS].publish.keys()
    return json_of(key_set(keys), headers={"Cache-Control": f"public, max-age={KEYS_S}"})


async def signing_secret(request: web.Request) -> web.Response:
    """Show the tenant's default secret."""
    Query(request)
    secret = await request.app[DEPS].subscribe.signing_secret(request[TENANT])
    return json_of({"secret": secret}, headers=SECRET)
