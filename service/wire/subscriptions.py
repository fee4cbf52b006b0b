"""A subscription's row to the JSON that is shown, and to the body that would make it again."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Protocol

from schemas.api.subscription_fields import DEFAULT_BATCH, HIDDEN
from service.core.signing import format_public_key
from service.wire.api import rfc3339

BATCHED: Final = "batched"
Document = dict[str, Any]


class Row(Protocol):
    """A row of a subscription."""

    def __getitem__(self, key: str, /) -> Any:
        """Give a column."""
        ...


def subscription_view(row: Row) -> dict[str, object]:
    """Show a subscription; what is sealed stays where it is."""
    public = row["public_key"]
    batched = row["format"] == BATCHED
    return {
        "id": str(row["id"]),
        "kind": row["kind"],
        "url": row["url"],
        "settings": json.loads(row["settings"]),
        "description": row["description"],
        "types": list(row["types"]),
        "provider": row["provider"],
        "model": row["model"],
        "labels": json.loads(row["labels"]),
        "condition": row["condition"],
        "format": row["format"],
        "batchSize": (row["batch_size"] or DEFAULT_BATCH) if batched else None,
        "headers": dict.fromkeys(row["header_names"], HIDDEN),
        "signatures": _schemes(row),
        "publicKey": None if public is None else format_public_key(public),
        "concurrency": row["concurrency"],
        "ratePerMinute": row["rate_per_minute"],
        "timeoutSeconds": row["timeout_s"],
        "includeRequest": row["include_request"],
        "handshake": row["handshake"],
        "enabled": row["enabled"],
        "disabledReason": row["disabled_reason"],
        "disabledAt": _time(row["disabled_at"]),
        "failingSince": _time(row["failing_since"]),
        "createdAt": rfc3339(row["created_at"]),
        "updatedAt": rfc3339(row["updated_at"]),
    }


def document(row: Row, credentials: Mapping[str, Any] | None) -> Document:
    """Write the body that makes a subscription as it is, for a merge patch; values of headers stay hidden.

    What has its default, or what its kind does not have, is left out.
    """
    shown = subscription_view(row)
    of_creation = {
        *("kind", "url", "settings", "description", "types", "provider", "model", "labels"),
        *("condition", "format", "batchSize", "headers", "signatures", "concurrency"),
        *("ratePerMinute", "timeoutSeconds", "includeRequest", "handshake", "enabled"),
    }
    body = {k: v for k, v in shown.items() if k in of_creation and v not in (None, {}, [])}
    return body | ({} if credentials is None else {"credentials": dict(credentials)})


def merged(body: Document, patch: Mapping[str, Any]) -> Document:
    """Apply a JSON merge patch (RFC 7396) to such a body.

    Two mercies: names of headers are the same in upper and lower case, and a batch size leaves with the format that
    has one, unless the patch names it.
    """
    given = patch.get("headers")
    if isinstance(given, Mapping) and "headers" in body:
        again = {str(name).lower() for name in given}
        kept = body["headers"]
        hidden = {n: v for n, v in given.items() if v == HIDDEN and n.lower() in _lower(kept)}
        body = body | {
            "headers": {n: v for n, v in kept.items() if n.lower() not in again} | hidden
        }
    merged_body: Document = _merge(body, patch)
    if merged_body.get("format") != BATCHED and "batchSize" not in patch:
        merged_body.pop("batchSize", None)
    return merged_body


def _merge(target: object, patch: object) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    found: Document = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = _merge(found.get(name), value)
    return found


def _lower(names: Mapping[str, object]) -> set[str]:
    return {name.lower() for name in names}


def _schemes(row: Row) -> list[str]:
    if row["secret"] is None:
        return []
    return ["v1"] if row["signing_key"] is None else ["v1", "v1a"]


def _time(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(at)
