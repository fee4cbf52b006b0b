"""What the demo submits: the documents' own examples, and what goes wrong in practice.

A scenario travels in a query parameter of the input video's URL, which reaches the simulated upstream unchanged.
"""

from dataclasses import dataclass

PROCESSED = ("task.processing",)
ONE_VIDEO = (*PROCESSED, "video.completed", "task.completed")
VIDEO = "https://assets.sync.so/docs/example-video.mp4"
AUDIO = "https://assets.sync.so/docs/example-audio.wav"
DAVID = "https://synchlabs-public.s3.us-west-2.amazonaws.com/david_demo_short"
DAVID_VIDEO = f"{DAVID}vid-03a10044-7741-4cfc-816a-5bccd392d1ee.mp4"
DAVID_AUDIO = f"{DAVID}aud-27623a4f-edab-4c6a-8383-871b18961a4a.wav"


@dataclass(frozen=True, slots=True)
class Case:
    """One submission, and what has to come of it."""

    name: str
    provider: str
    request: dict[str, object]
    state: str = "completed"
    events: tuple[str, ...] = ONE_VIDEO
    must_see: tuple[str, ...] = ()
    """Entries `kind:name` that the timeline has to hold besides."""
    generations: int = 1
    """How many generations the upstream may bill for it."""


def cases(notify_url: str) -> tuple[Case, ...]:
    """Give the cases; `notify_url` is what one of them asks to be told at."""
    return (
        Case("sync-3: video and audio", "runware", _runware()),
        Case(
            "numberResults: 2",
            "runware",
            _runware(numberResults=2),
            events=(*PROCESSED, "video.completed", "video.completed", "task.completed"),
        ),
        Case("speech instead of audio", "runware", _speech()),
        Case("settings.segments", "runware", _segments()),
        Case("lipsync-1.9.0-beta, notifyURL", "sync", _lipsync(notify_url)),
        Case("sync-3 at Sync", "sync", _sync_3()),
        Case(
            "its callback is lost",
            "runware",
            _runware(simulate="lost"),
            must_see=("upstream:read",),
        ),
        Case(
            "called back twice, early",
            "sync",
            _sync_3("early,double"),
            must_see=("callback:applied", "callback:duplicate"),
        ),
        Case(
            "the upstream fails it",
            "runware",
            _runware(simulate="fail:timeoutProvider"),
            state="failed",
            events=(*PROCESSED, "video.failed", "task.failed"),
        ),
        Case(
            "the upstream rejects it",
            "runware",
            _runware(simulate="reject"),
            state="rejected",
            events=("video.failed", "task.rejected"),
            generations=0,
        ),
    )


def _runware(*, simulate: str = "", **more: object) -> dict[str, object]:
    video = f"{VIDEO}?simulate={simulate}" if simulate else VIDEO
    return {
        "model": "sync:3@0",
        "inputs": {"video": video, "audio": AUDIO},
        "settings": {"syncMode": "cut_off"},
        **more,
    }


def _speech() -> dict[str, object]:
    return {
        "model": "sync:3@0",
        "inputs": {"video": VIDEO},
        "speech": {"text": "Every frame of this shot was made in one go.", "voice": "auto"},
        "settings": {"tts": {"provider": "elevenlabs", "stability": 0.5}},
    }


def _segments() -> dict[str, object]:
    first = {"startTime": 0, "endTime": 2.5, "audio": AUDIO}
    second = {
        "startTime": 2.5,
        "endTime": 5,
        "audio": AUDIO,
        "audioStartTime": 1,
        "audioEndTime": 3.5,
    }
    return {
        "model": "sync:3@0",
        "inputs": {"video": VIDEO},
        "settings": {"segments": [first, second]},
    }


def _lipsync(notify_url: str) -> dict[str, object]:
    return {
        "model": "lipsync-1.9.0-beta",
        "input": [
            {"type": "video", "url": DAVID_VIDEO},
            {"type": "audio", "url": DAVID_AUDIO},
        ],
        "options": {
            "pads": [0, 5, 0, 0],
            "speedup": 1,
            "temperature": 0.5,
            "output_format": "mp4",
            "sync_mode": "bounce",
            "fps": 25,
            "output_resolution": [1280, 720],
            "active_speaker": True,
        },
        "webhookUrl": notify_url,
    }


def _sync_3(simulate: str = "") -> dict[str, object]:
    video = f"{VIDEO}?simulate={simulate}" if simulate else VIDEO
    return {
        "model": "sync-3",
        "input": [{"type": "video", "url": video}, {"type": "audio", "url": AUDIO}],
    }
