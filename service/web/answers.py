"""What is answered: JSON bytes with their headers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

import orjson
from aiohttp import web

from service.wire.api import rfc3339


class Row(Protocol):
    """A row of the database, as flows hand it up to be shown."""

    def __getitem__(self, key: str, /) -> Any:
        """Give a column."""
        ...


def json_bytes(
    body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with bytes that are JSON already."""
    return web.Response(
        body=body, status=status, headers=headers, content_type="application/json", charset=None
    )


def json_of(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a value that orjson can write; times as RFC 3339."""
    body = orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME)
    return json_bytes(body, status=status, headers=headers)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
