"""How long a generation of Sync is, and what it costs: a price for each frame of the output."""

from collections.abc import Mapping
from math import ceil
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from schemas.base import numbers, part
from schemas.upstream.sync_rules import VOICES
from service.simulator.media import DURATION_S
from service.simulator.sync_refusals import Refused, bad_request

DOLLARS_PER_FRAME = MappingProxyType(
    {
        "sync-3": 0.00534,
        "lipsync-2-pro": 0.00333,
        "lipsync-2": 0.002,
        "lipsync-1.9.0-beta": 0.001,
        "react-1": 0.00667,
    }
)
USUAL_SECONDS = float(DURATION_S)
"""Inputs are never fetched: their URL may tell its own length, `v.mp4?seconds=12.5`."""
LONGEST_SECONDS = 3600.0
LETTERS_PER_SECOND = 15
FRAMES_PER_SECOND, ESTIMATE_FRAMES_PER_SECOND = 25.0, 30.0
"""The first is what prices are told by; the second is documented for estimates by duration alone."""


def output_seconds(body: Mapping[str, Any]) -> float:
    """Return the length of the output, by `sync_mode` and the lengths of the inputs."""
    video = next((_seconds(item) for item in body["input"] if part(item, "type") == "video"), None)
    voice = next((_seconds(item) for item in body["input"] if part(item, "type") in VOICES), None)
    if voice is None or video is None or part(body, "segments"):
        return video or voice or USUAL_SECONDS
    mode = str(part(body, "options", "sync_mode"))
    return {"cut_off": min(video, voice), "silence": max(video, voice)}.get(mode, voice)


def voice_seconds(body: Mapping[str, Any]) -> float | None:
    """Return the length of the voice that is made from text; None if none is."""
    return next((_seconds(item) for item in body["input"] if part(item, "type") == "text"), None)


def estimate(body: Mapping[str, Any]) -> dict[str, Any]:
    """Estimate a generation as a create would make it."""
    given = part(body, "options", "fps")
    fps = float(given) if numbers(given) else FRAMES_PER_SECOND
    return _estimate(body["model"], output_seconds(body), fps)


def estimate_by_duration(body: object) -> dict[str, Any]:
    """Estimate by a model's name and a duration alone."""
    model, seconds = part(body, "model"), part(body, "duration")
    fps = part(body, "fps")
    fps = ESTIMATE_FRAMES_PER_SECOND if fps is None else fps
    faults = []
    if not isinstance(model, str) or not model:
        faults.append("model must be a string")
    if not numbers(seconds) or not 0 < seconds < float("inf"):
        faults.append("duration must be a positive number")
    if not numbers(fps) or not 0 < fps < float("inf"):
        faults.append("fps must be a positive number")
    if not isinstance(part(body, "reasoningEnabled"), bool | None):
        faults.append("reasoningEnabled must be a boolean value")
    if faults:
        raise bad_request(faults)
    return {**_estimate(model, seconds, fps), "estimatedCredits": None}


def _estimate(model: str, seconds: float, fps: float) -> dict[str, Any]:
    if model not in DOLLARS_PER_FRAME:
        message = "The cost of this model cannot be estimated."
        raise Refused(422, message, errorCode="cost_estimate_unavailable")
    frames = ceil(round(seconds * fps, 6))
    return {
        "estimatedFrameCount": frames,
        "estimatedGenerationCost": round(frames * DOLLARS_PER_FRAME[model], 5),
    }


def _seconds(item: object) -> float:
    script = part(item, "provider", "script")
    if isinstance(script, str):
        return max(1.0, round(len(script) / LETTERS_PER_SECOND, 2))
    url = part(item, "url")
    try:
        text = parse_qs(urlsplit(url).query)["seconds"][0] if isinstance(url, str) else ""
        value = float(text)
    except (KeyError, ValueError):
        return USUAL_SECONDS
    return value if 0 < value <= LONGEST_SECONDS else USUAL_SECONDS
