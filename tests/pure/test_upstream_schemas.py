"""What the two upstreams' request models take and refuse, field by field after the documents."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.upstream import runware, sync_so

SAMPLES = Path(__file__).parent.parent / "samples"
VIDEO, AUDIO = "https://example.com/v.mp4", "https://example.com/a.wav"
UUID4 = "6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e"


def a_request(name: str) -> Any:
    return json.loads((SAMPLES / "requests" / f"{name}.json").read_text())


WITH_AUDIO, WITH_SPEECH = a_request("runware_audio"), a_request("runware_speech")
WITH_SEGMENTS, EVERYTHING = a_request("runware_segments"), a_request("runware_everything")
SEED_002, SEED_003 = a_request("sync_seed_002"), a_request("sync_seed_003")
IN_SEGMENTS = a_request("sync_segments")
SEGMENT = {"startTime": 0, "endTime": 1.5, "audio": AUDIO, "audioStartTime": 0, "audioEndTime": 1.5}
SPOKEN = {
    "type": "text",
    "provider": {"name": "elevenlabs", "voiceId": "v1", "script": "Hello", "stability": 0},
}
GONE = object()
Edit = tuple[str, Any]


def edited(body: dict[str, Any], *edits: Edit) -> dict[str, Any]:
    """Return a copy with values set at slash-separated paths; GONE removes, `-` appends."""
    result: dict[str, Any] = copy.deepcopy(body)
    for path, value in edits:
        *way, last = path.split("/")
        place: Any = result
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place.append(value) if last == "-" else place.__setitem__(int(last), value)
        elif value is GONE:
            del place[last]
        else:
            place[last] = value
    return result


def faults(body: object) -> set[str]:
    """Return the places of all faults of a request, either upstream's."""
    told = isinstance(body, dict) and "input" in body
    parse = sync_so.parse_request if told else runware.parse_request
    try:
        parse(body)
    except ValidationError as error:
        return {"/".join(map(str, fault["loc"])) for fault in error.errors()}
    return set()


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


RUNWARE_GOOD: list[tuple[dict[str, Any], Edit]] = [
    (WITH_AUDIO, ("numberResults", 1)),
    (WITH_AUDIO, ("outputQuality", 20)),
    (WITH_AUDIO, ("outputQuality", 99)),
    (WITH_AUDIO, ("taskUUID", UUID4.upper())),
    (WITH_AUDIO, ("settings/temperature", 0)),
    (WITH_AUDIO, ("settings/temperature", 1)),
    (WITH_AUDIO, ("settings/temperature", 0.29)),
    (WITH_AUDIO, ("settings/activeSpeakerDetection/boundingBoxes", [None, [0, 0, 1.5, 2]])),
    (WITH_SPEECH, ("speech/text", "x" * 5000)),
    (WITH_SPEECH, ("settings/tts/stability", 1)),
    (WITH_SPEECH, ("settings/tts/stability", 0)),
    (WITH_SEGMENTS, ("settings/segments/0/endTime", 0.01)),
    *((WITH_AUDIO, ("settings/syncMode", v)) for v in ("bounce", "cut_off", "silence", "remap")),
    *((WITH_AUDIO, ("settings/mode", v)) for v in ("lips", "face", "head")),
    *((WITH_AUDIO, ("settings/emotion", v)) for v in ("sad", "angry", "disgusted", "surprised")),
    *((WITH_AUDIO, ("safety/mode", v)) for v in ("none", "fast", "full")),
    *((WITH_AUDIO, ("outputFormat", v)) for v in ("MP4", "WEBM", "MOV")),
]
SYNC_GOOD: list[tuple[dict[str, Any], Edit]] = [
    *((SEED_003, ("options/sync_mode", v)) for v in ("loop", "cut_off", "silence", "remap")),
    *((SEED_003, ("options/prompt", v)) for v in ("happy", "neutral")),
    (SEED_003, ("options/temperature", 1)),
    (SEED_003, ("options/speedup", 4)),
    (SEED_003, ("options/active_speaker_detection", {"coordinates": [1, 2], "frame_number": 0})),
    (SEED_003, ("options/active_speaker_detection", {"bounding_boxes": [None, [1, 2, 3, 4]]})),
    (SEED_003, ("outputFileName", "x" * 255)),
    (SEED_003, ("projectId", UUID4)),
    (SEED_003, ("webhookUrl", "http://127.0.0.1:9000/hook")),
    (IN_SEGMENTS, ("segments/0/endTime", 0)),
    (IN_SEGMENTS, ("input/2/provider/script", "x" * 5000)),
]


@pytest.mark.parametrize(("body", "edit"), [*RUNWARE_GOOD, *SYNC_GOOD])
def test_values_at_a_bound_are_taken(body: dict[str, Any], edit: Edit) -> None:
    assert faults(edited(body, edit)) == set()


RUNWARE_BAD: list[tuple[dict[str, Any], str, Any]] = [
    (WITH_AUDIO, "model", "sync-3"),
    (WITH_AUDIO, "model", 3),
    (WITH_AUDIO, "taskType", "imageInference"),
    (WITH_AUDIO, "taskUUID", "6f2f1d6c-9d6a-1b5e-8c1e-0a4f5b6c7d8e"),
    (WITH_AUDIO, "webhookURL", "ftp://example.com"),
    (WITH_AUDIO, "webhookURL", None),
    (WITH_AUDIO, "deliveryMethod", "sync"),
    (WITH_AUDIO, "outputType", "base64Data"),
    (WITH_AUDIO, "outputFormat", "GIF"),
    (WITH_AUDIO, "outputQuality", 19),
    (WITH_AUDIO, "outputQuality", 100),
    (WITH_AUDIO, "outputQuality", 95.5),
    (WITH_AUDIO, "uploadEndpoint", "s3://bucket/o.mp4"),
    (WITH_AUDIO, "ttl", 59),
    (WITH_AUDIO, "includeCost", 1),
    (WITH_AUDIO, "numberResults", 0),
    (WITH_AUDIO, "numberResults", 21),
    (WITH_AUDIO, "numberResults", "2"),
    (WITH_AUDIO, "numberResults", True),
    (WITH_AUDIO, "safety/mode", "strict"),
    (WITH_AUDIO, "safety/extra", 1),
    (WITH_AUDIO, "positivePrompt", "a cat"),
    (WITH_AUDIO, "inputs/video", "not a url"),
    (WITH_AUDIO, "inputs/video", "https://example.com/a b"),
    (WITH_AUDIO, "inputs/video", GONE),
    (WITH_AUDIO, "inputs/image", VIDEO),
    (WITH_AUDIO, "settings/temperature", -0.01),
    (WITH_AUDIO, "settings/temperature", 1.01),
    (WITH_AUDIO, "settings/temperature", 0.655),
    (WITH_AUDIO, "settings/temperature", float("nan")),
    (WITH_AUDIO, "settings/emotion", "bored"),
    (WITH_AUDIO, "settings/mode", "body"),
    (WITH_AUDIO, "settings/syncMode", "loop"),
    (WITH_AUDIO, "settings/sync_mode", "bounce"),
    (WITH_SPEECH, "speech/text", ""),
    (WITH_SPEECH, "speech/text", "x" * 5001),
    (WITH_SPEECH, "speech/voice", GONE),
    (WITH_SPEECH, "settings/tts/stability", 1.1),
    (WITH_SPEECH, "settings/tts/similarityBoost", -0.1),
    (WITH_SEGMENTS, "settings/segments/0/startTime", -1),
    (WITH_SEGMENTS, "settings/segments/0/startTime", 0.001),
    (WITH_SEGMENTS, "settings/segments/1/endTime", 2),
    (WITH_SEGMENTS, "settings/segments/1/endTime", GONE),
    (WITH_SEGMENTS, "settings/segments/0/audioStartTime", -1),
    (WITH_SEGMENTS, "settings/segments/0/audioEndTime", GONE),
    (WITH_SEGMENTS, "settings/segments/0/audioStartTime", GONE),
    (WITH_AUDIO, "settings/tts", {}),
    (WITH_AUDIO, "inputs/audio", GONE),
    (WITH_AUDIO, "speech", {"text": "Hello", "voice": "auto"}),
    (WITH_AUDIO, "settings/segments", [SEGMENT]),
]
SYNC_BAD: list[tuple[dict[str, Any], str, Any]] = [
    (SEED_003, "model", ""),
    (SEED_003, "model", None),
    (SEED_003, "colour", "red"),
    (SEED_003, "webhookUrl", {}),
    (SEED_003, "outputFileName", "x" * 256),
    (SEED_003, "projectId", "mine"),
    (SEED_003, "input/0/url", "example.com/v.mp4"),
    (SEED_003, "input/0/url", GONE),
    (SEED_003, "input/0/assetId", ""),
    (SEED_003, "input/0/video_url", VIDEO),
    (SEED_003, "input/0/segments_secs", [[1]]),
    (SEED_003, "options/syncMode", "loop"),
    (SEED_003, "options/sync_mode", "stretch"),
    (SEED_003, "options/temperature", 1.01),
    (SEED_003, "options/temperature", -0.01),
    (SEED_003, "options/speedup", 0),
    (SEED_003, "options/speedup", 5),
    (SEED_003, "options/pads", [0, 0, 0]),
    (SEED_003, "options/fps", 0),
    (SEED_003, "options/output_format", "webm"),
    (SEED_003, "options/output_resolution", [1280]),
    (SEED_003, "options/active_speaker", "yes"),
    (SEED_003, "options/active_speaker_detection/frame_number", -1),
    (SEED_003, "options/active_speaker_detection/coordinates", [[1, 2]]),
    (SEED_003, "options/model_mode", "body"),
    (SEED_003, "dubParams", {"providerName": "elevenlabs"}),
    (IN_SEGMENTS, "segments", []),
    (IN_SEGMENTS, "segments/1/startTime", -1),
    (IN_SEGMENTS, "segments/1/endTime", 1),
    (IN_SEGMENTS, "segments/1/startTime", 1.5),
    (IN_SEGMENTS, "segments/0/audioInput/endTime", GONE),
    (IN_SEGMENTS, "segments/0/audioInput/refId", "three"),
    (IN_SEGMENTS, "input/2/refId", GONE),
    (IN_SEGMENTS, "input/2/refId", "one"),
    (IN_SEGMENTS, "input/2/provider/script", "x" * 5001),
    (IN_SEGMENTS, "input/2/provider/name", "other"),
]


@pytest.mark.parametrize(("body", "path", "value"), [*RUNWARE_BAD, *SYNC_BAD])
def test_a_broken_bound_or_rule_names_its_place(
    body: dict[str, Any], path: str, value: object
) -> None:
    places = faults(edited(body, (path, value)))
    assert any(place.startswith(path) or path.startswith(place) for place in places - {""}), places


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
