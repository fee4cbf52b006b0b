"""Runware's `videoInference`: request, acknowledgement, results, errors, polls and callbacks.

Two ages of the sync-3 page disagree; a field that differs takes the wider of the two and says so.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from ..base import (
    Forgiven,
    HttpUrlText,
    Lenient,
    Request,
    Where,
    Whole,
    checked_url,
    numbers,
    part,
)

LIP_SYNC_MODELS = frozenset({"sync:3@0", "sync:lipsync@3"})
"""Both ids of sync-3: the newer one, and the one that its page had until July 2026.

Whether the older is still taken is not known (UNKNOWNS.md), so both are.
"""

AIR = r"^[A-Za-z0-9_.\-]+:[A-Za-z0-9_.\-]+@[A-Za-z0-9_.\-]+$"
UUID_V4 = r"(?i)^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

VOICES = (("inputs", "audio"), ("speech",), ("settings", "segments"))


def _media(text: str) -> str:
    """Take a URL, or the UUID of a stored media file."""
    try:
        UUID(text)
    except ValueError:
        return checked_url(text)
    return text


Media = Annotated[str, AfterValidator(_media)]
UnitFloat = Annotated[float, Field(ge=0, le=1)]
BoundingBoxes = list[Annotated[list[float], Field(min_length=4, max_length=4)] | None]
Seconds = Annotated[float, Field(multiple_of=0.01)]


class Safety(Request):
    """Content checking; `mode` wins over `checkContent`."""

    checkContent: bool | None = None
    mode: Literal["none", "fast", "full"] | None = None


class RunwareVideoRequest(Request, extra="allow"):
    """A caller's request for any model: the platform's fields are checked, the model's own pass.

    Callboard sets `taskType`, `taskUUID`, `webhookURL` and `deliveryMethod`, so none is required.
    `inputs`, `settings` and whatever else a model has are carried as they are, nulls included.
    """

    model: str = Field(pattern=AIR)
    taskType: Literal["videoInference"] | None = None
    taskUUID: str | None = Field(default=None, pattern=UUID_V4)
    webhookURL: HttpUrlText | None = None
    deliveryMethod: Literal["async", "sync"] | None = None
    """`sync` is refused all the same, by `providers.runware.mapping`: it would hold a call for minutes."""
    outputType: Literal["URL"] | None = None
    """The only one for videos; that answers can hold `videoBase64Data` is said of other task types."""
    outputFormat: Literal["MP4", "WEBM", "MOV"] | None = None
    outputQuality: Whole | None = Field(default=None, ge=20, le=99)
    uploadEndpoint: HttpUrlText | None = None
    safety: Safety | None = None
    ttl: Whole | None = Field(default=None, ge=60)
    includeCost: bool | None = None
    numberResults: Whole | None = Field(default=None, ge=1, le=20)
    """1 to 20 by one age of the page, 1 to 4 by the other: the wider is taken."""

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what breaks the platform's own rules between fields."""
        if part(body, "ttl") is not None and part(body, "outputType") not in (None, "URL"):
            yield ("ttl",), "ttl applies only when outputType is URL"


class Inputs(Request):
    """What is to be synchronised."""

    video: Media
    audio: Media | None = None


class Speech(Request):
    """Text to be spoken; only one age of the page has it, and the newest official SDK has not."""

    text: str = Field(min_length=1, max_length=5000)
    voice: str | None = Field(default=None, min_length=1)
    """The page says both "required" and "default: auto": the wider is taken, Runware chooses then."""


class ActiveSpeakerDetection(Request):
    """Whose lips move, in a clip with several people."""

    autoDetect: bool | None = None
    boundingBoxes: BoundingBoxes | None = None
    """One box a frame; null where a frame shows no face."""
    coordinates: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    frameNumber: Whole | None = Field(default=None, ge=0)
    """Only one age of the page describes it; the other counts it among four properties."""


class Segment(Request):
    """A stretch of the video with an audio source of its own."""

    startTime: Annotated[Seconds, Field(ge=0)]
    endTime: Seconds
    audio: Media
    """A URL by the page; a UUID is taken too, as in `inputs.audio`."""
    audioStartTime: Annotated[Seconds, Field(ge=0)] | None = None
    audioEndTime: Annotated[Seconds, Field(ge=0)] | None = None


class Tts(Request):
    """How `speech` is spoken."""

    provider: str | None = Field(default=None, min_length=1)
    stability: UnitFloat | None = None
    similarityBoost: UnitFloat | None = None


class Settings(Request):
    """The model's own options: those of both ages of the page.

    One of them lacks `temperature`, `emotion`, `mode` and `occlusionDetection`.
    """

    temperature: Annotated[UnitFloat, Field(multiple_of=0.01)] | None = None
    activeSpeakerDetection: ActiveSpeakerDetection | None = None
    emotion: Literal["happy", "sad", "angry", "disgusted", "surprised", "neutral"] | None = None
    """The page says six values without naming them; these are sync's own six."""
    mode: Literal["lips", "face", "head"] | None = None
    """Three values, likewise not named there."""
    occlusionDetection: bool | None = None
    segments: list[Segment] | None = Field(default=None, min_length=1)
    syncMode: Literal["bounce", "cut_off", "silence", "remap"] | None = None
    tts: Tts | None = None


class LipSyncRequest(RunwareVideoRequest, extra="forbid"):
    """A caller's request for sync-3, checked in full."""

    deliveryMethod: Literal["async"] | None = None
    inputs: Inputs
    speech: Speech | None = None
    settings: Settings | None = None
    routing: dict[str, Any] | None = None
    """In the newest official SDK only; its meaning is not documented."""

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what breaks the page's section "Compatibility & Validation"."""
        yield from super().broken_rules(body)
        given = [place for place in VOICES if part(body, *place) is not None]
        if len(given) != 1:
            where = given[1] if given else VOICES[0]
            yield where, "Exactly one of inputs.audio, speech, settings.segments is required"
        if part(body, "settings", "tts") is not None and part(body, "speech") is None:
            yield ("settings", "tts"), "settings.tts requires speech"
        yield from _speaker_rules(part(body, "settings", "activeSpeakerDetection"))
        segments = part(body, "settings", "segments")
        for index, segment in enumerate(segments if isinstance(segments, list) else ()):
            for field, rule in _segment_rules(segment):
                yield ("settings", "segments", index, field), rule


def _speaker_rules(speaker: object) -> Iterator[tuple[Where, str]]:
    at = ("settings", "activeSpeakerDetection")
    point, frame = part(speaker, "coordinates"), part(speaker, "frameNumber")
    if point is not None and part(speaker, "boundingBoxes") is not None:
        yield (*at, "boundingBoxes"), "boundingBoxes cannot be used with coordinates"
    if (point is None) != (frame is None):
        missing = "coordinates" if point is None else "frameNumber"
        yield (*at, missing), "coordinates and frameNumber must be used together"


def _segment_rules(segment: object) -> Iterator[tuple[str, str]]:
    start, end = part(segment, "startTime"), part(segment, "endTime")
    if numbers(start, end) and end <= start:
        yield "endTime", "endTime must be greater than startTime"
    audio_start, audio_end = part(segment, "audioStartTime"), part(segment, "audioEndTime")
    if (audio_start is None) != (audio_end is None):
        missing = "audioStartTime" if audio_start is None else "audioEndTime"
        yield missing, "audioStartTime and audioEndTime must be used together"


def parse_request(body: object) -> RunwareVideoRequest:
    """Validate a caller's request: sync-3 in full, any other model by the platform's fields.

    Raises:
        pydantic.ValidationError: with all faults.
    """
    model = part(body, "model")
    known = isinstance(model, str) and model in LIP_SYNC_MODELS
    return (LipSyncRequest if known else RunwareVideoRequest).model_validate(body)


class RunwareError(Lenient):
    """One entry of `errors`, or an error inside a data item; all but `code` may be missing."""

    code: Forgiven[str] = None
    message: Forgiven[str] = None
    parameter: Forgiven[str | list[str]] = None
    type: Forgiven[str] = None
    status: Forgiven[str] = None
    taskType: Forgiven[str] = None
    taskUUID: Forgiven[str] = None
    documentation: Forgiven[str] = None
    allowedValues: Forgiven[list[Any]] = None


class RunwareItem(Lenient):
    """One entry of `data`: an acknowledgement, a result, or the row of a running generation.

    Which one is told by what is there, not by `status`, which callbacks may lack.
    """

    taskType: Forgiven[str] = None
    taskUUID: Forgiven[str] = None
    status: Forgiven[str] = None
    progress: Forgiven[float] = None
    videoUUID: Forgiven[str] = None
    videoURL: Forgiven[str] = None
    videoBase64Data: Forgiven[str] = None
    videoDataURI: Forgiven[str] = None
    mediaUUID: Forgiven[str] = None
    mediaURL: Forgiven[str] = None
    seed: Forgiven[int] = None
    NSFWContent: Forgiven[bool] = None
    cost: Forgiven[float] = None
    error: Forgiven[RunwareError] = None
    code: Forgiven[str] = None
    message: Forgiven[str] = None


class RunwareEnvelope(Lenient):
    """An answer, or an enveloped callback. `errors` is left out when it would be empty."""

    data: list[RunwareItem] | None = None
    errors: list[RunwareError] | None = None
    error: Forgiven[RunwareError | list[RunwareError]] = None
    """The old singular form; the oldest has `true` here, which comes out as None."""


class RunwareTaskDetails(Lenient):
    """The item that `getTaskDetails` answers: the archived request and the last response to it."""

    taskType: Forgiven[str] = None
    taskUUID: Forgiven[str] = None
    request: Forgiven[list[dict[str, Any]]] = None
    response: Forgiven[RunwareEnvelope] = None
