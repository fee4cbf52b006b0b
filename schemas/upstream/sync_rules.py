"""The rules between fields of a request for Sync's `/v2/generate`, read off the raw body.

The body may be malformed anywhere: what a rule cannot read breaks it not.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..base import Where, numbers, part

Broken = Iterator[tuple[Where, str]]

VISUALS, VOICES = ("video", "image"), ("audio", "text")
IMAGE_MODEL = "sync-3"


def of_inputs(body: Mapping[str, Any]) -> Broken:
    """Yield what is wrong with how many inputs there are of which kind, and with their names."""
    items = _list(body, "input")
    kinds = [part(item, "type") for item in items]
    visuals = [kind for kind in kinds if kind in VISUALS]
    voices = [kind for kind in kinds if kind in VOICES]
    if len(visuals) != 1:
        yield ("input",), "Exactly one video or image is required"
    if "image" in visuals and part(body, "model") != IMAGE_MODEL:
        yield ("input", kinds.index("image"), "type"), f"An image is taken by {IMAGE_MODEL} only"
    if part(body, "dubParams") is not None or part(body, "dialogueEdit") is not None:
        if voices or "image" in visuals:
            yield ("input",), "dubParams and dialogueEdit take one video and nothing else"
    elif not voices:
        yield ("input",), "An audio or text input is required"
    elif len(voices) > 1 and part(body, "segments") is None:
        yield ("input",), "Several audio or text inputs are only possible with segments"
    yield from _doubled_names(items)


def of_segments(body: Mapping[str, Any]) -> Broken:
    """Yield what is wrong with segments: with what they refer to, and with their times."""
    segments = _list(body, "segments")
    if segments:
        yield from _references(_list(body, "input"), segments)
        yield from _times(segments)


def _list(body: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = part(body, name)
    return value if isinstance(value, list) else ()


def _doubled_names(items: Sequence[Any]) -> Broken:
    names: set[str] = set()
    for index, item in enumerate(items):
        name = part(item, "refId")
        if isinstance(name, str):
            if name in names:
                yield ("input", index, "refId"), "refId must be unique"
            names.add(name)


def _references(items: Sequence[Any], segments: Sequence[Any]) -> Broken:
    names = [part(item, "refId") for item in items if part(item, "type") in VOICES]
    for index, item in enumerate(items):
        if part(item, "type") in VOICES and part(item, "refId") is None:
            yield ("input", index, "refId"), "refId is required with segments"
    for index, segment in enumerate(segments):
        name = part(segment, "audioInput", "refId")
        if isinstance(name, str) and name not in names:
            place = ("segments", index, "audioInput", "refId")
            yield place, "refId names no audio or text input"


def _times(segments: Sequence[Any]) -> Broken:
    taken: list[tuple[float, float]] = []
    for index, segment in enumerate(segments):
        start, end = part(segment, "startTime"), part(segment, "endTime")
        if numbers(start, end):
            if end < start:
                yield ("segments", index, "endTime"), "endTime must not be less than startTime"
            if any(start < other_end and other_start < end for other_start, other_end in taken):
                yield ("segments", index), "Segments must not overlap"
            taken.append((start, end))
        yield from _crop(index, part(segment, "audioInput"))


def _crop(index: int, crop: object) -> Broken:
    start, end = part(crop, "startTime"), part(crop, "endTime")
    place = ("segments", index, "audioInput")
    if (start is None) != (end is None):
        missing = "startTime" if start is None else "endTime"
        yield (*place, missing), "startTime and endTime come as a pair"
    if numbers(start, end) and end < start:
        yield (*place, "endTime"), "endTime must not be less than startTime"
