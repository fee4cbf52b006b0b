"""Which requests for Sync are taken, and what is sent for them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.ports import Checked, InvalidRequest
from service.providers.sync_so import mapping
from tests.support.samples import SAMPLES, webhook_url

INPUT = [
    {"type": "video", "url": "https://example.com/v.mp4"},
    {"type": "audio", "url": "https://example.com/a.wav"},
]
REQUEST: dict[str, Any] = {"model": "sync-3", "input": INPUT}
WEBHOOK = webhook_url("sync")


def faults_of(request: object) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        mapping.check(request)
    return {fault.pointer: fault.detail for fault in raised.value.errors}


@pytest.mark.parametrize("name", ["sync_seed_002", "sync_seed_003", "sync_segments"])
def test_what_the_documents_show_is_taken(name: str) -> None:
    request = json.loads((SAMPLES / "requests" / f"{name}.json").read_text())
    checked = mapping.check(request)
    assert (checked.model, checked.results_expected) == (request["model"], 1)
    assert checked.request == {key: value for key, value in request.items() if key != "webhookUrl"}
    assert checked.notify_url == request.get("webhookUrl")
    assert checked.task_uuid is None


def test_the_webhook_url_becomes_the_callers_wish() -> None:
    given = {**REQUEST, "webhookUrl": "http://app.example/hook"}
    assert mapping.check(given) == Checked(
        REQUEST, "sync-3", 1, notify_url="http://app.example/hook"
    )


def test_all_faults_are_told_at_once_with_pointers() -> None:
    told = faults_of(
        {
            "model": "sync-3",
            "input": [
                {"type": "video"},
                {"type": "text", "provider": {"name": "x"}},
                {"type": "?"},
            ],
            "options": {"temperature": 3, "sync~mode": "loop"},
            "webhookUrl": None,
            "projectId": "mine",
        }
    )
    assert told == {
        "/input/0/url": "url or assetId is required",
        "/input/1/provider/name": "Input should be 'elevenlabs'",
        "/input/1/provider/voiceId": "This field is required",
        "/input/1/provider/script": "This field is required",
        "/input/2": "type should be video, image, audio or text",
        "/options/temperature": "Input should be less than or equal to 1",
        "/options/sync~0mode": "There is no such field",
        "/webhookUrl": "Input should not be null",
        "/projectId": "It should be a UUID",
    }


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_a_request_is_an_object(body: object) -> None:
    assert faults_of(body) == {"": "Input should be an object"}


def test_what_json_cannot_say_is_refused_before_it_is_stored() -> None:
    request = {"model": "new-model", "input": [{"gain": float("inf")}]}
    assert list(faults_of(request)) == [""]


def test_options_that_sync_3_has_no_use_for_are_stored_named_and_not_sent() -> None:
    options = {
        "temperature": 0.5,
        "reasoning_enabled": True,
        "occlusion_detection_enabled": False,
        "sync_mode": "loop",
    }
    request = {**REQUEST, "options": options}
    checked = mapping.check(request)
    assert checked.request == request
    named = ["temperature", "reasoning_enabled", "occlusion_detection_enabled"]
    assert [warning.partition(" ")[0] for warning in checked.warnings] == [
        f"options.{name}" for name in named
    ]
    sent = json.loads(mapping.submit_body(checked.request, WEBHOOK))
    assert sent["options"] == {"sync_mode": "loop"}


def test_options_of_segments_that_sync_3_has_no_use_for_are_named_and_not_sent() -> None:
    request = json.loads((SAMPLES / "requests" / "sync_segments.json").read_text())
    request["segments"][0]["optionsOverride"] = {"temperature": 1}
    request["segments"][1]["optionsOverride"]["occlusion_detection_enabled"] = True
    checked = mapping.check(request)
    assert [warning.partition(" ")[0] for warning in checked.warnings] == [
        "segments[0].optionsOverride.temperature",
        "segments[1].optionsOverride.occlusion_detection_enabled",
    ]
    sent = json.loads(mapping.submit_body(checked.request, WEBHOOK))
    assert "optionsOverride" not in sent["segments"][0]
    assert sent["segments"][1]["optionsOverride"] == {"sync_mode": "loop"}


def test_options_of_which_nothing_is_left_are_not_sent() -> None:
    request = {**REQUEST, "options": {"temperature": 1}}
    assert "options" not in json.loads(mapping.submit_body(request, None))
    request = {**REQUEST, "options": {}}
    assert json.loads(mapping.submit_body(request, None))["options"] == {}


def test_other_models_keep_their_options() -> None:
    request = {**REQUEST, "model": "lipsync-2", "options": {"temperature": 0.5, "fps": 25}}
    checked = mapping.check(request)
    assert checked.warnings == ()
    assert json.loads(mapping.submit_body(checked.request, None)) == request


def test_a_model_that_nobody_knows_is_taken_with_a_warning() -> None:
    request = {"model": "sync-9", "input": [{"new": 1}], "novel": True}
    checked = mapping.check(request)
    assert checked.request == request
    assert len(checked.warnings) == 1
    assert "sync-9" in checked.warnings[0]


def test_the_body_is_the_request_with_our_webhook_url() -> None:
    body = mapping.submit_body({**REQUEST, "webhookUrl": "http://not.ours"}, WEBHOOK)
    assert json.loads(body) == {**REQUEST, "webhookUrl": WEBHOOK}
    assert json.loads(mapping.submit_body(REQUEST, None)) == REQUEST


def test_the_bytes_are_the_same_each_time_and_compact() -> None:
    request = {**REQUEST, "outputFileName": "é"}
    body = mapping.submit_body(request, WEBHOOK)
    assert body == mapping.submit_body(request, WEBHOOK)
    assert b'"model":"sync-3"' in body
    assert "é".encode() in body


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.just("sync-3"),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["model", "input", "type", "url", "options", "temperature", "segments"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_taken_or_told_its_faults(body: object) -> None:
    try:
        checked = mapping.check(body)
    except InvalidRequest as error:
        told = [fault.pointer for fault in error.errors]
    else:
        told = [""]
        assert mapping.submit_body(checked.request, None)
    assert told
    assert all(not pointer or pointer.startswith("/") for pointer in told)
