"""Bodies of our API: what is taken, and what is told of the rest."""

import contextlib
import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.api.subscriptions import SubscriptionCreate
from schemas.api.tasks import RetryOptions
from service.core.errors import Invalid, Malformed
from service.wire.api import (
    json_pointer,
    parse_body,
    parse_submission,
    read_json,
)

UUID4 = "6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e"
MINIMAL: dict[str, Any] = {"provider": "runware", "request": {"model": "sync:3@0"}}
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=12,
)


def faults(body: object, prefix: str = "") -> dict[str, str]:
    with pytest.raises(Invalid) as caught:
        parse_submission(body, prefix)
    return {error.pointer: error.detail for error in caught.value.errors}


def test_smallest_submission_gets_its_defaults() -> None:
    submission = parse_submission(MINIMAL)
    assert submission.request == MINIMAL["request"]
    assert (submission.labels, submission.metadata, submission.priority) == ({}, {}, 0)
    assert submission.taskUUID is None
    assert submission.deadlineSeconds is None
    assert submission.startWithinSeconds is None


def test_full_submission_is_taken_as_given() -> None:
    body = {
        **MINIMAL,
        "taskUUID": UUID4.upper(),
        "labels": {"project": "", "ключ": "значение"},
        "metadata": None,
        "deadlineSeconds": 1,
        "startWithinSeconds": 604800,
        "priority": -100,
    }
    submission = parse_submission(body)
    assert submission.taskUUID == UUID(UUID4)
    assert submission.metadata is None
    assert submission.labels == body["labels"]
    assert (submission.deadlineSeconds, submission.priority) == (1, -100)


def test_all_faults_of_a_submission_come_at_once_with_their_pointers() -> None:
    body = {
        "provider": "nobody",
        "request": [],
        "taskUUID": UUID4.replace("-4b5e-", "-1b5e-"),
        "labels": {"a:b": "x", "fine": 1, "a/b~c": "\n", "long": "x" * 257},
        "metadata": "x" * (16 * 1024),
        "deadlineSeconds": 0,
        "startWithinSeconds": 604801,
        "priority": 101,
        "webhook/URL": "https://example.com",
    }
    found = faults(body, "/37")
    assert set(found) == {
        "/37/provider",
        "/37/request",
        "/37/taskUUID",
        "/37/labels/a:b",
        "/37/labels/fine",
        "/37/labels/a~1b~0c",
        "/37/labels/long",
        "/37/metadata",
        "/37/deadlineSeconds",
        "/37/startWithinSeconds",
        "/37/priority",
        "/37/webhook~1URL",
    }
    assert found["/37/webhook~1URL"] == "There is no such field"
    assert "16 KiB" in found["/37/metadata"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"provider": None}, "/provider"),
        ({"request": None}, "/request"),
        ({"request": "{}"}, "/request"),
        ({"taskUUID": None}, "/taskUUID"),
        ({"taskUUID": UUID4.replace("-", "")}, "/taskUUID"),
        ({"taskUUID": f"urn:uuid:{UUID4}"}, "/taskUUID"),
        ({"taskUUID": UUID4 + "\n"}, "/taskUUID"),
        ({"taskUUID": 4}, "/taskUUID"),
        ({"labels": {str(n): "" for n in range(17)}}, "/labels"),
        ({"labels": {"": "x"}}, "/labels/"),
        ({"labels": {"x" * 65: "x"}}, "/labels/" + "x" * 65),
        ({"labels": {"[key]": None}}, "/labels/[key]"),
        ({"labels": {"nul": "\x00"}}, "/labels/nul"),
        ({"labels": []}, "/labels"),
        ({"deadlineSeconds": 1.0}, "/deadlineSeconds"),
        ({"deadlineSeconds": True}, "/deadlineSeconds"),
        ({"deadlineSeconds": "60"}, "/deadlineSeconds"),
        ({"priority": None}, "/priority"),
    ],
)
def test_wrong_field_is_refused_where_it_stands(change: Mapping[str, Any], pointer: str) -> None:
    assert list(faults({**MINIMAL, **change})) == [pointer]


@pytest.mark.parametrize("body", [None, [], "x", 1, True])
def test_submission_that_is_no_object_is_refused_as_a_whole(body: object) -> None:
    assert list(faults(body)) == [""]


def test_missing_fields_are_named() -> None:
    assert faults({}) == {
        "/provider": "This field is required",
        "/request": "This field is required",
    }


@given(json_values)
def test_no_body_raises_anything_but_invalid(body: object) -> None:
    for model in (SubscriptionCreate, RetryOptions):
        with contextlib.suppress(Invalid):
            assert isinstance(parse_body(model, body), model)
    assert faults(body)


def test_metadata_may_have_exactly_its_limit() -> None:
    text = "x" * (16 * 1024 - 2)
    assert parse_submission({**MINIMAL, "metadata": text}).metadata == text
    assert list(faults({**MINIMAL, "metadata": text + "x"})) == ["/metadata"]


def test_metadata_that_is_no_json_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, {"a": object()}, "\ud800"):
        assert list(faults({**MINIMAL, "metadata": value})) == ["/metadata"]
    while deep:  # a list this deep, left to itself, would overflow the stack when it is freed
        deep = deep.pop()


@given(st.lists(st.text() | st.integers(min_value=0)))
def test_pointer_can_be_split_again(loc: list[str | int]) -> None:
    steps = [s.replace("~1", "/").replace("~0", "~") for s in json_pointer(loc).split("/")[1:]]
    assert steps == [str(step) for step in loc]


@given(json_values)
def test_json_is_read_with_every_number_as_it_was(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"NaN",
        b"[Infinity]",
        b"1E400",
        b"01",
        b'"\\ud800"',
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"[" * 300 + b"]" * 300,
        b"[" * 100_000,
        b"[" + b"9" * 5000 + b"]",
    ],
)
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        read_json(raw)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, [""]),
        ({"kind": "webhook"}, ["/url"]),
        ({"kind": "file"}, ["/settings"]),
        ({"kind": "file", "settings": {}}, ["/settings/path"]),
        ({"kind": "file", "settings": {"path": "../up"}}, ["/settings/path"]),
        ({"kind": "file", "settings": {"path": ".hidden"}}, ["/settings/path"]),
        ({"kind": "file", "settings": {"path": "a"}, "url": "https://a.example"}, ["/url"]),
        ({"kind": "Kafka", "settings": {"path": "a"}}, ["/kind"]),
        ({"url": "https://a.example", "settings": {"path": "a"}}, ["/settings"]),
        ({"url": "ftp://a.example"}, ["/url"]),
        ({"url": "https://a.example/" + "x" * 2048}, ["/url"]),
        ({"url": "https://a.example", "types": []}, ["/types"]),
        (
            {"url": "https://a.example", "types": ["*", "task.done", "vid*"]},
            ["/types/1", "/types/2"],
        ),
        ({"url": "https://a.example", "format": "xml"}, ["/format"]),
        ({"url": "https://a.example", "labels": {"a": 1}, "event": "*"}, ["/labels/a", "/event"]),
    ],
)
def test_wrong_subscription_is_refused_where_it_stands(
    body: Mapping[str, Any], pointers: list[str]
) -> None:
    with pytest.raises(Invalid) as caught:
        parse_body(SubscriptionCreate, body)
    assert [error.pointer for error in caught.value.errors] == pointers


def test_subscription_takes_a_url_or_a_file() -> None:
    url = parse_body(SubscriptionCreate, {"url": "https://a.example/hook?x=%2F"})
    assert (url.url, url.types, url.format) == ("https://a.example/hook?x=%2F", ["*"], "structured")
    body = {
        "kind": "file",
        "settings": {"path": "events.jsonl"},
        "types": ["video.*", "task.failed"],
    }
    file = parse_body(SubscriptionCreate, body)
    assert file.settings == {"path": "events.jsonl"}


def test_error_of_a_body_does_not_carry_the_body() -> None:
    with pytest.raises(Invalid) as caught:
        parse_submission({**MINIMAL, "priority": "a secret"})
    error = caught.value
    assert error.__context__ is None
    assert all("a secret" not in e.detail for e in error.errors)
