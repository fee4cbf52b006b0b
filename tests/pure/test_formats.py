"""The formats of deliveries: what they hold, that they never change, and what is too large."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import unquote
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events.data import EVENTS
from schemas.events.envelope import ClaimCheck
from service.core.event import EVENT_TYPES, StoredEvent
from service.wire.events import CONTENT_TYPE, envelope, with_request
from service.wire.formats import (
    BATCH_CONTENT_TYPE,
    Rendered,
    batch,
    percent_encoded,
    render,
    slim,
)
from tests.pure.test_events import CARD, METADATA, TASK, data_of

NOW = datetime(2026, 3, 1, 12, 0, 0, 999999, tzinfo=UTC)
EVENT = StoredEvent(
    id=UUID("11111111-2222-4333-8444-555555555555"),
    source="https://cb.example",
    type="task.completed",
    subject=TASK.task_uuid,
    time=NOW,
    sequence=7,
    data=b'{"a": 1.10 }',
)
STYLES = ("structured", "binary", "standard", "batched")
BASE = "https://board.example"
DATAREF = f"{BASE}/v1/events/{EVENT.id}/data"
LONG = b'{"note":"' + b"x" * 300 + b'"}'
VIDEO = replace(
    EVENT, type="video.completed", data=data_of("video.completed").replace(METADATA, LONG)
)
WHOLE = replace(EVENT, data=with_request(data_of("task.completed"), CARD.request))

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
events = st.builds(
    StoredEvent,
    id=st.uuids(version=4),
    source=texts,
    type=st.sampled_from(EVENT_TYPES),
    subject=st.uuids(version=4),
    time=st.integers(0, 10**11).map(lambda s: datetime.fromtimestamp(s, UTC)),
    sequence=st.integers(0, 2**31 - 1),
    data=st.builds(orjson.dumps, st.dictionaries(texts, texts | st.none() | st.floats())),
)


def test_structured_is_the_envelope() -> None:
    assert render("structured", EVENT) == Rendered(envelope(EVENT), CONTENT_TYPE)


def test_binary_is_the_data_with_every_attribute_in_a_header() -> None:
    assert render("binary", EVENT) == Rendered(
        b'{"a": 1.10 }',
        "application/json",
        {
            "ce-specversion": "1.0",
            "ce-id": "11111111-2222-4333-8444-555555555555",
            "ce-source": "https://cb.example",
            "ce-type": "task.completed",
            "ce-subject": str(TASK.task_uuid),
            "ce-time": "2026-03-01T12:00:00.999Z",
            "ce-sequence": "0000000007",
        },
    )


def test_standard_is_type_timestamp_and_data_as_it_is() -> None:
    body = b'{"type":"task.completed","timestamp":"2026-03-01T12:00:00.999Z","data":{"a": 1.10 }}'
    assert render("standard", EVENT) == Rendered(body, "application/json")


def test_batch_is_an_array_of_envelopes_in_their_order() -> None:
    other = envelope(replace(EVENT, sequence=8))
    assert batch([]) == b"[]"
    assert batch([envelope(EVENT), other]) == b"[" + envelope(EVENT) + b"," + other + b"]"
    assert render("batched", EVENT) == Rendered(b"[" + envelope(EVENT) + b"]", BATCH_CONTENT_TYPE)


@pytest.mark.parametrize("style", ["", "Binary", "xml"])
def test_another_format_is_our_bug(style: str) -> None:
    with pytest.raises(ValueError, match="no format"):
        render(style, EVENT)


@given(st.sampled_from(STYLES), events, st.none() | st.integers(0, 500))
def test_bytes_are_the_same_on_every_attempt(
    style: str, event: StoredEvent, most: int | None
) -> None:
    again = replace(event, data=bytes(bytearray(event.data)), source="".join(event.source))
    first, second = (slim(style, e, most, BASE) for e in (event, again))
    assert first == second
    assert list(first.headers) == list(second.headers)


@given(events)
def test_every_format_says_the_same(event: StoredEvent) -> None:
    whole = json.loads(render("structured", event).body)
    assert json.loads(render("batched", event).body) == [whole]
    standard = json.loads(render("standard", event).body)
    assert standard == {
        "type": whole["type"],
        "timestamp": whole["time"],
        "data": whole["data"],
    }
    binary = render("binary", event)
    attributes = {
        n.removeprefix("ce-"): unquote(v, errors="strict") for n, v in binary.headers.items()
    }
    told = {k: v for k, v in whole.items() if k not in {"data", "datacontenttype"}}
    assert attributes == told
    assert binary.body == event.data


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("Euro € \U0001f600", "Euro%20%E2%82%AC%20%F0%9F%98%80"),  # the binding's own example
        ('say "hi"', "say%20%22hi%22"),
        ("100%", "100%25"),
        ("%41", "%2541"),
        ("a/b?c=d&e#f", "a/b?c=d&e#f"),
        ("!~", "!~"),
        ("\x7f\x00\r\n", "%7F%00%0D%0A"),
        ("", ""),
    ],
)
def test_attribute_is_percent_encoded_as_the_binding_says(value: str, header: str) -> None:
    assert percent_encoded(value) == header


@given(texts)
def test_encoded_attribute_is_printable_and_one_round_of_decoding_gives_it_back(text: str) -> None:
    header = percent_encoded(text)
    assert all("\x21" <= c <= "\x7e" and c != '"' for c in header)
    assert unquote(header, errors="strict") == text


@pytest.mark.parametrize("style", STYLES)
def test_what_fits_is_sent_whole(style: str) -> None:
    whole = render(style, WHOLE)
    assert slim(style, WHOLE, None, BASE) == whole
    assert slim(style, WHOLE, len(whole.body), BASE) == whole


@pytest.mark.parametrize("style", STYLES)
def test_what_is_one_byte_too_large_goes_without_request_and_metadata(style: str) -> None:
    large = slim(style, WHOLE, len(render(style, WHOLE).body) - 1, BASE)
    assert METADATA not in large.body
    assert CARD.request not in large.body
    assert DATAREF in large.body.decode() + str(large.headers)


@pytest.mark.parametrize("event", [WHOLE, VIDEO])
def test_slimmed_event_keeps_all_else_and_fits_its_model(event: StoredEvent) -> None:
    most = len(envelope(event)) - 1
    body = json.loads(slim("structured", event, most, BASE + "/").body)
    whole = json.loads(envelope(event))
    assert body.pop("dataref") == DATAREF
    for part in (whole["data"], whole["data"].get("task", {})):
        part.pop("metadata", None)
        part.pop("request", None)
    assert body == whole
    EVENTS[event.type].model_validate(body | {"dataref": DATAREF})


def test_what_is_still_too_large_is_a_claim_check() -> None:
    body = slim("structured", WHOLE, 500, BASE).body
    claim = ClaimCheck.model_validate_json(body)
    assert claim.dataref == DATAREF
    assert "data" not in json.loads(body)
    assert json.loads(slim("standard", WHOLE, 300, BASE).body) == {
        "type": "task.completed",
        "timestamp": "2026-03-01T12:00:00.999Z",
        "dataref": DATAREF,
    }
    binary = slim("binary", WHOLE, 10, BASE)
    assert (binary.body, binary.headers["ce-dataref"]) == (b"null", DATAREF)


def test_claim_check_is_the_smallest_there_is() -> None:
    assert slim("structured", WHOLE, 0, BASE) == slim("structured", WHOLE, 500, BASE)


@given(events, st.integers(0, 2000))
def test_slimming_is_in_steps_and_never_changes_who_the_event_is(
    event: StoredEvent, most: int
) -> None:
    sent = json.loads(slim("structured", event, most, BASE).body)
    whole = json.loads(envelope(event))
    for name in ("id", "source", "type", "subject", "time", "sequence"):
        assert sent[name] == whole[name]
    assert ("dataref" in sent) == (len(envelope(event)) > most)
