"""Every field of Sync's `/v2/generate`: what is taken in its place, and what is not."""

from typing import Any

from schemas.upstream import sync_so
from tests.support.requests import GONE, UUID4, VIDEO, Field, a_request, edited

SEED_002, HEARD = a_request("sync_seed_002"), a_request("sync_seed_003")
IN_SEGMENTS = a_request("sync_segments")
ACTED = edited(HEARD, ("model", "lipsync-2"))
SPEAKER = {"name": "elevenlabs", "voiceId": "v1", "script": "Hello"}
SPOKEN = edited(HEARD, ("input/1", {"type": "text", "provider": SPEAKER}))
PICTURE = edited(HEARD, ("input/0/type", "image"))
DUBBED: dict[str, Any] = {
    "model": "sync-3",
    "input": [{"type": "video", "url": VIDEO}],
    "dubParams": {"providerName": "elevenlabs", "targetLang": "fr"},
}
EDITED = edited(DUBBED, ("dubParams", GONE), ("dialogueEdit", {"id": UUID4}))
STRANGE: dict[str, Any] = {"model": "sync-9", "input": [{"type": "hologram"}]}
URLS = ["http://a.example", f"{VIDEO}?X-Signature=a%2Fb", "https://[::1]:8443/é"]
NO_URLS = [
    "",
    "v.mp4",
    "https:a.example",
    "https:///a.example",
    "https:\\\\a.example",
    "ftp://example.com/v",
    "s3://b/o",
    "https://example.com/a b",
    1,
    {},
]
MODES = ["loop", "bounce", "cut_off", "silence", "remap"]
UNIT: list[Any] = [0, 0.123, 1, 1.0]
NO_UNIT: list[Any] = [-0.01, 1.01, "1", True, float("nan"), 10**400]
FLAG: list[Any] = [True, False]
NO_FLAG: list[Any] = ["yes", 0]
BOXES = [[], [None], [None, [1, 2, 3.5, 4]]]
NO_BOXES = [[1, 2, 3, 4], [[1, 2, 3]], [[1, 2, 3, 4, 5]], [{}], {}]
ONE, OPTIONS, WHO = "segments/0", "options", "options/active_speaker_detection"

SHARED: list[Field] = [
    (STRANGE, "model", ["lipsync-2-mini", "x"], ["", 1]),
    (STRANGE, "input", [[1], [None]], [[], {}, "abc"]),
    (STRANGE, "webhookUrl", URLS, NO_URLS),
    (STRANGE, "outputFileName", ["x", "x" * 255, "A-z_09", "é.mp4 of mine"], ["", "x" * 256, 1]),
    (STRANGE, "projectId", [UUID4, UUID4.upper()], ["mine", f"{UUID4}0", f"{UUID4}\n", 1]),
]
"""What all models share; a model that nobody knows has only these."""
KNOWN: list[Field] = [
    *((HEARD, path, good, bad) for _, path, good, bad in SHARED[2:]),
    (HEARD, "model", sorted(sync_so.MODELS), [1, ""]),
    (HEARD, "input", [], [[], "abc", {}]),
    (HEARD, "input/0", [{"type": "video", "url": VIDEO}], [7, "x", [], {}, {"type": []}]),
    (HEARD, "input/0/type", ["video", "image"], ["VIDEO", "hologram", "", 1, GONE]),
    (HEARD, "input/0/url", URLS, [*NO_URLS, GONE]),
    (HEARD, "input/0/assetId", ["asset-1", UUID4], ["", 1]),
    (HEARD, "input/0/refId", ["r"], ["", 1]),
    (
        HEARD,
        "input/0/segments_secs",
        [[], [[0, 1.5]], [[0, 1], [2, 3]]],
        [[[1]], [[1, 2, 3]], [1, 2]],
    ),
    (HEARD, "input/0/segments_secs", [], [[[-1, 2]], [["0", 2]], {}]),
    (HEARD, "input/0/segments_frames", [[], [[0, 24.0]], [[0, 1], [2, 3]]], [[[1]], [[1, 2, 3]]]),
    (HEARD, "input/0/segments_frames", [], [[[-1, 2]], [[0, 1.5]], [1, 2]]),
    (SPOKEN, "input/1/provider", [SPEAKER], [{}, [], "elevenlabs", GONE]),
    (SPOKEN, "input/1/provider/name", ["elevenlabs"], ["other", "", GONE]),
    (SPOKEN, "input/1/provider/voiceId", ["v"], ["", 1, GONE]),
    (SPOKEN, "input/1/provider/script", ["x", "x" * 5000], ["", "x" * 5001, 1, GONE]),
    (SPOKEN, "input/1/provider/stability", UNIT, NO_UNIT),
    (SPOKEN, "input/1/provider/similarityBoost", UNIT, NO_UNIT),
    (HEARD, "options", [{}], [[], "x"]),
    (ACTED, "options/sync_mode", MODES, ["stretch", "cutOff", ""]),
    (ACTED, "options/temperature", UNIT, NO_UNIT),
    (ACTED, "options/occlusion_detection_enabled", FLAG, NO_FLAG),
    (ACTED, "options/reasoning_enabled", FLAG, NO_FLAG),
    (ACTED, "options/active_speaker", FLAG, NO_FLAG),
    (ACTED, "options/model_mode", ["lips", "face", "head"], ["body", ""]),
    (ACTED, "options/prompt", ["happy", "sad", "angry"], ["bored", "a cat", ""]),
    (ACTED, "options/prompt", ["disgusted", "surprised", "neutral"], []),
    (ACTED, "options/pads", [[0, 5, 0, 0]], [[0, 0, 0], [0] * 5, [0, 0, 0, 0.5], ["0"] * 4]),
    (ACTED, "options/speedup", [1, 2, 3, 4, 4.0], [0, 5, 1.5, "1", True]),
    (ACTED, "options/output_format", ["mp4", "mov"], ["webm", "MP4", ""]),
    (ACTED, "options/fps", [0.01, 23.976, 25, 120], [0, -25, "25", float("inf")]),
    (
        ACTED,
        "options/output_resolution",
        [[1, 1], [1280, 720.0]],
        [[1280], [1, 2, 3], [0, 720], [1.5, 1]],
    ),
    (ACTED, WHO, [{}], [[], True]),
    (ACTED, f"{WHO}/auto_detect", FLAG, NO_FLAG),
    (ACTED, f"{WHO}/frame_number", [0, 7, 7.0], [-1, 0.5, "0", True]),
    (ACTED, f"{WHO}/coordinates", [[0, 0], [1.5, 2]], [[[1, 2]], [1], [1, 2, 3], ["1", 2]]),
    (ACTED, f"{WHO}/bounding_boxes", BOXES, NO_BOXES),
    (ACTED, f"{WHO}/bounding_boxes_url", URLS, NO_URLS),
    (ACTED, f"{WHO}/v3", FLAG, NO_FLAG),
    (ACTED, f"{WHO}/use_v2", FLAG, NO_FLAG),
    (ACTED, f"{WHO}/face_image", ["any"], [1, []]),
    (IN_SEGMENTS, "segments", [], [[], {}, "x", [1]]),
    (IN_SEGMENTS, f"{ONE}/startTime", [0, 0.001, 2], [-0.01, "0", GONE]),
    (IN_SEGMENTS, f"{ONE}/endTime", [0, 1.2345, 2], [-0.01, "1", GONE]),
    (IN_SEGMENTS, f"{ONE}/audioInput", [{"refId": "two"}], [{}, [], "one", GONE]),
    (IN_SEGMENTS, f"{ONE}/audioInput/refId", ["one", "two"], ["", "three", 1, GONE]),
    (IN_SEGMENTS, f"{ONE}/audioInput/startTime", [0, 2], [-0.01, "0"]),
    (IN_SEGMENTS, f"{ONE}/audioInput/endTime", [0, 2.5], [-0.01, "0"]),
    (IN_SEGMENTS, f"{ONE}/optionsOverride", [{}], [[], "x", {"speedup": 1}]),
    (IN_SEGMENTS, f"{ONE}/optionsOverride/sync_mode", MODES, ["stretch"]),
    (IN_SEGMENTS, f"{ONE}/optionsOverride/temperature", UNIT, NO_UNIT),
    (IN_SEGMENTS, f"{ONE}/optionsOverride/occlusion_detection_enabled", FLAG, NO_FLAG),
    (IN_SEGMENTS, f"{ONE}/optionsOverride/active_speaker_detection", [{}], [[], True]),
    (DUBBED, "dubParams", [], [[], {}, "fr"]),
    (DUBBED, "dubParams/providerName", ["elevenlabs"], ["other", GONE]),
    (DUBBED, "dubParams/targetLang", ["fr", "pt-BR"], ["", 1, GONE]),
    (DUBBED, "dubParams/sourceLang", ["auto", "en"], ["", 1]),
    (DUBBED, "dubParams/numSpeakers", [0, 1, 9], [-1, 1.5, "1"]),
    (EDITED, "dialogueEdit", [], [[], {}]),
    (EDITED, "dialogueEdit/id", [UUID4], ["x", "", GONE]),
]
