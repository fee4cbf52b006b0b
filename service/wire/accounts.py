"""An account's row to the JSON that is shown."""

import json
from typing import Any, Literal, Protocol

from service.wire.api import rfc3339

ENVIRONMENTS = "default"
"""The account whose key and limits are settings."""
AccountState = Literal["active", "paused", "probing", "held"]


class Row(Protocol):
    """A row of the list of accounts."""

    def __getitem__(self, key: str, /) -> Any:
        """Give a column."""
        ...


def account_view(row: Row, *, has_key: bool) -> dict[str, object]:
    """Show an account; what is sealed stays where it is."""
    until = row["paused_until"]
    waits = until is not None and until > row["now"]
    return {
        "provider": row["provider"],
        "account": row["account"],
        "state": state_of(row),
        "hasKey": has_key,
        "concurrency": row["concurrency"],
        "slotsTaken": row["taken"],
        "submitsPerMinute": row["per_minute"],
        "readsPerMinute": row["reads_per_minute"],
        "weight": row["weight"],
        "pausedUntil": rfc3339(until) if waits else None,
        "pausedFor": None if row["paused_for"] is None else json.loads(row["paused_for"]),
        "heldFor": row["held_for"],
        "source": "environment" if row["account"] == ENVIRONMENTS else "database",
        "createdAt": rfc3339(row["created_at"]),
    }


def state_of(row: Row) -> AccountState:
    """Say how an account is.

    While one task goes ahead after a pause, nothing else is sent until its lease ends: that looks like a pause,
    but for the place that was taken since.
    """
    if row["held_for"] is not None:
        return "held"
    if row["pauses"] == 0:
        return "active"
    ahead = row["taken_at"] is not None and row["taken_at"] > row["paused_since"]
    return "probing" if ahead or row["paused_until"] <= row["now"] else "paused"
