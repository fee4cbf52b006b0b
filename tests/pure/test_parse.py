"""What receivers read: every format, hostile bytes, and events of a Callboard that is newer than their package."""

import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import export
from schemas.cloudevents import CloudEventError
from schemas.events.data import EVENTS, Erased, VideoCompleted
from schemas.events.envelope import ClaimCheck
from schemas.parse import PlainEvent, parse_event, parse_events, typed
from schemas.receive import receive
from schemas.verify import VerificationError
from service.core.event import StoredEvent
from service.core.signing import sign_v1
from service.wire.events import envelope
from service.wire.formats import BATCH_CONTENT_TYPE, batch, render
from tests.support.deliveries import PUBLIC_KEY, RAW_SECRET, SECRET, STYLES, video_completed
from tests.support.from_schema import example_of

EVENT = video_completed({"order": 7})
NOW = 1614265330


def signed(body: bytes, message_id: str = str(EVENT.id), **headers: str) -> dict[str, str]:
    """Give headers, `_` for `-`, with a signature of now."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return named | {
        "webhook-id": message_id,
        "webhook-timestamp": str(NOW),
        "webhook-signature": sign_v1([RAW_SECRET], message_id, NOW, body),
    }


def written(style: str, event: StoredEvent = EVENT) -> tuple[dict[str, str], bytes]:
    rendered = render(style, event)
    headers = {"Content-Type": rendered.content_type, **rendered.headers}
    return headers | signed(rendered.body), rendered.body


def as_read(event: StoredEvent = EVENT) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(envelope(event))
    return read


@pytest.mark.parametrize("style", [s for s in STYLES if s != "standard"])
def test_every_format_that_is_cloudevents_is_the_same_typed_event(style: str) -> None:
    event = parse_event(*written(style), SECRET, now=NOW)
    assert isinstance(event, VideoCompleted)
    assert event.id == EVENT.id
    assert event.data.result.videoURL == "https://video.example/0.mp4"
    assert event == EVENTS["video.completed"].model_validate_json(envelope(EVENT))


def test_a_standard_body_is_a_plain_event_with_the_id_that_was_signed() -> None:
    event = parse_event(*written("standard"), SECRET, now=NOW)
    assert isinstance(event, PlainEvent)
    assert (event.id, event.type) == (str(EVENT.id), "video.completed")
    assert event.time == EVENT.time
    assert event.data["result"]["videoURL"] == "https://video.example/0.mp4"
    assert (event.source, event.sequence) == (None, None)


def test_a_batch_is_its_events_in_their_order() -> None:
    events = [replace(EVENT, id=uuid4()) for _ in range(3)]
    body = batch([envelope(event) for event in events])
    headers = signed(body, content_type=BATCH_CONTENT_TYPE)
    assert [e.id for e in parse_events(headers, body, SECRET, now=NOW)] == [e.id for e in events]
    with pytest.raises(CloudEventError, match="batch of 3 events"):
        parse_event(headers, body, SECRET, now=NOW)


def test_the_secret_may_be_a_list_and_headers_may_be_pairs_that_can_be_read_once() -> None:
    headers, body = written("binary")
    pairs = ((name.upper().encode(), value.encode()) for name, value in headers.items())
    assert receive(pairs, body, [SECRET, "whsec_" + "A" * 32], now=NOW) == [
        as_read() | {"datacontenttype": "application/json"}
    ]


@pytest.mark.parametrize("style", STYLES)
def test_only_what_is_signed_now_is_read(style: str) -> None:
    headers, body = written(style)
    for bad in (
        (headers | {"webhook-id": str(uuid4())}, body, NOW),
        (headers, body + b" ", NOW),
        (headers, body, NOW + 301),
    ):
        with pytest.raises(VerificationError):
            parse_events(bad[0], bad[1], SECRET, now=bad[2])
    with pytest.raises(VerificationError):
        parse_events(headers, body, public_keys=PUBLIC_KEY, now=NOW)


def test_a_captured_binary_delivery_cannot_pass_for_another_event() -> None:
    headers, body = written("binary")
    with pytest.raises(VerificationError, match="ce-id") as caught:
        receive(headers | {"ce-id": str(uuid4())}, body, SECRET, now=NOW)
    assert caught.value.reason == "no_match"


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"type":1}', b"1", b"[" * 100_000, b"null"]
)
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/cloudevents+json", "application/cloudevents"]
)
def test_what_is_signed_and_no_event_is_the_other_error(body: bytes, content_type: str) -> None:
    with pytest.raises(CloudEventError):
        receive(signed(body, content_type=content_type), body, SECRET, now=NOW)


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
def test_whatever_comes_raises_nothing_but_the_two_errors(
    body: bytes, headers: dict[str, str]
) -> None:
    for given_headers in (headers, headers | signed(body)):
        try:
            parse_events(given_headers, body, SECRET, now=NOW)
        except (VerificationError, CloudEventError):
            continue


def _with_new_fields(value: Any) -> Any:
    """Add a field to every object; labels and metadata are their owner's."""
    if isinstance(value, dict):
        fields = {
            k: v if k in {"labels", "metadata"} else _with_new_fields(v) for k, v in value.items()
        }
        return fields | {"isNew": {"a": [1]}}
    return [_with_new_fields(v) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", EVENTS)
def test_new_fields_anywhere_are_kept_and_the_event_stays_typed(name: str) -> None:
    schema = export.schema_of(EVENTS[name])
    event = example_of(schema) | {"sequence": "0000000001"}
    assert type(typed(event)) is EVENTS[name]
    newer = _with_new_fields(event) | {"isnew": "text"}
    read = typed(newer)
    assert type(read) is EVENTS[name]
    assert read.model_extra == {"isnew": "text", "isNew": {"a": [1]}}
    # What we send and accept stays strict.
    with pytest.raises(ValidationError):
        EVENTS[name].model_validate(newer)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "task.paused"},
        {"subject": "not-a-uuid"},
        {"data": {"unlike": "before"}},
        {"data": None},
        {"data": [1, 2]},
        {"sequence": "12"},
        {"datacontenttype": "application/cbor"},
        {"time": "2016-12-31T23:59:60Z"},
    ],
    ids=json.dumps,
)
def test_what_no_model_fits_is_a_plain_event_with_all_that_came(changes: dict[str, Any]) -> None:
    event = typed(as_read() | changes)
    assert isinstance(event, PlainEvent)
    assert event.id == str(EVENT.id)
    for name in changes.keys() - {"time"}:
        assert getattr(event, name) == changes[name]


def test_a_state_that_is_new_makes_the_event_plain_and_breaks_nothing() -> None:
    read = as_read()
    read["data"]["result"]["state"] = "archived"
    event = typed(read)
    assert isinstance(event, PlainEvent)
    assert event.data["result"]["state"] == "archived"


def test_events_without_their_data_say_so_by_their_class() -> None:
    read = as_read()
    del read["data"]
    claim = typed(read | {"dataref": "https://cb.example/v1/events/1/data"})
    assert isinstance(claim, ClaimCheck)
    assert claim.dataref.endswith("/data")
    assert isinstance(typed(read), PlainEvent)
    gone = {"data": {"taskUUID": read["subject"], "erased": True}}
    assert isinstance(typed(read | gone), Erased)


def test_what_has_no_id_is_no_event() -> None:
    read = as_read()
    del read["id"]
    with pytest.raises(ValidationError):
        typed(read)


def test_without_a_clock_the_time_is_that_of_now() -> None:
    body, sent_at = envelope(EVENT), int(time.time())
    headers = {
        "content-type": "application/cloudevents+json",
        "webhook-id": str(EVENT.id),
        "webhook-timestamp": str(sent_at),
        "webhook-signature": sign_v1([RAW_SECRET], str(EVENT.id), sent_at, body),
    }
    assert parse_event(headers, body, SECRET).type == "video.completed"
