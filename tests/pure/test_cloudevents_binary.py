"""CloudEvents in the headers of a request (binary mode), and what we send read back."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import CloudEventError, is_binary, read
from schemas.events.data import EVENTS
from service.core.event import StoredEvent
from service.wire.formats import render
from tests.pure.test_events import OF_TASKS, data_of, stored
from tests.pure.test_formats import events

LEAST = {"specversion": "1.0", "id": "e-1", "type": "example.clip.cut", "source": "/studio/7"}
JSON = {"content-type": "application/json"}


def binary(**attributes: str) -> dict[str, str]:
    return {f"ce-{name}": value for name, value in (LEAST | attributes).items()}


def of(headers: Any, body: bytes = b"") -> dict[str, Any]:
    (event,) = read(headers, body)
    return event


def test_attributes_are_in_headers_of_any_case_and_all_of_them_are_text() -> None:
    headers = {name.title(): value for name, value in binary(take="3", cut="true").items()}
    assert of(headers) == LEAST | {"take": "3", "cut": "true"}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € \U0001f600"),
        ("euro%e2%82%ac", "euro€"),  # lower case
        ("%41%2D", "A-"),  # needless
        ("%2541", "%41"),  # one round only
        ('"a b"', "a b"),  # quoted, as older senders do
        (r'"a \"b\" \\ %20"', 'a "b" \\  '),
        ('""', ""),
        (' \ta "b" ', 'a "b"'),
        ("a+b", "a+b"),
    ],
)
def test_header_is_unquoted_then_decoded_once(header: str, value: str) -> None:
    assert of(binary(take=header))["take"] == value


@pytest.mark.parametrize(
    "header",
    ["%C0%A0", "%ED%A0%80", "%FF", "%E2%82", "a%", "%4", "%zz", "%00", "%7F", "é", '"a', '"a"b', "\0"],
)  # fmt: skip
def test_header_that_holds_no_text_is_refused(header: str) -> None:
    with pytest.raises(CloudEventError) as caught:
        of(binary(take=header))
    assert caught.value.where == "ce-take"


@pytest.mark.parametrize(
    ("headers", "where"),
    [
        (binary() | {"ce-datacontenttype": "a/b"}, "ce-datacontenttype"),
        (binary() | {"ce-data": "x"}, "ce-data"),
        (binary() | {"ce-": "x"}, "ce-"),
        (binary() | {"ce-take_no": "x"}, "ce-take_no"),
        (binary() | {"CE-ID": "e-1"}, "ce-id"),
        (binary(specversion="1.1"), "ce-specversion"),
        (binary(time="yesterday"), "ce-time"),
        (binary(subject=""), "ce-subject"),
        (binary(source="a%20b"), "ce-source"),
        (binary() | {"content-type": "json"}, "content-type"),
        ([*binary().items(), ("content-type", "a/b"), ("Content-Type", "a/b")], "content-type"),
        *(({k: v for k, v in binary().items() if k != name}, name) for name in binary()),
        ({}, "ce-specversion"),
    ],
)
def test_headers_that_make_no_event_are_refused_by_name(headers: Any, where: str) -> None:
    with pytest.raises(CloudEventError) as caught:
        of(headers)
    assert caught.value.where == where


def test_body_is_the_data_by_its_type() -> None:
    assert of(binary() | JSON, b'{"a": 1}')["data"] == {"a": 1}
    assert of(binary() | JSON, b'"{}"')["data"] == "{}"
    assert of(binary() | {"content-type": "x/y+json; v=1"}, b"[]")["data"] == []
    assert of(binary() | {"content-type": "text/csv"}, "é".encode())["data"] == "é"
    assert of(binary() | {"content-type": "image/png"}, b"\x89")["data_base64"] == "iQ=="
    assert of(binary(), b"x")["data_base64"] == "eA=="
    for nothing in (of(binary() | JSON), of(binary() | JSON, b"null")):
        assert nothing == LEAST | {"datacontenttype": "application/json"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("application/json", b"{"), ("application/json", b"\xff"), ("text/plain", b"\xff")],
)
def test_body_that_is_not_what_it_says_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(CloudEventError):
        of(binary() | {"content-type": content_type}, body)


def test_request_without_the_required_headers_does_not_seem_to_be_an_event() -> None:
    assert is_binary(binary())
    assert not is_binary(JSON)
    assert not is_binary({k: v for k, v in binary().items() if k != "ce-id"})


@pytest.mark.parametrize("style", ["structured", "binary", "batched"])
@pytest.mark.parametrize("event_type", OF_TASKS)
def test_what_we_send_is_read_back_and_fits_its_model(event_type: str, style: str) -> None:
    sent = render(style, stored(event_type, data_of(event_type)))
    event = of({**sent.headers, "Content-Type": sent.content_type}, sent.body)
    assert event["data"] == json.loads(data_of(event_type))
    EVENTS[event_type].model_validate_json(json.dumps(event))


@given(events, st.sampled_from(["structured", "binary", "batched"]))
def test_every_mode_says_the_same(event: StoredEvent, style: str) -> None:
    event = replace(event, source="https://cb.example/a?b=%C3%A9")
    sent = render(style, event)
    headers = {**sent.headers, "content-type": sent.content_type}
    assert of(headers, sent.body) == json.loads(render("structured", event).body)
