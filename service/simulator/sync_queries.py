"""What stands in the queries of Sync's lists and reads."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from multidict import MultiMapping

from service.simulator.sync_refusals import bad_request

LONGEST_WAIT_SECONDS, LARGEST_PAGE = 10, 100


def wait_seconds(query: MultiMapping[str]) -> int | None:
    """Return how long a read may wait for the end; None where it was not asked to."""
    text = query.get("timeout", "5")
    seconds = _whole(text, LONGEST_WAIT_SECONDS)
    if seconds is None:
        raise bad_request("timeout must be 1 to 10")
    if query.get("wait") != "true":
        return None
    if "progress" in several(query, "include"):
        raise bad_request("wait cannot be combined with include=progress")
    return seconds


def several(query: MultiMapping[str], name: str) -> set[str]:
    """Read a filter as the two SDKs send it: repeated or comma-separated words, or JSON text."""
    words: set[str] = set()
    for text in query.getall(name, []):
        try:
            value = json.loads(text)
        except ValueError:
            value = text.split(",")
        words.update(map(str, value if isinstance(value, list) else [value]))
    return words - {""}


def page(items: list[Any], limit: int | None, cursor: str | None) -> list[Any]:
    """Cut out what follows the item that `cursor` names; without a limit there are no pages."""
    if limit is None:
        if cursor is not None:
            raise bad_request("cursor requires limit")
        return items
    start = 0
    if cursor is not None:
        start = next((i + 1 for i, item in enumerate(items) if item["id"] == cursor), len(items))
    return items[start : start + limit]


def limit_of(query: MultiMapping[str]) -> int | None:
    """Return the size of a page, if there is to be one."""
    text = query.get("limit")
    if text is None:
        return None
    limit = _whole(text, LARGEST_PAGE)
    if limit is None:
        raise bad_request("limit must be 1 to 100")
    return limit


def instant(query: MultiMapping[str], name: str) -> datetime | None:
    """Return a time in ISO 8601, UTC where it does not say; None if it is not given."""
    text = query.get(name)
    if text is None:
        return None
    try:
        value = datetime.fromisoformat(text)
    except ValueError as error:
        raise bad_request([f"{name} must be a valid ISO 8601 date string"]) from error
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _whole(text: str, largest: int) -> int | None:
    """Read a number from 1 to `largest`; None if it is not one."""
    good = re.fullmatch(r"[0-9]{1,9}", text) and 1 <= int(text) <= largest
    return int(text) if good else None
