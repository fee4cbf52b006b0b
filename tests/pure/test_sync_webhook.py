"""Which callbacks of Sync are believed, and what they say."""

import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.fault import FaultKind
from service.core.inputs import Report, Source
from service.ports import OpenedCallback, RawCallback
from service.providers.sync_so.webhook import open_callback
from tests.support.samples import (
    OTHER_UUID,
    SAMPLES,
    TASK_UUID,
    callback_of,
    recorded,
    webhook_url,
)

ID = "6533643b-acbe-4c40-967e-d9ba9baac39e"
SECRET = "whsec_test_0123456789abcdef"
SIGNED = callback_of("sync_so/callback_signed")
UNREADABLE = {"callback_unreadable_object"}


def opened(body: Any) -> OpenedCallback:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return open_callback(RawCallback(TASK_UUID, raw, {}), ())


def signed_with(header: str, secrets: tuple[str, ...] = (SECRET,)) -> OpenedCallback:
    return open_callback(replace(SIGNED, headers={"sync-signature": header}), secrets)


class TestSignature:
    def test_the_documented_vector_is_verified(self) -> None:
        assert len(SIGNED.body) == 398
        got = open_callback(SIGNED, (SECRET,))
        assert got.verified is True
        assert got.report is not None
        assert got.detail == "signed at t=1767323045"

    def test_any_of_several_secrets_may_have_signed(self) -> None:
        assert open_callback(SIGNED, ("whsec_new", SECRET)).verified is True

    def test_without_a_secret_nothing_can_be_verified(self) -> None:
        got = open_callback(SIGNED, ())
        assert got.verified is None
        assert got.report is not None

    def test_the_raw_bytes_count_not_their_meaning(self) -> None:
        spaced = SIGNED.body.replace(b":", b": ", 1)
        assert json.loads(spaced) == json.loads(SIGNED.body)
        got = open_callback(replace(SIGNED, body=spaced), (SECRET,))
        assert (got.verified, got.report) == (False, None)

    def test_letters_beyond_ascii_and_small_numbers_are_signed_as_they_came(self) -> None:
        body = '{"id":"g","status":"FAILED","error":"é","x":1e-7}'.encode()
        digest = hmac.new(SECRET.encode(), b"5." + body, hashlib.sha256).hexdigest()
        call = RawCallback(TASK_UUID, body, {"sync-signature": f"t=5, v1={digest.upper()}"})
        assert open_callback(call, (SECRET,)).verified is True

    def test_how_old_it_is_does_not_matter(self) -> None:
        digest = hmac.new(SECRET.encode(), b"1." + SIGNED.body, hashlib.sha256).hexdigest()
        assert signed_with(f"t=1,v1={digest}").verified is True

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "t=1767323045",
            "v1=4af32e556f7a78da5807814768cea1e19af5d28b19e4a6528dd935994fe24a8e",
            "t=1767323045,v1=",
            "t=1767323045,s=4af32e556f7a78da5807814768cea1e19af5d28b19e4a6528dd935994fe24a8e",
            "t=1767323046,v1=4af32e556f7a78da5807814768cea1e19af5d28b19e4a6528dd935994fe24a8e",
            "t=1767323045,v1=4af32e556f7a78da5807814768cea1e19af5d28b19e4a6528dd935994fe24a8f",
            "t=1,t=1767323045,v1=4af32e556f7a78da5807814768cea1e19af5d28b19e4a6528dd935994fe24a8e",
            "t=-1,v1=aa",
            "t=" + "9" * 99_999 + ",v1=aa",
            "t=1767323045,v1=é",
            "t=1767323045,v1=\udcff\ud800",
            "t=\u0661,v1=aa",
        ],
        ids=range(13),
    )
    def test_anything_else_is_not_verified_and_not_read(self, header: str) -> None:
        got = signed_with(header)
        assert (got.verified, got.report) == (False, None)
        assert got.detail

    def test_a_missing_header_is_not_verified(self) -> None:
        assert open_callback(replace(SIGNED, headers={}), (SECRET,)).verified is False

    @given(st.integers(0, 398 * 8 - 1))
    def test_one_bit_makes_the_difference(self, bit: int) -> None:
        body = bytearray(SIGNED.body)
        body[bit // 8] ^= 1 << bit % 8
        assert open_callback(replace(SIGNED, body=bytes(body)), (SECRET,)).verified is False

    @given(st.text(max_size=40), st.binary(max_size=40))
    def test_no_header_and_no_body_make_it_raise(self, header: str, body: bytes) -> None:
        call = RawCallback(TASK_UUID, body, {"sync-signature": header})
        assert open_callback(call, (SECRET,)).report is None


@pytest.mark.parametrize(
    ("name", "videos", "code", "vague"),
    [
        ("callback_completed", 1, None, False),
        ("callback_completed_minimal", 1, None, False),
        ("callback_signed", 1, None, False),
        ("callback_failed_error_code", 0, "generation_pipeline_failed", False),
        ("callback_failed_without_reason", 0, "unknown", True),
        ("callback_canceled", 0, "upstream_canceled", False),
    ],
)
def test_every_recorded_form_is_read(name: str, videos: int, code: str | None, vague: bool) -> None:
    got = open_callback(callback_of(f"sync_so/{name}"), ()).report
    assert got is not None
    assert (got.source, got.upstream_id) == (Source.CALLBACK, ID)
    assert len(got.videos) == videos
    assert [fault.code for fault in got.faults] == ([code] if code else [])
    assert (got.vague, got.running) == (vague, False)


@pytest.mark.parametrize(
    ("name", "code", "kind"),
    [
        ("callback_rejected", "rejected", FaultKind.PERMANENT),
        ("callback_rejected_with_reason", "plan_feature_unavailable", FaultKind.PERMANENT),
    ],
)
def test_a_rejection_is_of_the_whole_task(name: str, code: str, kind: FaultKind) -> None:
    got = open_callback(callback_of(f"sync_so/{name}"), ()).report
    assert got is not None
    assert got.rejected is not None
    assert (got.rejected.code, got.rejected.kind) == (code, kind)


def test_no_recorded_form_of_a_callback_is_left_out() -> None:
    names = {path.stem for path in (SAMPLES / "sync_so").glob("callback_*.json")}
    assert len(names - UNREADABLE) == 8
    for name in UNREADABLE:
        assert open_callback(callback_of(f"sync_so/{name}"), ()).report is None


@pytest.mark.parametrize("status", ["PENDING", "PROCESSING", "processing", "SOMETHING_NEW"])
def test_what_has_not_ended_is_running(status: str) -> None:
    got = opened({"id": "g", "status": status})
    assert got.report == Report(Source.CALLBACK, upstream_id="g", running=True)


@pytest.mark.parametrize("spelling", ["errorCode", "error_code"])
def test_both_spellings_of_the_code_are_read(spelling: str) -> None:
    got = opened({"id": "g", "status": "FAILED", spelling: "controller_timeout"}).report
    assert got is not None
    assert [(f.code, f.kind) for f in got.faults] == [("controller_timeout", FaultKind.TRANSIENT)]
    assert not got.vague


def test_a_callback_that_echoes_another_task_is_said_to_name_it() -> None:
    body = {"id": "g", "status": "FAILED", "webhookUrl": webhook_url("sync", OTHER_UUID)}
    got = opened(body)
    assert (got.report, got.names_other) == (None, True)
    ours = opened({**body, "webhookUrl": webhook_url("sync")})
    assert (ours.report is not None, ours.names_other) == (True, False)


def test_the_echoed_token_is_cut_from_what_is_said() -> None:
    url = webhook_url("sync")
    got = opened({"id": "g", "status": "FAILED", "error": f"POST {url}?a=1 said 404"}).report
    assert got is not None
    assert got.faults[0].message == f"POST {url.rpartition('/')[0]}/[cut]?a=1 said 404"


@pytest.mark.parametrize(
    "body",
    [
        {"id": "g", "status": "COMPLETED", "outputUrl": None},
        {"id": "g", "status": "COMPLETED", "outputUrl": "javascript:alert(1)"},
        {"id": "g"},
        {"id": 5, "status": "FAILED"},
        {"id": "", "status": "FAILED"},
        {"id": "g" * 999, "status": "FAILED"},
        {"id": "g\0", "status": "FAILED"},
        {"id": "g", "status": ["FAILED"]},
        [recorded("sync_so/callback_completed")["body"]],
        b"",
        b"\xff",
        b"[" * 100_000,
        b'{"id":"g","status":"FAILED","x":NaN}',
    ],
    ids=range(13),
)
def test_what_does_not_say_enough_is_left_to_a_poll(body: Any) -> None:
    assert opened(body).report is None


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ID, "COMPLETED", "FAILED", "REJECTED", webhook_url("sync"), "\ud800", "\0"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "status", "error", "errorCode", "error_code", "webhookUrl", "outputUrl"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_no_json_makes_it_raise(body: Any) -> None:
    assert opened(body).verified is None


@given(st.fixed_dictionaries({"id": JSON, "status": JSON, "error": JSON, "outputUrl": JSON}))
def test_no_generation_makes_it_raise(body: Any) -> None:
    assert opened(body).verified is None
