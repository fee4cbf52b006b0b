"""The feed of events."""

from collections.abc import Sequence

from aiohttp import web

from service.core.errors import Malformed
from service.core.event import EVENT_TYPES, FAMILIES, matches
from service.web.answers import json_bytes
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_uuid
from service.wire.api import page_bytes
from service.wire.events import CONTENT_TYPE, envelope

MOST_TYPES = 32
"""There are half as many."""


async def feed(request: web.Request) -> web.Response:
    """List events, oldest first; there is always a next cursor."""
    query = Query(request, "type", "task", "cursor", "limit")
    found = await request.app[DEPS].feed.page(
        request[TENANT],
        query.one("cursor"),
        wanted_types(query.all("type")),
        query.uuid("task"),
        query.limit(1000, 100),
    )
    return json_bytes(page_bytes(found.items, found.next_cursor))


async def show(request: web.Request) -> web.Response:
    """Show an event as it is sent."""
    Query(request)
    event = await request.app[DEPS].feed.one(request[TENANT], path_uuid(request, "event"))
    return web.Response(body=envelope(event), headers={"Content-Type": CONTENT_TYPE})


async def data(request: web.Request) -> web.Response:
    """Give the data of an event: what `dataref` leads to."""
    Query(request)
    event = await request.app[DEPS].feed.one(request[TENANT], path_uuid(request, "event"))
    return json_bytes(event.data)


def wanted_types(given: Sequence[str]) -> list[str] | None:
    """Spell out which types are asked for, none for all of them: a repeated parameter, or a list with commas."""
    if len(given) > MOST_TYPES:
        raise Malformed(f"The query parameter type can be given {MOST_TYPES} times at most.")
    patterns = [part.strip() for text in given for part in text.split(",") if part.strip()]
    if not patterns:
        return None
    for pattern in patterns:
        if not any(matches([pattern], event_type) for event_type in EVENT_TYPES):
            known = ", ".join((*EVENT_TYPES, *FAMILIES))
            raise Malformed(f"There is no event type {pattern!r}; there are {known}.")
    return [event_type for event_type in EVENT_TYPES if matches(patterns, event_type)]
