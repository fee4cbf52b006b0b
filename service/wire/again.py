"""Deliveries and replays as they are shown, ready for orjson."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from service.core.delivery_id import encode
from service.core.lanes import host_of
from service.wire.api import rfc3339
from service.wire.cut import cut


class Row(Protocol):
    """A row of the database."""

    def __getitem__(self, key: str, /) -> Any:
        """Give a column."""
        ...


def delivery_view(row: Row) -> dict[str, object]:
    """Show a delivery. Of a notifyURL only its host: the rest of it may be a secret."""
    return {
        "id": encode(row["created_at"], row["id"]),
        "event": {
            "id": str(row["event_id"]),
            "type": row["type"],
            "time": rfc3339(row["created_at"]),
        },
        "subject": str(row["task_uuid"]),
        "subscription": _text(row["subscription_id"]),
        "notifyHost": None if row["notify_url"] is None else host_of(row["notify_url"]),
        "state": row["state"],
        "attempts": row["attempts"],
        "nextAttemptAt": _time(row["next_at"]) if row["state"] == "pending" else None,
        "lastStatus": row["status"],
        "lastError": row["error"],
        "replay": _text(row["replay_id"]),
        "createdAt": rfc3339(row["created_at"]),
        "finishedAt": _time(row["finished_at"]),
    }


def attempt_view(row: Row) -> dict[str, object]:
    """Show an attempt, with the beginning of what the target answered as text."""
    return {
        "no": row["no"],
        "at": rfc3339(row["at"]),
        "durationMs": row["duration_ms"],
        "status": row["status"],
        "error": row["error"],
        "address": row["address"],
        "response": cut(row["response"].decode("utf-8", "replace")),
    }


def target_name(kind: object, url: object) -> str:
    """Name a target for people: the host of its URL, which may hold a secret further on, or its kind."""
    return host_of(url) if isinstance(url, str) else str(kind)


def replay_view(row: Row, counts: Mapping[str, int]) -> dict[str, object]:
    """Show a replay; `counts` say how the deliveries stand that it queued."""
    types: Sequence[str] | None = row["types"]
    return {
        "id": str(row["id"]),
        "subscription": str(row["subscription_id"]),
        "request": {
            "since": rfc3339(row["since"]),
            "until": rfc3339(row["until"]),
            "state": row["wanted"],
            "types": None if types is None else list(types),
            "ratePerSecond": row["rate"],
        },
        "state": row["state"],
        "canceledBy": row["canceled_by"],
        "reachedAt": rfc3339(row["at"]),
        "matched": row["matched"],
        "queued": row["queued"],
        "skipped": row["skipped"],
        **counts,
        "createdAt": rfc3339(row["created_at"]),
        "finishedAt": _time(row["finished_at"]),
    }


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
