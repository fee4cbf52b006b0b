"""The inbox as it is shown: raw callbacks without the tokens in them."""

from typing import Any

import orjson
from aiohttp import web

from service.core.states import KEPT
from service.web.answers import Row, json_of
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_number
from service.wire.cut import cut


async def page(request: web.Request) -> web.Response:
    """List callbacks, newest first."""
    query = Query(request, "task", "outcome", "cursor", "limit")
    found = await request.app[DEPS].look.callbacks(
        request[TENANT],
        query.uuid("task"),
        query.word("outcome", sorted(outcome.value for outcome in KEPT)),
        query.one("cursor"),
        query.limit(100, 50),
    )
    items = [_shown(row) for row in found.items]
    return json_of({"items": items, "nextCursor": found.next_cursor})


async def show(request: web.Request) -> web.Response:
    """Show a callback."""
    Query(request)
    callback_id = path_number(request, "callback")
    return json_of(_shown(await request.app[DEPS].look.callback(request[TENANT], callback_id)))


def _shown(row: Row) -> dict[str, Any]:
    headers: dict[str, str] = orjson.loads(row["headers"])
    return {
        "id": row["id"],
        "receivedAt": row["received_at"],
        "provider": row["provider"],
        "taskUUID": str(row["task_uuid"]),
        "outcome": row["outcome"],
        "detail": cut(row["detail"]),
        "headers": {name: cut(value) for name, value in headers.items()},
        "body": cut(row["body"].decode("utf-8", "replace")),
    }
