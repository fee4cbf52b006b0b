"""Tasks: submit, show, list, timeline, cancel, erase, retry."""

import re

import orjson
from aiohttp import web

from schemas.api.tasks import RetryOptions
from service.core.errors import Malformed
from service.core.states import State
from service.flows.idempotent import Answer, scope
from service.flows.look import task_filter
from service.observe import cut_tokens
from service.web.answers import Row, json_bytes, json_of
from service.web.body import json_body, optional_json_body
from service.web.keys import DEPS, TENANT
from service.web.query import Query, path_uuid
from service.web.submissions import read_submissions
from service.wire.again import target_name
from service.wire.api import page_bytes, parse_body

MOST_WAIT_S = 60
_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


async def submit(request: web.Request) -> web.Response:
    """Store one submission, or an array of them: all or none."""
    deps = request.app[DEPS]
    Query(request)
    key = idempotency_key(request)
    body = await json_body(request)
    submissions = read_submissions(body, deps.accept)
    tenant = request[TENANT]
    where = scope(tenant, "POST", "/v1/tasks", key)
    answer = await deps.accept.submit(
        tenant, submissions.given, many=submissions.many, scope=where, body=body
    )
    return answered(answer)


async def show(request: web.Request) -> web.Response:
    """Show a task; with `wait`, not before it is final or the time is over."""
    wait_s = Query(request, "wait").number("wait", 1, MOST_WAIT_S) or 0
    task_uuid = path_uuid(request, "task")
    return json_bytes(await request.app[DEPS].look.task(request[TENANT], task_uuid, wait_s))


async def page(request: web.Request) -> web.Response:
    """List tasks, newest first."""
    deps = request.app[DEPS]
    query = Query(
        request,
        *("state", "provider", "model", "label", "created_after", "created_before"),
        *("batch", "limit", "cursor"),
    )
    wanted = task_filter(
        state=query.word("state", [state.value for state in State]),
        provider=query.word("provider", deps.upstreams.names()),
        model=query.one("model"),
        created_after=query.time("created_after"),
        created_before=query.time("created_before"),
        labels=query.labels("label"),
        batch=query.uuid("batch"),
    )
    limit = query.limit(100, 50)
    found = await deps.look.tasks(request[TENANT], wanted, query.one("cursor"), limit)
    return json_bytes(page_bytes(found.items, found.next_cursor))


async def timeline(request: web.Request) -> web.Response:
    """List what happened to a task, oldest first."""
    query = Query(request, "limit", "cursor")
    task_uuid = path_uuid(request, "task")
    limit = query.limit(1000, 100)
    found = await request.app[DEPS].look.timeline(
        request[TENANT], task_uuid, query.one("cursor"), limit
    )
    items = [_entry(row) for row in found.items]
    return json_of({"items": items, "nextCursor": found.next_cursor})


async def cancel(request: web.Request) -> web.Response:
    """Cancel a task and show it."""
    Query(request)
    task_uuid = path_uuid(request, "task")
    return json_bytes(await request.app[DEPS].operate.cancel(request[TENANT], task_uuid))


async def erase(request: web.Request) -> web.Response:
    """Erase all that is kept of a task."""
    force = Query(request, "force").word("force", ("true", "false")) == "true"
    task_uuid = path_uuid(request, "task")
    await request.app[DEPS].erase.task(request[TENANT], task_uuid, force=force)
    return web.Response(status=204)


async def retry(request: web.Request) -> web.Response:
    """Make a new task of the same request, or show the one that was made."""
    Query(request)
    task_uuid = path_uuid(request, "task")
    key = idempotency_key(request)
    options = parse_body(RetryOptions, await optional_json_body(request))
    tenant = request[TENANT]
    answer = await request.app[DEPS].operate.retry(
        tenant,
        task_uuid,
        again=options.again,
        force=options.force,
        scope=scope(tenant, "POST", f"/v1/tasks/{task_uuid}/retry", key),
    )
    return answered(answer)


def idempotency_key(request: web.Request) -> str | None:
    """Read the Idempotency-Key; raises Malformed for one that is none."""
    given = request.headers.getall("Idempotency-Key", [])
    if not given:
        return None
    if len(given) > 1 or not _VISIBLE.fullmatch(given[0]):
        raise Malformed("An Idempotency-Key is 1 to 255 visible ASCII characters, given once.")
    return given[0]


def answered(answer: Answer) -> web.Response:
    """Answer what was done, or what was answered before."""
    headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
    if answer.location is not None:
        headers["Location"] = answer.location
    return json_bytes(answer.body, status=answer.status, headers=headers)


def _entry(row: Row) -> dict[str, object]:
    detail: dict[str, object] = orjson.loads(cut_tokens(row["detail"]))
    if row["kind"] == "transition":
        detail = {"from": row["from_state"], "to": row["to_state"], **detail}
    elif row["kind"] == "delivery":
        detail["target"] = target_name(detail.pop("kind"), detail.pop("url"))
    return {"at": row["at"], "kind": row["kind"], "name": row["name"], "detail": detail}
