"""What callbacks of Runware say, in each form that was ever seen, and in those that never were."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.inputs import Report, Source
from service.ports import OpenedCallback, RawCallback
from service.providers.runware import answers
from service.providers.runware.webhook import open_callback
from tests.support.samples import OTHER_UUID, SAMPLES, TASK_UUID, answer, callback_of

URL = "https://vm.runware.ai/video/1.mp4"


def opened(body: Any) -> OpenedCallback:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return open_callback(RawCallback(TASK_UUID, raw, {}))


def said(body: Any) -> Report:
    got = opened(body)
    assert got.report is not None
    assert (got.verified, got.names_other) == (None, False)
    return got.report


def body_of(name: str) -> bytes:
    return callback_of(f"runware/{name}").body


@pytest.mark.parametrize(
    ("name", "videos", "codes", "running"),
    [
        ("callback_enveloped", 1, [], False),
        ("callback_enveloped_without_status", 1, [], False),
        ("callback_flat", 1, [], False),
        ("callback_flat_with_status", 1, [], False),
        ("callback_bare_array", 2, [], False),
        ("callback_two_results", 2, [], False),
        ("callback_data_and_errors", 1, ["timeoutProvider"], False),
        ("callback_errors_envelope", 0, ["timeoutProvider"], False),
        ("callback_error_in_item", 0, ["providerError"], False),
        ("callback_flat_error", 0, ["timeoutProvider"], False),
        ("callback_flat_error_without_status", 0, ["providerUnavailable"], False),
        ("callback_singular_error", 0, ["inferenceError"], False),
        ("callback_singular_error_list", 0, ["inferenceError"], False),
        ("callback_progress", 0, [], True),
    ],
)
def test_every_recorded_form_is_read(
    name: str, videos: int, codes: list[str], running: bool
) -> None:
    got = said(body_of(name))
    assert got.source is Source.CALLBACK
    assert len(got.videos) == videos
    assert [fault.code for fault in got.faults] == codes
    assert (got.running, got.vague) == (running, False)


def test_no_recorded_form_of_a_callback_is_left_out() -> None:
    unreadable = {"callback_not_json", "callback_unreadable_object"}
    names = {path.stem for path in (SAMPLES / "runware").glob("callback_*.json")}
    assert len(names - unreadable) == 14
    for name in unreadable:
        assert opened(body_of(name)).report is None


def test_a_video_has_all_that_is_told_of_it() -> None:
    [video] = said(body_of("callback_enveloped")).videos
    assert video.video_uuid == "22222222-2222-4222-8222-222222222221"
    assert video.url == f"https://vm.runware.ai/video/{video.video_uuid}.mp4"
    assert (video.seed, video.cost, video.nsfw) == (123, Decimal("0.665"), False)


def test_a_callback_of_another_task_is_said_to_be_one() -> None:
    got = opened({"data": [{"taskUUID": str(OTHER_UUID), "videoUUID": "v", "videoURL": URL}]})
    assert (got.report, got.names_other) == (None, True)


def test_the_uuid_may_be_written_in_upper_case() -> None:
    body = {"taskUUID": str(TASK_UUID).upper(), "videoUUID": "v", "videoURL": URL}
    assert len(said(body).videos) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"data": [{"videoUUID": "v", "videoURL": URL}]},
        {"errors": [{"code": "timeoutProvider", "message": "m"}]},
        {"taskUUID": str(TASK_UUID)},
        {"taskUUID": str(TASK_UUID), "note": "done"},
        {"taskUUID": str(TASK_UUID), "error": "boom"},
        {"taskUUID": str(TASK_UUID), "videoUUID": "v"},
        {"taskUUID": str(TASK_UUID), "videoUUID": "v", "videoURL": "file:///etc/passwd"},
        {"taskUUID": str(TASK_UUID), "videoUUID": "v", "videoURL": f"https://x/{'y' * 9000}"},
        {"errors": [{"code": "conflictTaskUUID", "taskUUID": str(TASK_UUID)}]},
        {"data": [], "errors": []},
    ],
)
def test_what_does_not_say_enough_is_left_to_a_poll(body: Any) -> None:
    got = opened(body)
    assert (got.report, got.names_other) == (None, False)
    assert got.detail


def test_a_failure_without_code_and_message_is_vague() -> None:
    got = said({"errors": [{"taskUUID": str(TASK_UUID), "status": "error"}]})
    assert got.vague
    assert [fault.code for fault in got.faults] == ["unknown"]


def test_a_flat_row_with_an_error_inside_is_a_failure() -> None:
    body = {"taskUUID": str(TASK_UUID), "videoUUID": "v", "error": {"code": "inferenceError"}}
    assert [fault.code for fault in said(body).faults] == ["inferenceError"]


def test_a_video_that_lies_somewhere_counts_whatever_else_is_said() -> None:
    body = {"taskUUID": str(TASK_UUID), "videoUUID": "v", "videoURL": URL, "code": "ok"}
    assert (len(said(body).videos), said(body).faults) == (1, ())


@pytest.mark.parametrize(
    ("seed", "cost", "expected"),
    [
        (2**63 - 1, 0.1, (2**63 - 1, Decimal("0.1"))),
        (2**63, -1, (None, None)),
        (10**30, 10**400, None),
        ("many", {"usd": 1}, (None, None)),
        (None, 0, (None, Decimal("0.0"))),
    ],
)
def test_numbers_are_taken_within_bounds(seed: object, cost: object, expected: object) -> None:
    body = {
        "taskUUID": str(TASK_UUID),
        "videoUUID": "v",
        "videoURL": URL,
        "seed": seed,
        "cost": cost,
    }
    report = opened(body).report
    got = (report.videos[0].seed, report.videos[0].cost) if report else None
    assert got == expected


def test_only_so_many_rows_are_read() -> None:
    rows = [{"taskUUID": str(TASK_UUID), "videoUUID": str(n), "videoURL": URL} for n in range(5000)]
    assert len(said(rows).videos) == 100


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"\xff\xfe",
        b"[" * 200_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"taskUUID": NaN}',
        b'{"taskUUID": 1e999}',
        b"9" * 100_000,
        b'"\\ud800"',
    ],
    ids=lambda body: repr(body[:20]),
)
def test_hostile_bytes_are_unreadable(body: bytes) -> None:
    assert opened(body).report is None


KEYS = [
    *("data", "errors", "error", "taskUUID", "taskType", "status", "videoUUID", "videoURL"),
    *("code", "message", "parameter", "seed", "cost", "NSFWContent", "response", "request"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(
        [str(TASK_UUID), str(OTHER_UUID), "success", "error", "processing", URL, "\ud800", "\0"]
    )
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=25,
)


@given(JSON)
def test_no_json_makes_it_raise(body: Any) -> None:
    got = opened(body)
    assert got.verified is None
    for video in got.report.videos if got.report else ():
        assert video.url is not None
        assert video.cost is None or video.cost >= 0
        assert video.seed is None or -(2**63) <= video.seed < 2**63
    for fault in got.report.faults if got.report else ():
        assert 0 < len(fault.code) <= 200
        assert len(fault.message) <= 2000


@given(JSON, st.sampled_from([200, 400, 429, 503]))
def test_no_answer_makes_the_reading_of_it_raise(body: Any, status: int) -> None:
    given_answer = answer(status, body)
    answers.polled(TASK_UUID, given_answer)
    answers.archived(TASK_UUID, given_answer)


@given(st.binary(max_size=60))
def test_no_bytes_make_it_raise(body: bytes) -> None:
    opened(body)
