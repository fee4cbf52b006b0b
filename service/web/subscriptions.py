"""Subscriptions, and the secret that signs what goes to a notifyURL."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from aiohttp import web

from schemas.api.subscriptions import SubscriptionCreate
from service.core.errors import FieldError, Invalid
from service.core.url_guard import UrlRefused
from service.flows.subscribe import Wanted
from service.web.answers import Row, json_of
from service.web.body import json_body
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_uuid
from service.wire.api import parse_body

SECRET = {"Cache-Control": "no-store"}


async def create(request: web.Request) -> web.Response:
    """Make a subscription; its secret is shown this once."""
    deps = request.app[DEPS]
    Query(request)
    wanted = _wanted(await json_body(request), deps.check_url)
    row, secret = await deps.subscribe.create(request[TENANT], wanted)
    headers = {"Location": f"/v1/subscriptions/{row['id']}", **SECRET}
    return json_of(_shown(row) | {"secret": secret}, status=201, headers=headers)


async def page(request: web.Request) -> web.Response:
    """List subscriptions, oldest first."""
    query = Query(request, "limit", "cursor")
    found = await request.app[DEPS].subscribe.page(
        request[TENANT], query.one("cursor"), query.limit(100, 50)
    )
    items = [_shown(row) for row in found.items]
    return json_of({"items": items, "nextCursor": found.next_cursor})


async def show(request: web.Request) -> web.Response:
    """Show a subscription."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    return json_of(_shown(await request.app[DEPS].subscribe.get(request[TENANT], subscription_id)))


async def delete(request: web.Request) -> web.Response:
    """Delete a subscription."""
    Query(request)
    subscription_id = path_uuid(request, "subscription")
    await request.app[DEPS].subscribe.delete(request[TENANT], subscription_id)
    return web.Response(status=204)


async def signing_secret(request: web.Request) -> web.Response:
    """Show the tenant's default secret."""
    Query(request)
    secret = await request.app[DEPS].subscribe.signing_secret(request[TENANT])
    return json_of({"secret": secret}, headers=SECRET)


def _wanted(body: object, check_url: Callable[[str], None]) -> Wanted:
    refused = _refused_url(body, check_url)
    try:
        given = parse_body(SubscriptionCreate, body)
    except Invalid as error:
        known = any(fault.pointer == "/url" for fault in error.errors)
        raise Invalid(errors=error.errors + (() if known else refused)) from None
    if refused:
        raise Invalid(errors=refused)
    return Wanted(
        kind=given.kind or "webhook",
        url=given.url,
        settings={} if given.settings is None else given.settings.model_dump(),
        types=given.types,
        provider=given.provider,
        labels=given.labels,
        format=given.format,
        include_request=given.includeRequest,
    )


def _refused_url(body: object, check_url: Callable[[str], None]) -> tuple[FieldError, ...]:
    """Say what is wrong with the URL as a place to call, apart from its being one."""
    url = body.get("url") if isinstance(body, Mapping) else None
    if not isinstance(url, str):
        return ()
    try:
        check_url(url)
    except UrlRefused as error:
        return (FieldError("/url", str(error)),)
    return ()


def _shown(row: Row) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "url": row["url"],
        "settings": orjson.loads(row["settings"]),
        "types": list(row["types"]),
        "provider": row["provider"],
        "labels": orjson.loads(row["labels"]),
        "format": row["format"],
        "includeRequest": row["include_request"],
        "enabled": row["enabled"],
        "createdAt": row["created_at"],
    }
