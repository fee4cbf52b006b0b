"""CloudEvents read to the letter. The ids of cases are those of the specification's conformance suite."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import CloudEventError, is_binary, read

LEAST = {"specversion": "1.0", "id": "e-1", "type": "example.clip.cut", "source": "/studio/7"}
STRUCTURED = {"Content-Type": "application/cloudevents+json; charset=UTF-8"}
BATCHED = {"Content-Type": "application/cloudevents-batch+json; charset=UTF-8"}
CORE = LEAST | {
    "datacontenttype": "text/plain",
    "dataschema": "https://studio.example/clip#v2",
    "subject": "clip 9",
    "time": "2026-03-01T12:00:00Z",
}
EXTENSIONS = LEAST | {
    "extinteger": -(2**31),
    "extboolean": False,
    "extstring": "grün \U0001f600",
    "exturi": "urn:clip:9",
    "exturiref": "../clips?n=9",
    "exttimestamp": "2026-03-01T12:00:00Z",
    "extbinary": "/+8=",
}


def wire(event: object) -> bytes:
    return json.dumps(event).encode()


def one(event: object) -> dict[str, Any]:
    (found,) = read(STRUCTURED, wire(event))
    return found


VALID: dict[str, dict[str, Any]] = {
    "Minimal": LEAST,
    "MinimalWithNullForOptional": LEAST
    | dict.fromkeys(("datacontenttype", "dataschema", "subject", "time")),
    "AllCoreAttributes": CORE,
    "MinimalWithTimeUtc": LEAST | {"time": "2026-03-01T12:00:00Z"},
    "MinimalWithTimeToNanosecondsUtc": LEAST | {"time": "2026-03-01T12:00:00.123456789Z"},
    "MinimalWithTimeUsingPositiveOffset": LEAST | {"time": "2026-03-01T17:45:00+05:45"},
    "MinimalWithTimeUsingNegativeOffset": LEAST | {"time": "2026-03-01T08:30:00-03:30"},
    "RelativeSource": LEAST | {"source": "#top"},
    "SimpleTextData": LEAST | {"datacontenttype": "text/plain", "data": "a text"},
    "AllExtensionTypes": EXTENSIONS,
    # Ours: what the rules say besides.
    "NullData": LEAST | {"data": None, "data_base64": None},
    "NullDataBesideOther": LEAST | {"data": None, "data_base64": "AAE="},
    "NullExtension": LEAST | {"extra": None},
    "BinaryData": LEAST | {"data_base64": "AAE="},
    "JsonStringIsNotParsedAgain": LEAST | {"data": '{"a":1}'},
    "NullInsideData": LEAST | {"data": {"a": None}},
    "EmptyExtension": LEAST | {"extra": ""},
    "LeapSecond": LEAST | {"time": "2016-12-31T23:59:60Z"},
    "LowerCaseTime": LEAST | {"time": "2026-03-01t12:00:00z"},
    "MediaTypeWithParameters": LEAST | {"datacontenttype": 'a/b; c=d; e="f;\\"g"'},
    "SourceWithEscapes": LEAST | {"source": "urn:x:%C3%A9?a=b#c"},
}
INVALID: dict[str, tuple[object, str]] = {
    **{
        f"No{label}": ({k: v for k, v in LEAST.items() if k != name}, f"/{name}")
        for name, label in (
            ("specversion", "SpecVersion"),
            ("id", "Id"),
            ("type", "Type"),
            ("source", "Source"),
        )
    },
    "TimeGarbage": (LEAST | {"time": "after the cut"}, "/time"),
    "TimeToMinute": (LEAST | {"time": "2026-03-01T12:00Z"}, "/time"),
    "TimeOffsetX": (LEAST | {"time": "2026-03-01T12:00:00Q"}, "/time"),
    "TimeOffsetOutOfRange": (LEAST | {"time": "2026-03-01T12:00:00-24:00"}, "/time"),
    "TimeOffsetNonInteger": (LEAST | {"time": "2026-03-01T12:00:00+a1:00"}, "/time"),
    "TimeOffsetHourOnly": (LEAST | {"time": "2026-03-01T12:00:00-07"}, "/time"),
    **{
        f"Empty{label}": (CORE | {name: ""}, f"/{name}")
        for name, label in (
            ("id", "Id"),
            ("type", "Type"),
            ("source", "Source"),
            ("specversion", "SpecVersion"),
            ("datacontenttype", "DataContentType"),
            ("dataschema", "DataSchema"),
            ("subject", "Subject"),
        )
    },
    "UnknownSpecVersion": (LEAST | {"specversion": "0.3"}, "/specversion"),
    "NonRfc2046DataContentType": (LEAST | {"datacontenttype": "video"}, "/datacontenttype"),
    "NumericId": (LEAST | {"id": 4711}, "/id"),
    "ObjectId": (LEAST | {"id": {"n": 1}}, "/id"),
    "CapitalizedExtension": (LEAST | {"TakeNo": "3"}, ""),
    "PunctuatedExtension": (LEAST | {"take-no": "3"}, ""),
    "NonIntegerExtensionValue": (LEAST | {"take": 2.5}, "/take"),
    "BothDataAndDataBase64": (LEAST | {"data": "x", "data_base64": "AAE="}, ""),
    # Ours: what the rules say besides.
    "NullId": (LEAST | {"id": None}, "/id"),
    "BadNameOfNull": (LEAST | {"Take": None}, ""),
    "IntegerOf33Bits": (LEAST | {"take": 2**31}, "/take"),
    "ListExtension": (LEAST | {"take": [1]}, "/take"),
    "BooleanSubject": (LEAST | {"subject": True}, "/subject"),
    "ControlCharacter": (LEAST | {"id": "a\x7f"}, "/id"),
    "Noncharacter": (LEAST | {"take": "\U0001ffff"}, "/take"),
    "LoneSurrogate": (LEAST | {"take": "\ud800"}, "/take"),
    "SourceWithSpace": (LEAST | {"source": "/a b"}, "/source"),
    "SourceWithBadScheme": (LEAST | {"source": "1:b"}, "/source"),
    "RelativeDataSchema": (LEAST | {"dataschema": "/clip"}, "/dataschema"),
    "TimeWithoutOffset": (LEAST | {"time": "2026-03-01T12:00:00"}, "/time"),
    "TimeOnNoDay": (LEAST | {"time": "2026-02-29T12:00:00Z"}, "/time"),
    "TimeOfHour24": (LEAST | {"time": "2026-02-28T24:00:00Z"}, "/time"),
    "TimeInOtherDigits": (LEAST | {"time": "٢026-03-01T12:00:00Z"}, "/time"),
    "DataBase64Garbage": (LEAST | {"data_base64": "?"}, "/data_base64"),
    "DataBase64Object": (LEAST | {"data_base64": {}}, "/data_base64"),
    "NoObject": ("x", ""),
}
VALID_BATCHES: dict[str, list[dict[str, Any]]] = {
    "BatchEmpty": [],
    "BatchMinimal": [LEAST],
    "BatchMinimal2": [LEAST, LEAST],
    "BatchMinimalAndAllCore": [LEAST, CORE],
    "BatchMinimalAndAllExtensionTypes": [LEAST, EXTENSIONS],
}
INVALID_BATCHES: dict[str, tuple[object, str]] = {
    "BatchMixedSpecVersions": ([LEAST, LEAST | {"specversion": "0.3"}], "/1/specversion"),
    "BatchContainingInvalidCloudEvent": ([{k: LEAST[k] for k in LEAST if k != "id"}], "/0/id"),
    "BatchContainingNonObject": (["no event", LEAST], "/0"),
    "NoArray": (LEAST, ""),
}


@pytest.mark.parametrize("name", VALID)
def test_valid_event_is_read_without_its_nulls(name: str) -> None:
    event = VALID[name]
    assert one(event) == {k: v for k, v in event.items() if v is not None}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_event_is_refused_where_it_is_wrong(name: str) -> None:
    event, where = INVALID[name]
    with pytest.raises(CloudEventError) as caught:
        one(event)
    assert caught.value.where == where


@pytest.mark.parametrize("name", VALID_BATCHES)
def test_valid_batch_is_read_in_its_order(name: str) -> None:
    assert read(BATCHED, wire(VALID_BATCHES[name])) == VALID_BATCHES[name]


@pytest.mark.parametrize("name", INVALID_BATCHES)
def test_invalid_batch_is_refused_where_it_is_wrong(name: str) -> None:
    batch, where = INVALID_BATCHES[name]
    with pytest.raises(CloudEventError) as caught:
        read(BATCHED, wire(batch))
    assert caught.value.where == where


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"NaN", b'\xef\xbb\xbf{"id":"1"}', b'{"id":"\xff"}', wire(LEAST).decode().encode("utf-16"),
        wire(LEAST)[:-1] + b',"n":NaN}', wire(LEAST)[:-1] + b',"id":"e-2"}', b"[" * 100_000,
        b'{"n":' + b"9" * 5000 + b"}",
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_json_object_with_each_member_once_is_refused(body: bytes) -> None:
    with pytest.raises(CloudEventError):
        read(STRUCTURED, body)


def test_member_that_is_repeated_inside_the_data_is_the_datas_own_matter() -> None:
    body = wire(LEAST)[:-1] + b',"data":{"a":1,"a":2}}'
    assert read(STRUCTURED, body)[0]["data"] == {"a": 2}


@pytest.mark.parametrize(
    "content_type",
    [
        "APPLICATION/CloudEvents+JSON",
        "application/cloudevents+json;charset=utf-8",
        ' application/cloudevents+json ; Charset="UTF-8"',
    ],
)
def test_mode_is_chosen_by_content_type_in_any_case(content_type: str) -> None:
    headers = {"CONTENT-type": content_type, "ce-id": "another"}
    assert read(headers, wire(LEAST)) == [LEAST]
    batched = {
        "content-type": content_type.replace("vents+", "vents-batch+").replace(
            "nts+JSON", "nts-BATCH+json"
        )
    }
    assert read(batched, wire([LEAST])) == [LEAST]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/cloudevents",
        "application/cloudevents+avro",
        "application/cloudevents-batch",
        "application/cloudevents+json; charset=utf-16",
        "application/cloudevents+json, text/plain",
    ],
)
def test_format_of_events_that_is_not_known_is_refused(content_type: str) -> None:
    with pytest.raises(CloudEventError) as caught:
        read({"content-type": content_type}, wire(LEAST))
    assert caught.value.where == "content-type"


@given(
    st.dictionaries(st.text(max_size=8) | st.sampled_from(list(CORE)), st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=2), max_leaves=3,
    )),
    st.binary(max_size=20),
)  # fmt: skip
def test_whatever_comes_is_read_or_raises_the_one_error(event: dict[str, Any], raw: bytes) -> None:
    for body in (wire(LEAST | event), raw, wire(event)):
        for headers in (STRUCTURED, BATCHED, {"ce-id": raw, "content-type": "a/b"}):
            with suppress(CloudEventError):
                assert isinstance(read(headers, body), list)  # type: ignore[arg-type]


@given(st.binary(min_size=1), st.sampled_from(["video/mp4", "text/plain; charset=latin-1", "x"]))
def test_data_of_other_types_is_given_as_base64(body: bytes, content_type: str) -> None:
    headers = {f"ce-{k}": v for k, v in LEAST.items()}
    assert is_binary(headers)
    if content_type == "x":
        (event,) = read(headers, body)
    else:
        (event,) = read(headers | {"content-type": content_type}, body)
    assert base64.b64decode(event["data_base64"]) == body
