"""What the two upstreams' request models take and refuse as a whole; fields are in test_*_fields.py."""

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.upstream import runware, sync_so
from tests.support.requests import AUDIO, VIDEO, Edit, a_request, edited, faults

WITH_AUDIO, WITH_SPEECH = a_request("runware_audio"), a_request("runware_speech")
WITH_SEGMENTS, EVERYTHING = a_request("runware_segments"), a_request("runware_everything")
SEED_002, SEED_003 = a_request("sync_seed_002"), a_request("sync_seed_003")
IN_SEGMENTS = a_request("sync_segments")
SEGMENT = {"startTime": 0, "endTime": 1.5, "audio": AUDIO, "audioStartTime": 0, "audioEndTime": 1.5}
SPOKEN = {
    "type": "text",
    "provider": {"name": "elevenlabs", "voiceId": "v1", "script": "Hello", "stability": 0},
}


@pytest.mark.parametrize(
    "body",
    [
        WITH_AUDIO,
        WITH_SPEECH,
        WITH_SEGMENTS,
        EVERYTHING,
        SEED_002,
        SEED_003,
        IN_SEGMENTS,
        {"model": "sync-3", "input": [{"type": "image", "url": VIDEO}, SPOKEN]},
        {
            "model": "sync-3",
            "input": [{"type": "video", "url": VIDEO}],
            "dubParams": {"providerName": "elevenlabs", "targetLang": "fr"},
        },
        {"model": "klingai:5@3", "positivePrompt": "a cat", "duration": 5, "numberResults": 2},
        {"model": "sync-9", "input": [{"type": "hologram"}], "shimmer": 3},
    ],
)
def test_examples_of_the_documents_are_taken_and_left_as_they_are(body: dict[str, Any]) -> None:
    before = copy.deepcopy(body)
    assert faults(body) == set()
    assert body == before


@pytest.mark.parametrize(
    ("body", "edit", "place"),
    [
        (WITH_AUDIO, ("settings/segments", []), "settings/segments"),
        (WITH_AUDIO, ("settings/activeSpeakerDetection", {"coordinates": [1, 2]}), "frameNumber"),
        (WITH_AUDIO, ("settings/activeSpeakerDetection", {"frameNumber": 1}), "coordinates"),
        (
            WITH_AUDIO,
            (
                "settings/activeSpeakerDetection",
                {"coordinates": [1, 2], "frameNumber": 1, "boundingBoxes": [[1, 2, 3, 4]]},
            ),
            "boundingBoxes",
        ),
        (
            WITH_AUDIO,
            ("settings/activeSpeakerDetection", {"boundingBoxes": [[1, 2, 3]]}),
            "settings/activeSpeakerDetection/boundingBoxes/0",
        ),
        (SEED_003, ("input", []), "input"),
        (SEED_003, ("input", "abc"), "input"),
        (SEED_003, ("input/-", {"type": "video", "url": VIDEO}), "input"),
        (SEED_003, ("input/-", SPOKEN), "input"),
        (SEED_003, ("input/-", {"type": "hologram"}), "input/2"),
        (SEED_003, ("input/-", {"type": []}), "input/2"),
        (SEED_003, ("input/-", 7), "input/2"),
        (SEED_003, ("input/1", {"type": "image", "url": VIDEO}), "input"),
        (SEED_002, ("input/0/type", "image"), "input/0/type"),
        (SEED_003, ("dubParams", {"providerName": "elevenlabs", "targetLang": "fr"}), "input"),
        (SEED_003, ("dialogueEdit", {"id": "x"}), "dialogueEdit/id"),
        ({"model": "klingai:5@3"}, ("ttl", 1), "ttl"),
        ({"model": "sync-9", "input": [1]}, ("webhookUrl", "nowhere"), "webhookUrl"),
    ],
)
def test_rules_between_fields_name_their_place(
    body: dict[str, Any], edit: Edit, place: str
) -> None:
    assert any(found.endswith(place) for found in faults(edited(body, edit)))


def test_faults_of_fields_and_of_rules_come_in_one_answer() -> None:
    body = edited(
        WITH_SEGMENTS,
        ("numberResults", 21),
        ("shimmer", 1),
        ("inputs/audio", AUDIO),
        ("settings/tts", {"stability": 2}),
        ("settings/segments/0/endTime", 0),
        ("settings/segments/1/audioEndTime", 3),
    )
    assert faults(body) == {
        "numberResults",
        "shimmer",
        "settings/segments",
        "settings/tts",
        "settings/tts/stability",
        "settings/segments/0/endTime",
        "settings/segments/1/audioStartTime",
    }


@pytest.mark.parametrize("body", [None, 3, "text", [], [WITH_AUDIO], {}, {"model": None}])
def test_what_is_no_request_is_refused(body: object) -> None:
    with pytest.raises(ValidationError):
        runware.parse_request(body)
    with pytest.raises(ValidationError):
        sync_so.parse_request(body)


def test_fault_texts_name_no_model_of_ours() -> None:
    with pytest.raises(ValidationError) as caught:
        runware.parse_request({"model": "sync:3@0", "inputs": 3, "settings": {"tts": "{x}"}})
    assert all("instance" not in fault["msg"] for fault in caught.value.errors())
