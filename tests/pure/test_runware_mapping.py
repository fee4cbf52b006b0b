"""Which requests for Runware are taken, and what is sent for them."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ports import Checked, InvalidRequest
from service.providers.runware import mapping

SAMPLES = Path(__file__).parent.parent / "samples" / "requests"
OURS = UUID("11111111-1111-4111-8111-111111111112")
REQUEST: dict[str, Any] = {
    "model": "sync:3@0",
    "inputs": {"video": "https://example.com/v.mp4", "audio": "https://example.com/a.wav"},
}
WEBHOOK = f"https://board.example/callbacks/runware/{OURS}/t0ken-T0KEN_abcdefghijklmnopqrst"


def faults_of(request: object) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        mapping.check(request)
    return {fault.pointer: fault.detail for fault in raised.value.errors}


class TestCheck:
    @pytest.mark.parametrize(
        "path", sorted(SAMPLES.glob("runware_*.json")), ids=lambda path: path.stem
    )
    def test_what_the_documents_show_is_taken(self, path: Path) -> None:
        request = json.loads(path.read_text())
        checked = mapping.check(request)
        assert checked.model == request["model"]
        assert checked.results_expected == request.get("numberResults", 1)
        left = {key: value for key, value in request.items() if key not in mapping.OURS}
        assert checked.request == left

    def test_what_callboard_sets_itself_is_taken_out(self) -> None:
        given = {
            **REQUEST,
            "taskType": "videoInference",
            "taskUUID": str(OURS).upper(),
            "webhookURL": "https://app.example/hook",
            "deliveryMethod": "async",
        }
        assert mapping.check(given) == Checked(
            REQUEST, "sync:3@0", 1, task_uuid=OURS, notify_url="https://app.example/hook"
        )

    def test_all_faults_are_told_at_once_with_pointers(self) -> None:
        told = faults_of(
            {
                "model": "sync:3@0",
                "inputs": {"video": "ftp://x"},
                "taskUUID": "6f2f1d6c-9d6a-1b5e-8c1e-0a4f5b6c7d8e",
                "webhookURL": None,
                "deliveryMethod": "sync",
                "numberResults": 21,
                "a/b~c": 1,
            }
        )
        assert told == {
            "/inputs/video": "URL scheme should be 'http' or 'https'",
            "/inputs/audio": ("Exactly one of inputs.audio, speech, settings.segments is required"),
            "/taskUUID": "It should be a UUID v4",
            "/webhookURL": "Input should not be null",
            "/deliveryMethod": "Input should be 'async'",
            "/numberResults": "Input should be less than or equal to 20",
            "/a~1b~0c": "There is no such field",
        }

    def test_other_models_are_async_too(self) -> None:
        request = {"model": "klingai:5@3", "anything": [1], "deliveryMethod": "sync"}
        assert faults_of(request) == {"/deliveryMethod": "Input should be 'async'"}
        assert mapping.check({**request, "deliveryMethod": "async"}).request == {
            "model": "klingai:5@3",
            "anything": [1],
        }

    @pytest.mark.parametrize("method", [[], {}, ["async"], None, 1])
    def test_a_delivery_method_that_is_no_text_is_a_fault(self, method: object) -> None:
        told = faults_of({"model": "klingai:5@3", "deliveryMethod": method})
        assert list(told) == ["/deliveryMethod"]

    @pytest.mark.parametrize("request_body", [None, [], [REQUEST], "x", 3])
    def test_a_request_is_an_object(self, request_body: object) -> None:
        assert faults_of(request_body) == {"": "Input should be an object"}

    @pytest.mark.parametrize("value", [float("nan"), float("-inf"), "\ud800"])
    def test_what_json_cannot_say_is_refused_before_it_is_stored(self, value: object) -> None:
        assert list(faults_of({"model": "a:b@c", "extra": {"deep": value}})) == [""]

    def test_depth_without_end_is_a_fault(self) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        assert list(faults_of({"model": "a:b@c", "extra": deep})) == [""]

    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=8),
            lambda children: (
                st.lists(children, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["model", "inputs", "video", "audio", "settings", "taskUUID", "/"]
                    ),
                    children,
                    max_size=5,
                )
            ),
            max_leaves=20,
        )
    )
    def test_any_json_is_taken_or_told_its_faults(self, request_body: object) -> None:
        try:
            checked = mapping.check(request_body)
        except InvalidRequest as error:
            told = [fault.pointer for fault in error.errors]
        else:
            told = [""]
            assert mapping.submit_body(OURS, checked.request, None)
        assert told
        assert all(not pointer or pointer.startswith("/") for pointer in told)


class TestFirstSend:
    def test_the_body_is_an_array_of_one_task(self) -> None:
        body = mapping.submit_body(OURS, REQUEST, WEBHOOK)
        assert json.loads(body) == [
            {
                **REQUEST,
                "taskType": "videoInference",
                "taskUUID": str(OURS),
                "deliveryMethod": "async",
                "includeCost": True,
                "webhookURL": WEBHOOK,
            }
        ]

    def test_the_bytes_are_the_same_each_time_and_compact(self) -> None:
        request = {**REQUEST, "note": "é 日本"}
        body = mapping.submit_body(OURS, request, WEBHOOK)
        assert body == mapping.submit_body(OURS, request, WEBHOOK)
        assert b": " not in body
        assert "é 日本".encode() in body

    def test_includecost_of_the_caller_is_kept_and_no_webhook_is_sent_without_one(self) -> None:
        [task] = json.loads(mapping.submit_body(OURS, {**REQUEST, "includeCost": False}, None))
        assert task["includeCost"] is False
        assert "webhookURL" not in task

    def test_numbers_keep_their_value(self) -> None:
        text = '{"a":0.1,"b":1.0,"c":12345678901234567890123,"d":1e-7,"e":-0.0}'
        [task] = json.loads(mapping.submit_body(OURS, json.loads(text), None), parse_float=str)
        assert [task[key] for key in "abcde"] == [
            "0.1",
            "1.0",
            12345678901234567890123,
            "1e-07",
            "-0.0",
        ]

    def test_what_a_stored_request_may_not_say_is_ours(self) -> None:
        stored = {**REQUEST, "taskUUID": "x", "webhookURL": "y", "taskType": "z"}
        assert mapping.submit_body(OURS, stored, None) == mapping.submit_body(OURS, REQUEST, None)
