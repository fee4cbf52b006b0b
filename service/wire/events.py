"""Events as bytes: the data is made once, the envelope is a pure function of what was stored."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import orjson

from service.core.event import StoredEvent
from service.core.task import Card, Task
from service.wire.api import result_view, rfc3339, task_view

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"


def event_data(event_type: str, task: Task, card: Card, result_index: int | None) -> bytes:
    """Make the data of an event, without the request; of `video.*` about one result."""
    if result_index is None:
        if event_type.startswith("video."):
            raise ValueError(f"{event_type} is about a result")
        return orjson.dumps(task_view(task, card, with_request=False, waiting_for=None))
    about = {
        "taskUUID": str(task.task_uuid),
        "provider": task.provider,
        "model": task.model,
        "labels": dict(card.labels),
        "metadata": orjson.Fragment(card.metadata),
    }
    return orjson.dumps({"task": about, "result": result_view(task.results[result_index])})


def with_request(data: bytes, request: bytes) -> bytes:
    """Add the request to the data of a `task.*` event; all other bytes stay as they are."""
    return data.removesuffix(b"}") + b',"request":' + request + b"}"


def disabled_data(row: Mapping[str, Any], status: int | None, error: str | None) -> bytes:
    """Make the data of `subscription.disabled`; `status` and `error` are of the last attempt."""
    return orjson.dumps(
        {
            "subscriptionId": str(row["id"]),
            "kind": row["kind"],
            "url": row["url"],
            "description": row["description"],
            "reason": row["disabled_reason"],
            "failingSince": None if row["failing_since"] is None else rfc3339(row["failing_since"]),
            "disabledAt": rfc3339(row["disabled_at"]),
            "lastStatus": status,
            "lastError": error,
        }
    )


def tombstone(task_uuid: UUID) -> bytes:
    """Make the data that stays of the events of an erased task."""
    return orjson.dumps({"taskUUID": str(task_uuid), "erased": True})


def attributes(event: StoredEvent, dataref: str | None = None) -> dict[str, str]:
    """Give the CloudEvents attributes of an event, all of them strings, in the order they are written.

    `sequence` is padded: that extension wants strings whose order as text is their order. `dataref` is
    where the whole data is, for an event that does not carry it.
    """
    found = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": event.source,
        "type": event.type,
        "subject": str(event.subject),
        "time": rfc3339(event.time),
        "sequence": f"{event.sequence:010d}",
        "datacontenttype": "application/json",
    }
    return found if dataref is None else found | {"dataref": dataref}


def envelope(event: StoredEvent, dataref: str | None = None) -> bytes:
    """Write a CloudEvents 1.0 event in its JSON format; the data's bytes are in it as they are.

    Empty data is left out: a claim check, whose data is at `dataref`.
    """
    data = {"data": orjson.Fragment(event.data)} if event.data else {}
    return orjson.dumps(attributes(event, dataref) | data)
