"""Bodies for the OpenAPI document, as callers would send them. Each is tried by a test."""

import json
from typing import Final

VIDEO: Final = "https://assets.sync.so/docs/example-video.mp4"
AUDIO: Final = "https://assets.sync.so/docs/example-audio.wav"

_LIP_SYNC: Final = {
    "model": "sync:3@0",
    "inputs": {"video": VIDEO, "audio": AUDIO},
    "settings": {"syncMode": "cut_off"},
    "numberResults": 2,
}
_GENERATE: Final = {
    "model": "sync-3",
    "input": [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}],
    "options": {"sync_mode": "cut_off"},
}
_RUNWARE: Final = {
    "provider": "runware",
    "request": _LIP_SYNC,
    "labels": {"project": "spring-campaign"},
    "metadata": {"orderId": 4711},
    "deadlineSeconds": 7200,
}
_SYNC: Final = {"provider": "sync", "request": _GENERATE}
_OTHER_MODEL: Final = {
    "provider": "runware",
    "request": {"model": "klingai:5@3", "positivePrompt": "A cat on a swing", "duration": 5},
}

SUBMISSIONS: Final[dict[str, object]] = {
    "runware": _RUNWARE,
    "sync": _SYNC,
    "anotherModel": _OTHER_MODEL,
    "several": [_RUNWARE, _SYNC],
}
BATCHES: Final[dict[str, object]] = {"twoLines": "\n".join(map(json.dumps, (_RUNWARE, _SYNC)))}
RETRIES: Final[dict[str, object]] = {"oneMore": {"again": True}, "anyway": {"force": True}}
PAUSES: Final[dict[str, object]] = {"withReason": {"reason": "The invoice is being paid."}}
ESTIMATES: Final[dict[str, object]] = {
    "runware": {"provider": "runware", "request": _LIP_SYNC, "durationSeconds": 12.5},
    "sync": {"provider": "sync", "request": _GENERATE, "durationSeconds": 12.5, "fps": 25},
}
SUBSCRIPTIONS: Final[dict[str, object]] = {
    "webhook": {
        "url": "https://app.example/hooks",
        "types": ["video.*", "task.failed"],
        "labels": {"project": "spring-campaign"},
    },
    "expensiveVideos": {
        "url": "https://app.example/hooks",
        "types": ["video.completed"],
        "condition": '$.result.cost > 0.5 && $.task.labels.project == "spring"',
        "headers": {"Authorization": "Bearer 5e1f"},
        "signatures": ["v1", "v1a"],
        "concurrency": 4,
    },
    "file": {"kind": "file", "settings": {"path": "events.jsonl"}},
}
PATCHES: Final[dict[str, object]] = {
    "pause": {"enabled": False},
    "narrow": {
        "types": ["task.*"],
        "condition": 'exists($.results[*] ? (@.state == "failed"))',
        "labels": {"project": None},
    },
}
REPLAYS: Final[dict[str, object]] = {
    "givenUp": {"since": "2026-01-31T12:00:00Z", "state": "failed"},
    "fromBefore": {
        "since": "2026-01-31T12:00:00Z",
        "until": "2026-02-01T12:00:00Z",
        "state": "missing",
        "types": ["video.*"],
        "ratePerSecond": 10,
    },
}
LINKS: Final[dict[str, object]] = {
    "anHour": {},
    "aDayToSave": {"expiresInSeconds": 86_400, "download": True},
}
ROTATIONS: Final[dict[str, object]] = {
    "atOnce": {"overlapSeconds": 0},
    "twoDays": {"overlapSeconds": 172_800},
}
