"""Accounts of providers: show, pause, resume. They are made on the command line, where keys are not sent around."""

import re

from aiohttp import web

from schemas.api.accounts import AccountPause
from schemas.api.tasks import ACCOUNT_NAME
from service.core.errors import NotFound
from service.flows.accounts import NOT_THERE, AccountName, named
from service.web.answers import Row, json_of
from service.web.body import optional_json_body
from service.web.keys import DEPS
from service.web.query import Query
from service.wire.accounts import account_view
from service.wire.api import parse_body


async def every(request: web.Request) -> web.Response:
    """List all accounts, by provider and name."""
    Query(request)
    rows = await request.app[DEPS].accounts.list_all()
    return json_of({"items": [_shown(request, row) for row in rows], "nextCursor": None})


async def show(request: web.Request) -> web.Response:
    """Show an account."""
    Query(request)
    row = await request.app[DEPS].accounts.show(_named(request))
    return json_of(_shown(request, row))


async def pause(request: web.Request) -> web.Response:
    """Pause an account until it is resumed."""
    Query(request)
    name = _named(request)
    given = parse_body(AccountPause, await optional_json_body(request))
    row = await request.app[DEPS].accounts.hold(name, given.reason)
    return json_of(_shown(request, row))


async def resume(request: web.Request) -> web.Response:
    """Let an account send again, whatever paused it."""
    Query(request)
    row = await request.app[DEPS].accounts.resume(_named(request))
    return json_of(_shown(request, row))


def _named(request: web.Request) -> AccountName:
    provider, account = request.match_info["provider"], request.match_info["account"]
    if provider not in request.app[DEPS].upstreams or not re.fullmatch(ACCOUNT_NAME, account):
        raise NotFound(NOT_THERE)
    return named(provider, account)


def _shown(request: web.Request, row: Row) -> dict[str, object]:
    upstream = request.app[DEPS].upstreams[row["provider"]]
    return account_view(row, has_key=upstream.knows(row["account"]))
