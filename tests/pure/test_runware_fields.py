"""Every field and every rule of Runware's `videoInference`, on both sides of each bound."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.upstream import runware
from service.providers.runware import mapping
from tests.support.requests import (
    GONE,
    UUID4,
    VIDEO,
    Edit,
    combined,
    edited,
    faults,
    places,
    plain,
    refused,
    taken,
    told,
    valid_requests,
)
from tests.support.runware_fields import (
    BOX,
    EVERYTHING,
    FIRST,
    HEARD,
    OTHER,
    PAIRED,
    SEGMENT,
    SEGMENTED,
    SPEAKER,
    SPOKEN,
)

UNKNOWN_FIELDS = ("seed", "safety/level", "inputs/image", "speech/language", "settings/sync_mode")
DEEPER_UNKNOWN = (f"{SPEAKER}/box", f"{FIRST}/volume", "settings/tts/speed")


@pytest.mark.parametrize("body", [HEARD, SPOKEN, SEGMENTED, OTHER])
def test_the_smallest_valid_bodies_are_taken(body: dict[str, Any]) -> None:
    assert faults(body) == set()


@pytest.mark.parametrize(("body", "path", "value"), taken(EVERYTHING))
def test_a_good_value_is_taken(body: dict[str, Any], path: str, value: object) -> None:
    assert faults(edited(body, (path, value))) == set()


@pytest.mark.parametrize(("body", "path", "value"), refused(EVERYTHING))
def test_a_bad_value_is_refused_at_its_place_and_nowhere_else(
    body: dict[str, Any], path: str, value: object
) -> None:
    found = faults(edited(body, (path, value)))
    # A voice that is null is refused, and is missed by the rules about voices too.
    around = {"inputs/audio", "settings/tts"} if value is None else set()
    assert found
    assert all(f"{place}/".startswith(f"{path}/") for place in found - around), found


@pytest.mark.parametrize(("body", "path", "value"), taken(PAIRED))
def test_a_point_and_its_frame_are_taken(body: dict[str, Any], path: str, value: Any) -> None:
    both = edited(body, (f"{SPEAKER}/coordinates", [1, 2]), (f"{SPEAKER}/frameNumber", 0))
    assert faults(edited(both, (path, value))) == set()


@pytest.mark.parametrize(("body", "path", "value"), refused(PAIRED))
def test_a_bad_point_or_frame_is_refused(body: dict[str, Any], path: str, value: Any) -> None:
    both = edited(body, (f"{SPEAKER}/coordinates", [1, 2]), (f"{SPEAKER}/frameNumber", 0))
    found = faults(edited(both, (path, value)))
    assert found
    assert all(f"{place}/".startswith(f"{path}/") for place in found)


def test_no_field_is_left_out_of_the_tables() -> None:
    tried = {plain(path) for _, path, *_ in [*EVERYTHING, *PAIRED]}
    assert tried == places(
        runware.LipSyncRequest,
        ("inputs", runware.Inputs),
        ("speech", runware.Speech),
        ("safety", runware.Safety),
        ("settings", runware.Settings),
        (SPEAKER, runware.ActiveSpeakerDetection),
        ("settings/segments", runware.Segment),
        ("settings/tts", runware.Tts),
    )


@pytest.mark.parametrize("path", [*UNKNOWN_FIELDS, *DEEPER_UNKNOWN])
def test_a_field_that_sync_3_does_not_have_is_refused(path: str) -> None:
    base = SPOKEN if path.startswith(("speech", "settings/tts")) else HEARD
    base = SEGMENTED if path.startswith(FIRST) else base
    assert faults(edited(base, (path, 1))) == {path}


@pytest.mark.parametrize("extra", [None, 0, [None], {"video": 3}, {"deep": {"null": None}}])
@pytest.mark.parametrize("field", ["inputs", "settings", "providerSettings", "positivePrompt"])
def test_what_other_models_have_of_their_own_passes(field: str, extra: object) -> None:
    assert faults({**OTHER, field: extra}) == set()


@given(st.integers(0, 10**7))
def test_any_hundredth_of_a_second_is_a_step_and_none_between(hundredths: int) -> None:
    end = f"{FIRST}/endTime"
    later = [("settings/segments/0/startTime", 0), (end, (hundredths + 1) / 100)]
    assert faults(edited(SEGMENTED, *later)) == set()
    assert faults(edited(SEGMENTED, (end, hundredths / 100 + 0.015))) == {end}


EXACTLY_ONE = "Exactly one of inputs.audio, speech, settings.segments is required"
POINT = {"coordinates": [1, 2], "frameNumber": 0}
RULES: dict[str, tuple[list[Edit], set[tuple[str, str]]]] = {
    "no voice": ([("inputs/audio", GONE)], {("inputs/audio", EXACTLY_ONE)}),
    "two voices": ([("speech", {"text": "Hi"})], {("speech", EXACTLY_ONE)}),
    "segments beside audio": (
        [("settings/segments", [SEGMENT])],
        {("settings/segments", EXACTLY_ONE)},
    ),
    "tts without speech": (
        [("settings/tts", {})],
        {("settings/tts", "settings.tts requires speech")},
    ),
    "boxes and a point": (
        [(SPEAKER, {**POINT, "boundingBoxes": [BOX]})],
        {(f"{SPEAKER}/boundingBoxes", "boundingBoxes cannot be used with coordinates")},
    ),
    "a point without a frame": (
        [(SPEAKER, {"coordinates": [1, 2]})],
        {(f"{SPEAKER}/frameNumber", "coordinates and frameNumber must be used together")},
    ),
    "a frame without a point": (
        [(SPEAKER, {"frameNumber": 1, "boundingBoxes": [None]})],
        {(f"{SPEAKER}/coordinates", "coordinates and frameNumber must be used together")},
    ),
    "ttl without a URL": (
        [("ttl", 60), ("outputType", "base64Data")],
        {
            ("ttl", "ttl applies only when outputType is URL"),
            ("outputType", "Input should be 'URL'"),
        },
    ),
    "a bad number": (
        [("numberResults", 21)],
        {("numberResults", "Input should be less than or equal to 20")},
    ),
}
EDITS = {name: edits for name, (edits, _) in RULES.items()}
OF_VOICES = {"no voice", "two voices", "segments beside audio", "tts without speech"}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_is_broken_alone_is_told_alone(name: str) -> None:
    edits, expected = RULES[name]
    assert told(edited(HEARD, *edits)) == expected


@pytest.mark.parametrize(("one", "other"), combined(EDITS, OF_VOICES))
def test_two_that_are_broken_at_once_are_both_told(one: str, other: str) -> None:
    found = told(edited(HEARD, *EDITS[one], *EDITS[other]))
    assert found == RULES[one][1] | RULES[other][1]


@pytest.mark.parametrize(
    ("times", "place"),
    [
        ({"endTime": 0}, "endTime"),
        ({"startTime": 1.5}, "endTime"),
        ({"startTime": 2, "endTime": 1}, "endTime"),
        ({"audioStartTime": GONE}, "audioStartTime"),
        ({"audioEndTime": GONE}, "audioEndTime"),
    ],
)
def test_rules_of_a_segment_name_its_place(times: dict[str, Any], place: str) -> None:
    edits = [(f"{FIRST}/{name}", value) for name, value in times.items()]
    assert faults(edited(SEGMENTED, *edits)) == {f"{FIRST}/{place}"}


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~é", max_size=3), inner)
    ),
    max_leaves=12,
)


@given(
    valid_requests(EVERYTHING)
    | st.dictionaries(st.sampled_from(["inputs", "settings", "seed", "é"]), JSON).map(OTHER.__or__)
)
@settings(deadline=None)
def test_what_is_sent_holds_all_that_was_given(body: dict[str, Any]) -> None:
    checked = mapping.check(body)
    stored = json.loads(json.dumps(checked.request, ensure_ascii=False))
    [sent] = json.loads(mapping.submit_body(UUID(UUID4), stored, VIDEO))
    for name, value in body.items():
        if name not in mapping.OURS:
            assert json.dumps(sent[name]) == json.dumps(value)
    assert set(sent) - set(body) <= mapping.OURS | {"includeCost"}
    ours = {"taskUUID": UUID4, "webhookURL": VIDEO, "taskType": "videoInference"}
    assert ours.items() <= sent.items()
    assert (checked.notify_url, checked.model) == (body.get("webhookURL"), body["model"])
    assert checked.results_expected == body.get("numberResults", 1)
