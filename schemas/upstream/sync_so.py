"""Sync's `/v2/generate`: request, generation object (answer, poll and callback) and error bodies.

Fields are camelCase, those inside `options` snake_case. Ages of the documents disagree; a field that
differs takes the wider and says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from schemas.base import Forgiven, HttpUrlText, Lenient, Request, Where, numbers, part

TODAY = ("sync-3", "lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta", "react-1")
MODELS = frozenset({*TODAY, "lipsync-1.8.0", "lipsync-1.7.1", "lipsync-1.6.0"})
"""The public models of today, and the older ones that the documents still name."""

SyncMode = Literal["loop", "bounce", "cut_off", "silence", "remap"]
UnitFloat = Annotated[float, Field(ge=0, le=1)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


UuidText = Annotated[str, Field(pattern=r"(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Size = Annotated[list[Annotated[int, Field(gt=0)]], Field(min_length=2, max_length=2)]
BoundingBoxes = list[Annotated[list[float], Field(min_length=4, max_length=4)] | None]


class MediaInput(Request):
    """An input file, by `url` or by `assetId`."""

    url: HttpUrlText | None = None
    assetId: str | None = Field(default=None, min_length=1)
    refId: str | None = Field(default=None, min_length=1)

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield that nothing says which file it is."""
        if part(body, "url") is None and part(body, "assetId") is None:
            yield ("url",), "url or assetId is required"


class VideoInput(MediaInput):
    """The video; its two `segments_…` fields are deprecated."""

    type: Literal["video"]
    segments_secs: list[Pair] | None = None
    segments_frames: list[Pair] | None = None


class ImageInput(MediaInput):
    """A still picture in place of a video."""

    type: Literal["image"]


class AudioInput(MediaInput):
    """A recorded voice."""

    type: Literal["audio"]


class Speaker(Request):
    """Who speaks a text, and what."""

    name: Literal["elevenlabs"]
    voiceId: str = Field(min_length=1)
    script: str = Field(min_length=1, max_length=5000)
    stability: UnitFloat | None = None
    similarityBoost: UnitFloat | None = None


class TextInput(Request):
    """A voice made from text."""

    type: Literal["text"]
    provider: Speaker
    refId: str | None = Field(default=None, min_length=1)


ITEMS: Mapping[str, type[Request]] = {
    "video": VideoInput,
    "image": ImageInput,
    "audio": AudioInput,
    "text": TextInput,
}
VISUALS, VOICES = ("video", "image"), ("audio", "text")


def _input_item(value: object) -> Request:
    """Choose the model by `type` (a pydantic union would put the tag into the fault's place)."""
    kind = part(value, "type")
    if not isinstance(kind, str) or kind not in ITEMS:
        raise PydanticCustomError("input_type", "type should be video, image, audio or text")
    return ITEMS[kind].model_validate(value)


InputItem = Annotated[Request, PlainValidator(_input_item)]


class ActiveSpeakerDetection(Request):
    """Whose lips move; the last four are only in newer sources."""

    auto_detect: bool | None = None
    frame_number: int | None = Field(default=None, ge=0)
    coordinates: Pair | None = None
    bounding_boxes: BoundingBoxes | None = None
    bounding_boxes_url: HttpUrlText | None = None
    v3: bool | None = None
    use_v2: bool | None = None
    face_image: str | None = None


class Override(Request):
    """Options that a segment may have of its own."""

    sync_mode: SyncMode | None = None
    temperature: UnitFloat | None = None
    occlusion_detection_enabled: bool | None = None
    active_speaker_detection: ActiveSpeakerDetection | None = None


class Options(Override):
    """All options of all models: sync ignores those that the chosen model does not know."""

    model_mode: Literal["lips", "face", "head"] | None = None
    prompt: Literal["happy", "sad", "angry", "disgusted", "surprised", "neutral"] | None = None
    reasoning_enabled: bool | None = None
    active_speaker: bool | None = None
    """Deprecated, as all that follow; the documents' own example has them."""
    pads: Annotated[list[int], Field(min_length=4, max_length=4)] | None = None
    speedup: int | None = Field(default=None, ge=1, le=4)
    output_format: Literal["mp4", "mov"] | None = None
    fps: float | None = Field(default=None, gt=0)
    output_resolution: Size | None = None


class AudioCrop(Request):
    """Which voice a segment takes, and which part of it."""

    refId: str = Field(min_length=1)
    startTime: float | None = Field(default=None, ge=0)
    endTime: float | None = Field(default=None, ge=0)


class Segment(Request):
    """A stretch of the video with a voice of its own, in seconds."""

    startTime: float = Field(ge=0)
    endTime: float = Field(ge=0)
    audioInput: AudioCrop
    optionsOverride: Override | None = None


class DubParams(Request):
    """Translate and dub the video's own voice."""

    providerName: Literal["elevenlabs"]
    targetLang: str = Field(min_length=1)
    sourceLang: str | None = Field(default=None, min_length=1)
    numSpeakers: int | None = Field(default=None, ge=0)


class DialogueEdit(Request):
    """A dialogue edit that was made before."""

    id: UuidText


class SyncGenerateRequest(Request, extra="allow"):
    """A caller's request for a model we do not know: only what all models share is checked."""

    model: str = Field(min_length=1)
    input: Sequence[Any] = Field(min_length=1)
    webhookUrl: HttpUrlText | None = None
    """Sync takes https only; a caller's own becomes Callboard's notifyURL, which may be http."""
    outputFileName: str | None = Field(default=None, min_length=1, max_length=255)
    """Older documents allow letters, digits, `_` and `-`; the newer server cleans any name itself."""
    projectId: UuidText | None = None


class KnownModelRequest(SyncGenerateRequest, extra="forbid"):
    """A caller's request for one of MODELS, checked in full."""

    input: list[InputItem] = Field(min_length=1)
    options: Options | None = None
    segments: list[Segment] | None = Field(default=None, min_length=1)
    dubParams: DubParams | None = None
    dialogueEdit: DialogueEdit | None = None

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong with the number of inputs, and with segments."""
        raw, segments = part(body, "input"), part(body, "segments")
        items = raw if isinstance(raw, list) else []
        yield from _arity_rules(body, [part(item, "type") for item in items])
        if isinstance(segments, list) and segments:
            yield from _reference_rules(items, segments)
            yield from _time_rules(segments)


def _arity_rules(body: Mapping[str, Any], kinds: list[Any]) -> Iterator[tuple[Where, str]]:
    visuals = [kind for kind in kinds if kind in VISUALS]
    voices = [kind for kind in kinds if kind in VOICES]
    if len(visuals) != 1:
        yield ("input",), "Exactly one video or image is required"
    if "image" in visuals and part(body, "model") != "sync-3":
        yield ("input", kinds.index("image"), "type"), "An image is taken by sync-3 only"
    if part(body, "dubParams") is not None or part(body, "dialogueEdit") is not None:
        if voices or "image" in visuals:
            yield ("input",), "dubParams and dialogueEdit take one video and nothing else"
    elif not voices:
        yield ("input",), "An audio or text input is required"
    elif len(voices) > 1 and part(body, "segments") is None:
        yield ("input",), "Several audio or text inputs are only possible with segments"


def _reference_rules(items: list[Any], segments: list[Any]) -> Iterator[tuple[Where, str]]:
    names: set[object] = set()
    for index, item in enumerate(items):
        name = part(item, "refId")
        if part(item, "type") in VOICES and name is None:
            yield ("input", index, "refId"), "refId is required with segments"
        if isinstance(name, str):
            if name in names:
                yield ("input", index, "refId"), "refId must be unique"
            names.add(name)
    for index, segment in enumerate(segments):
        name = part(segment, "audioInput", "refId")
        if isinstance(name, str) and name not in names:
            yield ("segments", index, "audioInput", "refId"), "refId names no input"


def _time_rules(segments: list[Any]) -> Iterator[tuple[Where, str]]:
    taken: list[tuple[float, float]] = []
    for index, segment in enumerate(segments):
        start, end = part(segment, "startTime"), part(segment, "endTime")
        if numbers(start, end):
            if end < start:
                yield ("segments", index, "endTime"), "endTime must not be less than startTime"
            if any(start < other_end and other_start < end for other_start, other_end in taken):
                yield ("segments", index), "Segments must not overlap"
            taken.append((start, end))
        crop = part(segment, "audioInput")
        start, end = part(crop, "startTime"), part(crop, "endTime")
        if (start is None) != (end is None):
            missing = "startTime" if start is None else "endTime"
            yield ("segments", index, "audioInput", missing), "startTime and endTime come as a pair"


def parse_request(body: object) -> SyncGenerateRequest:
    """Validate a caller's request: one of MODELS in full, any other model by what all share.

    Raises:
        pydantic.ValidationError: with all faults.
    """
    model = part(body, "model")
    known = isinstance(model, str) and model in MODELS
    return (KnownModelRequest if known else SyncGenerateRequest).model_validate(body)


class SyncGeneration(Lenient):
    """A generation: the answer to create and get, an entry of the list, the body of a callback.

    Nulls are common. The machine code is `errorCode` in answers and `error_code` in callbacks.
    """

    id: str
    status: str
    createdAt: Forgiven[str] = None
    model: Forgiven[str] = None
    input: Forgiven[list[Any]] = None
    options: Forgiven[dict[str, Any]] = None
    segments: Forgiven[list[Any]] = None
    webhookUrl: Forgiven[str] = None
    outputUrl: Forgiven[str] = None
    outputDuration: Forgiven[float] = None
    segmentOutputUrl: Forgiven[str] = None
    outputFileName: Forgiven[str] = None
    projectId: Forgiven[str] = None
    synthesizedAudioUrl: Forgiven[str] = None
    progress_percent: Forgiven[float] = None
    error: Forgiven[str] = None
    errorCode: Forgiven[str] = None
    error_code: Forgiven[str] = None


class SyncError(Lenient):
    """The body of an answer with a 4xx or 5xx status."""

    statusCode: Forgiven[int] = None
    message: Forgiven[str | list[str]] = None
    error: Forgiven[str] = None
    errorCode: Forgiven[str] = None
    generationId: Forgiven[str] = None
    activeGenerations: Forgiven[int] = None
    concurrencyLimit: Forgiven[int] = None
    retryAfterSeconds: Forgiven[float] = None
