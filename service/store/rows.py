"""Rows to values of `core`, and back to what a statement takes."""

import json
import re
from collections.abc import Iterable, Mapping
from uuid import UUID

from service.core.fault import Fault, FaultKind
from service.core.media import read_archive
from service.core.states import ResultState, State
from service.core.task import Card, Result, Task, Video
from service.store.pool import Record

_TASK_FIELDS = (
    *("task_uuid", "tenant", "provider", "account", "model", "results_expected", "created_at"),
    *("start_by", "deadline_seconds", "deadline_at", "first_sent_at", "sent_at", "submitted_at"),
    *("finished_at", "attempts", "unknown", "resend_at", "read_empty_at", "upstream_id", "polls"),
    *("settled_since", "vague_polls", "vague_since", "look_again_at", "lease_no", "lease_until"),
    *("slot_since", "event_sequence", "pinned", "archives", "hold_s", "hold_over_at", "batch_id"),
)

_NUL = re.compile(r"(\\\\)|\\u0000")
"""NUL as JSON escapes it; an escaped backslash before `u0000` is none, and stays."""


def fault_json(fault: Fault | None) -> str | None:
    """Write a fault for a jsonb column."""
    if fault is None:
        return None
    return json_text({"code": fault.code, "message": fault.message, "kind": fault.kind.value})


def json_text(value: object) -> str:
    """Write JSON that a jsonb column takes; NUL is left out."""
    return without_nul(json.dumps(value, ensure_ascii=False))


def without_nul(text: str) -> str:
    """Leave NUL out of JSON text: no jsonb can hold one."""
    return _NUL.sub(r"\1", text) if "\\u0000" in text else text


def fault_of(text: str | None) -> Fault | None:
    """Read a fault back."""
    if text is None:
        return None
    raw = json.loads(text)
    return Fault(raw["code"], raw["message"], FaultKind(raw["kind"]))


def task_of(row: Record, results: Iterable[Result]) -> Task:
    """Make a task of its row and its results."""
    fields = {name: row[name] for name in _TASK_FIELDS}
    return Task(
        **fields, state=State(row["state"]), results=tuple(results), error=fault_of(row["error"])
    )


def result_of(row: Record) -> Result:
    """Make a result of its row."""
    video = None
    if row["video_uuid"] is not None:
        video = Video(row["video_uuid"], row["video_url"], row["seed"], row["cost"], row["nsfw"])
    return Result(
        row["index"],
        ResultState(row["state"]),
        video,
        fault_of(row["error"]),
        row["settled_at"],
        row["hold_until"],
        read_archive(row["archive"]),
    )


def card_of(row: Record, request: str = "") -> Card:
    """Make a card of its row."""
    return Card(
        labels=json.loads(row["labels"]),
        metadata=row["metadata"].encode(),
        warnings=tuple(row["warnings"]),
        request=request.encode(),
        retry_of=row["retry_of"],
        notify_url=row["notify_url"],
        priority=row["priority"],
        archive=row["archive"],
        fallback=row["fallback"],
        fallback_of=row["fallback_of"],
        fallback_task=row["fallback_task"],
    )


def group_results(rows: Iterable[Record]) -> Mapping[UUID, list[Result]]:
    """Sort result rows by their task."""
    groups: dict[UUID, list[Result]] = {}
    for row in rows:
        groups.setdefault(row["task_uuid"], []).append(result_of(row))
    return groups
