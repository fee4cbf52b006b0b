"""Every field of Runware's `videoInference`: what is taken in its place, and what is not."""

from typing import Any

from tests.support.requests import AUDIO, GONE, UUID1, UUID4, VIDEO, Field, a_request

HEARD = a_request("runware_audio")
SPOKEN, SEGMENTED = a_request("runware_speech"), a_request("runware_segments")
OTHER: dict[str, Any] = {"model": "klingai:5@3"}
BOX = [0, 0, 1.5, 2]
SEGMENT = {"startTime": 0, "endTime": 1.5, "audio": AUDIO}
SPEAKER = "settings/activeSpeakerDetection"
FIRST = "settings/segments/0"
URLS = ["http://a.example", f"{VIDEO}?X-Signature=a%2Fb", "https://[::1]:8443/é"]
NO_URLS = [
    "",
    "v.mp4",
    "https:a.example",
    "https:///a.example",
    "https:\\\\a.example",
    "ftp://example.com/v",
    "s3://b/o",
    "https://",
    "https://example.com/a b",
    1,
]
NOT_WHOLE: list[Any] = ["60", True, 60.5, float("inf"), [60]]

PLATFORM: list[Field] = [
    (
        OTHER,
        "model",
        ["civitai:1@2", "a.b-c_d:5@v1"],
        ["sync-3", "a:b", "a@b", "a:b@", "a:b@c ", 3],
    ),
    (OTHER, "taskType", ["videoInference"], ["imageInference", "", 1]),
    (OTHER, "taskUUID", [UUID4, UUID4.upper()], [UUID1, UUID4[:-1], UUID4 + "0", f"{UUID4}\n", 4]),
    (OTHER, "webhookURL", URLS, NO_URLS),
    (OTHER, "deliveryMethod", ["async"], ["later", "", ["async"], {}]),
    (OTHER, "outputType", ["URL"], ["base64Data", "dataURI", "url", ["URL"], {}]),
    (OTHER, "outputFormat", ["MP4", "WEBM", "MOV"], ["mp4", "GIF", ""]),
    (OTHER, "outputQuality", [20, 99, 20.0], [19, 100, 95.5, "95", True]),
    (OTHER, "uploadEndpoint", URLS, NO_URLS),
    (OTHER, "safety", [{}], [[], "fast", True]),
    (OTHER, "safety/checkContent", [True, False], ["true", 1]),
    (OTHER, "safety/mode", ["none", "fast", "full"], ["strict", "", True]),
    (OTHER, "ttl", [60, 61, 10**9], [59, 0, -60, *NOT_WHOLE]),
    (OTHER, "includeCost", [True, False], [1, "true"]),
    (OTHER, "numberResults", [1, 4, 5, 20], [0, 21, -1, 1.5, "2", True]),
]
"""What all models share."""
LIP_SYNC: list[Field] = [
    (HEARD, "model", ["sync:3@0", "sync:lipsync@3"], []),
    (HEARD, "deliveryMethod", ["async"], ["sync"]),
    (HEARD, "inputs", [{"video": VIDEO, "audio": AUDIO}], [[], "x"]),
    (HEARD, "inputs/video", [UUID4, UUID1, *URLS], [*NO_URLS, GONE]),
    (HEARD, "inputs/audio", [UUID4, *URLS], NO_URLS),
    (SPOKEN, "speech", [{"text": "Hi"}], [[], "Hi"]),
    (SPOKEN, "speech/text", ["x", "x" * 5000, "日" * 5000], ["", "x" * 5001, 1, GONE]),
    (SPOKEN, "speech/voice", ["auto", "v1", GONE], ["", 1]),
    (HEARD, "settings", [{}], [[], "x"]),
    (HEARD, "settings/temperature", [0, 0.01, 0.29, 1, 1.0], [-0.01, 1.01, 0.655, "1", True]),
    (HEARD, "settings/temperature", [], [float("nan"), float("inf"), 10**400]),
    (HEARD, SPEAKER, [{}], [[], True]),
    (HEARD, f"{SPEAKER}/autoDetect", [True, False], ["yes", 0]),
    (HEARD, f"{SPEAKER}/boundingBoxes", [[], [None], [None, BOX, None]], [BOX, [[0, 0, 1]], [{}]]),
    (
        HEARD,
        f"{SPEAKER}/boundingBoxes",
        [],
        [[[0, 0, 1, 2, 3]], [[0, 0, 1, "2"]], [[0, 0, 1, None]]],
    ),
    (HEARD, "settings/emotion", ["happy", "sad", "angry"], ["bored", "", 1]),
    (HEARD, "settings/emotion", ["disgusted", "surprised", "neutral"], []),
    (HEARD, "settings/mode", ["lips", "face", "head"], ["body", ""]),
    (HEARD, "settings/occlusionDetection", [True, False], ["no", 1]),
    (HEARD, "settings/syncMode", ["bounce", "cut_off", "silence", "remap"], ["loop", "cutOff", ""]),
    (SPOKEN, "settings/tts", [{}], [[], "elevenlabs"]),
    (SPOKEN, "settings/tts/provider", ["elevenlabs", "other"], ["", 1]),
    (SPOKEN, "settings/tts/stability", [0, 0.123, 1], [-0.01, 1.01, "1", True]),
    (SPOKEN, "settings/tts/similarityBoost", [0, 0.123, 1], [-0.01, 1.01, "1", True]),
    (SEGMENTED, "settings/segments", [[SEGMENT], [SEGMENT] * 50], [[], {}, SEGMENT, [7]]),
    (SEGMENTED, f"{FIRST}/startTime", [0, 0.01, 1.49], [-0.01, 0.001, "0", GONE]),
    (SEGMENTED, f"{FIRST}/endTime", [0.01, 86399.99], [1.505, 0, "1", GONE]),
    (SEGMENTED, f"{FIRST}/audio", [UUID4, *URLS], [*NO_URLS, GONE]),
    (SEGMENTED, f"{FIRST}/audioStartTime", [0, 0.01], [-0.01, 0.001, "0", GONE]),
    (SEGMENTED, f"{FIRST}/audioEndTime", [0, 0.01], [-0.01, 0.001, "1", GONE]),
    (HEARD, "routing", [{}, {"any": [1]}], [[], "x"]),
]
"""What sync-3 has of its own."""
PAIRED: list[Field] = [
    (HEARD, f"{SPEAKER}/coordinates", [[0, 0], [1.5, 2]], [[1], [1, 2, 3], [[1, 2]], ["1", 2]]),
    (HEARD, f"{SPEAKER}/frameNumber", [0, 7, 10**6], [-1, 1.5, "0", True]),
]
"""Two that come together only; each is tried beside a good other one."""


def on_sync_3(table: list[Field]) -> list[Field]:
    """Try what all models share on sync-3 too."""
    return [(HEARD, path, good, bad) for _, path, good, bad in table if path != "model"]


EVERYTHING = [*PLATFORM, *on_sync_3(PLATFORM), *LIP_SYNC]
