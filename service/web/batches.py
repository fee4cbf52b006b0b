"""Batches: submit as JSON lines, show, list, cancel."""

import asyncio

from aiohttp import web

from service.core.errors import Invalid, Malformed
from service.flows.accept import Accept
from service.flows.gather import Gathered
from service.flows.idempotent import scope
from service.web.answers import json_of
from service.web.keys import DEPS, TENANT
from service.web.lines import lines
from service.web.query import Query, path_uuid
from service.web.submissions import read_one
from service.web.tasks import answered, idempotency_key
from service.wire.api import read_json


async def submit(request: web.Request) -> web.Response:
    """Store the submissions of a batch, one a line: all or none."""
    deps = request.app[DEPS]
    Query(request)
    key = idempotency_key(request)
    tenant = request[TENANT]
    with deps.gather.room() as gathered:
        async for number, line in lines(request, deps.limits):
            _take(gathered, number, line, deps.accept)
            # What has arrived already is read without a pause: this lets callbacks be answered between two lines.
            await asyncio.sleep(0)
        answer = await deps.gather.submit(
            tenant, gathered, scope(tenant, "POST", "/v1/batches", key)
        )
    return answered(answer)


async def show(request: web.Request) -> web.Response:
    """Show a batch."""
    Query(request)
    batch_id = path_uuid(request, "batch")
    return json_of(await request.app[DEPS].look.batch(request[TENANT], batch_id))


async def page(request: web.Request) -> web.Response:
    """List batches, newest first."""
    query = Query(request, "limit", "cursor")
    found = await request.app[DEPS].look.batches(
        request[TENANT], query.one("cursor"), query.limit(100, 20)
    )
    return json_of({"items": found.items, "nextCursor": found.next_cursor})


async def cancel(request: web.Request) -> web.Response:
    """Cancel every task of a batch that is not final, and show it."""
    Query(request)
    batch_id = path_uuid(request, "batch")
    return json_of(await request.app[DEPS].operate.cancel_batch(request[TENANT], batch_id))


def _take(gathered: Gathered, number: int, line: bytes, accept: Accept) -> None:
    if gathered.full:
        gathered.count()
        return
    try:
        body = read_json(line, "The line")
    except Malformed as error:
        gathered.include(line)
        gathered.refuse(number, error)
        return
    gathered.include(body)
    try:
        (new,) = accept.check([read_one(body, accept)], many=False)
    except Invalid as error:
        gathered.refuse(number, error)
    else:
        gathered.add(number, new)
