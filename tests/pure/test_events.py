"""Events: their data, their envelope, and who wants them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import orjson
import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from schemas.api.events import EventPage
from schemas.api.subscription_fields import EventPattern
from schemas.events.data import EVENTS
from service.core.batch import Batch, Progress
from service.core.event import EVENT_TYPES, FAMILIES, StoredEvent, matches
from service.core.fault import Fault
from service.core.states import ResultState, State
from service.core.task import Card, Result, Task, Video
from service.wire.api import page_bytes
from service.wire.batches import batch_view
from service.wire.events import CONTENT_TYPE, envelope, event_data, with_request

NOW = datetime(2026, 3, 1, 12, 0, 0, 999999, tzinfo=UTC)
TASK = Task(
    task_uuid=UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e"),
    tenant="default",
    provider="sync",
    account="default",
    model="sync-3",
    state=State.COMPLETED,
    results_expected=1,
    results=(
        Result(0, ResultState.COMPLETED, Video("v-0", "https://example.com/0.mp4"), None, NOW),
        Result(1, ResultState.FAILED, None, Fault("deadline", "Too late."), NOW),
        Result(2, ResultState.LATE, Video("v-2", None), None, NOW),
    ),
    created_at=NOW,
    start_by=NOW + timedelta(days=7),
    deadline_seconds=3600,
    finished_at=NOW,
)
METADATA = b'{"big":123456789012345678901234567890,"price":1.10}'
CARD = Card({"project": "spring"}, METADATA, request=b'{"model":"sync-3","seed":1e2}')
RESULT_OF = {
    "video.completed": 0,
    "video.failed": 1,
    "video.late": 2,
    "video.archived": 0,
    "video.archive_failed": 0,
}
OF_TASKS = [t for t in EVENT_TYPES if t.startswith(("task.", "video."))]


def stored(event_type: str, data: bytes) -> StoredEvent:
    event_id = UUID("11111111-2222-4333-8444-555555555555")
    return StoredEvent(event_id, "https://cb.example", event_type, TASK.task_uuid, NOW, 7, data)


def data_of(event_type: str) -> bytes:
    return event_data(event_type, TASK, CARD, RESULT_OF.get(event_type))


def test_types_are_the_same_everywhere() -> None:
    assert tuple(EVENTS) == EVENT_TYPES
    others = {"callboard.test"}
    ahead = {"subscription.*", "subscription.disabled"}
    assert set(get_args(EventPattern)) == set(FAMILIES) | set(EVENT_TYPES) - others | ahead
    assert set(FAMILIES) == {"*"} | {t.partition(".")[0] + ".*" for t in set(EVENT_TYPES) - others}
    finals = {f"task.{s.value}" for s in State if TASK.finished_at and replace(TASK, state=s).final}
    assert finals | {"task.processing"} == {t for t in EVENT_TYPES if t.startswith("task.")}


@pytest.mark.parametrize("event_type", OF_TASKS)
def test_every_event_fits_its_model(event_type: str) -> None:
    body = envelope(stored(event_type, data_of(event_type)))
    event = EVENTS[event_type].model_validate_json(body)
    assert event.subject == TASK.task_uuid
    page = EventPage.model_validate_json(page_bytes([body], "next"))
    assert type(page.items[0]) is EVENTS[event_type]


def test_data_of_a_task_event_is_the_task_without_its_request() -> None:
    data = json.loads(data_of("task.completed"))
    assert data["taskUUID"] == str(TASK.task_uuid)
    assert [r["state"] for r in data["results"]] == ["completed", "failed", "late"]
    assert "request" not in data


def test_data_of_a_video_event_is_its_task_in_short_and_its_result() -> None:
    data = json.loads(data_of("video.late"))
    assert list(data) == ["task", "result"]
    assert list(data["task"]) == ["taskUUID", "provider", "model", "labels", "metadata"]
    assert data["task"]["labels"] == {"project": "spring"}
    assert data["result"]["videoUUID"] == "v-2"


def test_video_event_without_a_result_is_our_bug() -> None:
    with pytest.raises(ValueError, match="about a result"):
        event_data("video.completed", TASK, CARD, None)


def test_the_event_of_a_batch_fits_its_model_and_counts_every_state() -> None:
    batch = Batch(TASK.task_uuid, "default", 3, NOW, NOW)
    data = orjson.dumps(
        batch_view(batch, Progress({State.COMPLETED: 2, State.TIMED_OUT: 1}, Decimal("1.30")))
    )
    event = EVENTS["batch.completed"].model_validate_json(envelope(stored("batch.completed", data)))
    assert event.subject == batch.id
    assert json.loads(data)["cost"] == 1.3
    counts = json.loads(data)["counts"]
    assert set(counts) == {s.value for s in State}
    assert {s for s, n in counts.items() if n} == {"completed", "timed_out"}


@pytest.mark.parametrize("event_type", OF_TASKS)
def test_metadata_and_data_are_in_the_envelope_byte_for_byte(event_type: str) -> None:
    data = data_of(event_type)
    assert METADATA in data
    assert envelope(stored(event_type, data)).endswith(b'"data":' + data + b"}")


def test_envelope_is_the_same_each_time() -> None:
    event = stored("task.completed", b'{"a": 1.10 }')
    assert envelope(event) == envelope(event)
    assert envelope(event) == (
        b'{"specversion":"1.0","id":"11111111-2222-4333-8444-555555555555",'
        b'"source":"https://cb.example","type":"task.completed",'
        b'"subject":"6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e","time":"2026-03-01T12:00:00.999Z",'
        b'"sequence":"0000000007","datacontenttype":"application/json","data":{"a": 1.10 }}'
    )


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1))
def test_order_of_sequences_as_text_is_their_order(one: int, other: int) -> None:
    texts = [
        json.loads(envelope(replace(stored("task.failed", b"{}"), sequence=n)))["sequence"]
        for n in (one, other)
    ]
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)


def test_request_is_added_byte_for_byte_where_it_is_wanted() -> None:
    data = data_of("task.completed")
    wider = with_request(data, CARD.request)
    assert wider.startswith(data[:-1])
    assert wider.endswith(b',"request":{"model":"sync-3","seed":1e2}}')
    EVENTS["task.completed"].model_validate_json(envelope(stored("task.completed", wider)))


@pytest.mark.parametrize("event_type", OF_TASKS)
def test_cloudevents_library_reads_what_we_make(event_type: str) -> None:
    data = data_of(event_type)
    message = HTTPMessage({"content-type": CONTENT_TYPE}, envelope(stored(event_type, data)))
    event = from_structured(message, JSONFormat(), CloudEvent)
    assert event.get_specversion() == "1.0"
    assert event.get_type() == event_type
    assert event.get_id() == "11111111-2222-4333-8444-555555555555"
    assert event.get_source() == "https://cb.example"
    assert event.get_subject() == str(TASK.task_uuid)
    assert event.get_extension("sequence") == "0000000007"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_time() == NOW.replace(microsecond=999000)
    read: Any = event.get_data()
    assert read == json.loads(data)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_star_family_and_name_take_an_event(event_type: str) -> None:
    family = event_type.partition(".")[0]
    for pattern in ("*", f"{family}.*", event_type):
        assert matches(["other", pattern], event_type)


@pytest.mark.parametrize(
    "pattern",
    ["video.*", "task", "task.", "task.fail*", "task.failed.x", "", "t*", "TASK.*", "*.*"],
)
def test_other_patterns_do_not_take_it(pattern: str) -> None:
    assert not matches([pattern], "task.failed")


def test_no_pattern_takes_nothing() -> None:
    assert not matches([], "task.failed")
