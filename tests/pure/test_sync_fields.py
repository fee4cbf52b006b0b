"""Every field and every rule of Sync's `/v2/generate`, on both sides of each bound."""

import copy
import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.upstream import sync_so
from service.providers.sync_so import mapping
from tests.support.requests import (
    AUDIO,
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
from tests.support.sync_fields import (
    DUBBED,
    EDITED,
    HEARD,
    IN_SEGMENTS,
    KNOWN,
    ONE,
    PICTURE,
    SEED_002,
    SHARED,
    SPOKEN,
    STRANGE,
    WHO,
)

UNKNOWN_FIELDS = ("colour", "taskUUID", "options/syncMode", "input/0/video_url", "input/1/volume")
DEEPER_UNKNOWN = (f"{ONE}/volume", f"{ONE}/audioInput/gain", f"{WHO}/box", "dubParams/speed")
SMALLEST = [HEARD, SPOKEN, PICTURE, DUBBED, EDITED, STRANGE, SEED_002, IN_SEGMENTS]


@pytest.mark.parametrize("body", SMALLEST)
def test_valid_bodies_of_each_kind_are_taken(body: dict[str, Any]) -> None:
    assert faults(body) == set()


@pytest.mark.parametrize(("body", "path", "value"), taken([*SHARED, *KNOWN]))
def test_a_good_value_is_taken(body: dict[str, Any], path: str, value: object) -> None:
    assert faults(edited(body, (path, value))) == set()


@pytest.mark.parametrize(("body", "path", "value"), refused([*SHARED, *KNOWN]))
def test_a_bad_value_is_refused_at_its_place(
    body: dict[str, Any], path: str, value: object
) -> None:
    found = faults(edited(body, (path, value)))
    above = {path.rpartition("/")[0], "input"}  # the number of inputs, or what depends on a type
    assert found
    assert any(f"{place}/".startswith(f"{path}/") or place in above for place in found), found


@pytest.mark.parametrize("model", ["sync-3", "sync-9"])
def test_there_is_an_input(model: str) -> None:
    with pytest.raises(ValidationError) as caught:
        sync_so.parse_request({"model": model})
    assert ("input",) in [fault["loc"] for fault in caught.value.errors()]


@pytest.mark.parametrize("path", [*UNKNOWN_FIELDS, *DEEPER_UNKNOWN])
def test_a_field_that_is_not_documented_is_refused(path: str) -> None:
    base = IN_SEGMENTS if path.startswith(ONE) else HEARD
    base = DUBBED if path.startswith("dubParams") else base
    assert faults(edited(base, (path, 1))) == {path}
    if "/" not in path:
        assert faults(edited(STRANGE, (path, 1))) == set()


def test_no_field_is_left_out_of_the_tables() -> None:
    tried = {plain(path) for _, path, *_ in KNOWN}
    assert tried == places(
        sync_so.KnownModelRequest,
        ("input", sync_so.VideoInput),
        ("input/provider", sync_so.Speaker),
        ("input", sync_so.TextInput),
        ("options", sync_so.Options),
        (WHO, sync_so.ActiveSpeakerDetection),
        ("segments", sync_so.Segment),
        ("segments/audioInput", sync_so.AudioCrop),
        ("segments/optionsOverride", sync_so.Override),
        ("dubParams", sync_so.DubParams),
        ("dialogueEdit", sync_so.DialogueEdit),
    )


@pytest.mark.parametrize("kind", ["video", "image", "audio"])
@pytest.mark.parametrize(
    "named", [{"url": VIDEO}, {"assetId": "a"}, {"url": VIDEO, "assetId": "a"}]
)
def test_media_are_named_by_url_or_asset(kind: str, named: dict[str, Any]) -> None:
    other = {"type": "video" if kind == "audio" else "audio", "assetId": "b"}
    body = {"model": "sync-3", "input": [{"type": kind, **named}, other]}
    assert faults(body) == set()
    body["input"] = [{"type": kind}, other]
    assert told(body) == {("input/0/url", "url or assetId is required")}


ONE_VISUAL = ("input", "Exactly one video or image is required")
ONE_VOICE = ("input", "An audio or text input is required")
FEW_VOICES = ("input", "Several audio or text inputs are only possible with segments")
ALONE = ("input", "dubParams and dialogueEdit take one video and nothing else")
A_VIDEO, A_VOICE = {"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}
RULES: dict[str, tuple[list[Edit], set[tuple[str, str]]]] = {
    "no visual": ([("input", [A_VOICE])], {ONE_VISUAL}),
    "two visuals": ([("input", [A_VIDEO, A_VIDEO, A_VOICE])], {ONE_VISUAL}),
    "video and image": ([("input/-", {"type": "image", "url": VIDEO})], {ONE_VISUAL}),
    "no voice": ([("input", [A_VIDEO])], {ONE_VOICE}),
    "two voices": ([("input", [A_VIDEO, A_VOICE, A_VOICE])], {FEW_VOICES}),
    "neither": ([("input", [{"type": "hologram"}])], set()),
    "doubled names": (
        [("input/0/refId", "r"), ("input/1/refId", "r")],
        {("input/1/refId", "refId must be unique")},
    ),
    "dubbed with a voice": ([("dubParams", DUBBED["dubParams"])], {ALONE}),
    "edited with a voice": ([("dialogueEdit", {"id": UUID4})], {ALONE}),
    "a bad number": (
        [("options/speedup", 5)],
        {("options/speedup", "Input should be less than or equal to 4")},
    ),
    "a bad address": ([("projectId", "mine"), ("colour", 1)], set()),
}
EDITS = {name: edits for name, (edits, _) in RULES.items()}
OF_INPUTS = {name for name in RULES if not name.startswith("a bad")}
SEVERAL: dict[str, set[str]] = {
    "neither": {"input", "input/0"},
    "a bad address": {"projectId", "colour"},
}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_that_is_broken_alone_is_told_alone(name: str) -> None:
    edits, expected = RULES[name]
    found = told(edited(HEARD, *edits))
    if name in SEVERAL:
        assert {place for place, _ in found} == SEVERAL[name]
    else:
        assert found == expected


@pytest.mark.parametrize(("one", "other"), combined(EDITS, OF_INPUTS))
def test_two_that_are_broken_at_once_are_both_told(one: str, other: str) -> None:
    alone = told(edited(HEARD, *EDITS[one])) | told(edited(HEARD, *EDITS[other]))
    assert told(edited(HEARD, *EDITS[one], *EDITS[other])) == alone


def test_an_image_is_for_sync_3_and_has_a_voice() -> None:
    place = ("input/0/type", "An image is taken by sync-3 only")
    assert told(edited(PICTURE, ("model", "lipsync-2"))) == {place}
    assert told(edited(DUBBED, ("input/0/type", "image"))) == {ALONE}


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([("segments/1/startTime", 1.99)], {"segments/1"}),
        ([("segments/1/startTime", 2)], set()),
        ([("segments/0/endTime", 0)], set()),
        ([("segments/1/endTime", 1)], {"segments/1/endTime"}),
        ([(f"{ONE}/audioInput/endTime", GONE)], {f"{ONE}/audioInput/endTime"}),
        ([(f"{ONE}/audioInput/startTime", GONE)], {f"{ONE}/audioInput/startTime"}),
        ([(f"{ONE}/audioInput/startTime", 3)], {f"{ONE}/audioInput/endTime"}),
        ([("input/2/refId", GONE)], {"input/2/refId", "segments/1/audioInput/refId"}),
        ([("input/2/refId", "one")], {"input/2/refId", "segments/1/audioInput/refId"}),
        ([("input/0/refId", "v"), (f"{ONE}/audioInput/refId", "v")], {f"{ONE}/audioInput/refId"}),
    ],
)
def test_rules_of_segments_name_their_places(edits: list[Edit], expected: set[str]) -> None:
    assert faults(edited(IN_SEGMENTS, *edits)) == expected


@given(valid_requests([*SHARED, *KNOWN]), st.booleans())
@settings(deadline=None)
def test_what_is_sent_holds_all_that_was_given(body: dict[str, Any], on_sync_3: bool) -> None:
    body = edited(body, ("model", "sync-3")) if on_sync_3 else body
    assume(faults(body) == set())
    checked = mapping.check(body)
    stored = json.loads(json.dumps(checked.request, ensure_ascii=False))
    sent = json.loads(mapping.submit_body(stored, AUDIO))
    assert sent.pop("webhookUrl") == AUDIO
    expected = copy.deepcopy({n: value for n, value in body.items() if n != "webhookUrl"})
    if body["model"] == "sync-3":
        dropped = _without_native(expected)
        assert len(checked.warnings) == dropped
    assert json.dumps(sent) == json.dumps(expected)
    assert checked.notify_url == body.get("webhookUrl")


def _without_native(body: dict[str, Any]) -> int:
    """Take out what sync-3 does by itself, and say how much that was."""
    count = 0
    holders = [(body, "options")]
    holders += [(segment, "optionsOverride") for segment in body.get("segments", ())]
    for holder, field in holders:
        given = holder.get(field, {})
        left = {name: value for name, value in given.items() if name not in mapping.NATIVE}
        count += len(given) - len(left)
        if left != given:
            holder.update({field: left}) if left else holder.pop(field)
    return count
