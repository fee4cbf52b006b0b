"""Sync's `/v2/generate`: request, generation object (answer, poll and callback) and error bodies.

Fields are camelCase, those inside `options` snake_case. Ages of the documents disagree; a field that
differs takes the wider and says so. The rules between fields are in `sync_rules`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from ..base import Forgiven, HttpUrlText, Lenient, Request, Where, Whole, part
from . import sync_rules as rules

TODAY = ("sync-3", "lipsync-2", "lipsync-2-pro", "lipsync-1.9.0-beta", "react-1")
MODELS = frozenset({*TODAY, "lipsync-1.8.0", "lipsync-1.7.1", "lipsync-1.6.0"})
"""The public models of today, and the older ones that the documents still name."""

SyncMode = Literal["loop", "bounce", "cut_off", "silence", "remap"]
UnitFloat = Annotated[float, Field(ge=0, le=1)]
Pair = Annotated[list[float], Field(min_length=2, max_length=2)]
Start = Annotated[float, Field(ge=0)]
Frame = Annotated[Whole, Field(ge=0)]
UuidText = Annotated[str, Field(pattern=r"(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Size = Annotated[list[Annotated[Whole, Field(gt=0)]], Field(min_length=2, max_length=2)]
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
    segments_secs: list[Annotated[list[Start], Field(min_length=2, max_length=2)]] | None = None
    segments_frames: list[Annotated[list[Frame], Field(min_length=2, max_length=2)]] | None = None


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
    """Said to be for videos only; with an image it is ignored rather than refused."""
    frame_number: Frame | None = None
    coordinates: Pair | None = None
    """Raw pixels, whole ones in some sources: the wider is taken."""
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
    pads: Annotated[list[Whole], Field(min_length=4, max_length=4)] | None = None
    speedup: Whole | None = Field(default=None, ge=1, le=4)
    output_format: Literal["mp4", "mov"] | None = None
    fps: float | None = Field(default=None, gt=0)
    output_resolution: Size | None = None


class AudioCrop(Request):
    """Which voice a segment takes, and which part of it."""

    refId: str = Field(min_length=1)
    startTime: Start | None = None
    endTime: Start | None = None


class Segment(Request):
    """A stretch of the video with a voice of its own, in seconds."""

    startTime: Start
    endTime: Start
    audioInput: AudioCrop
    optionsOverride: Override | None = None


class DubParams(Request):
    """Translate and dub the video's own voice."""

    providerName: Literal["elevenlabs"]
    targetLang: str = Field(min_length=1)
    sourceLang: str | None = Field(default=None, min_length=1)
    numSpeakers: Whole | None = Field(default=None, ge=0)
    """Deprecated, and ignored by Sync."""


class DialogueEdit(Request):
    """A dialogue edit that was made before."""

    id: UuidText


class SyncGenerateRequest(Request, extra="allow"):
    """A caller's request for a model we do not know: only what all models share is checked."""

    model: str = Field(min_length=1)
    input: list[Any] = Field(min_length=1)
    webhookUrl: HttpUrlText | None = None
    """Sync takes https only; a caller's own becomes Callboard's notifyURL, which may be http."""
    outputFileName: str | None = Field(default=None, min_length=1, max_length=255)
    """Older documents take letters, digits, `_` and `-` only, by newer ones the server cleans a name."""
    projectId: UuidText | None = None


class KnownModelRequest(SyncGenerateRequest, extra="forbid"):
    """A caller's request for one of MODELS, checked in full, with the options of all of them."""

    input: list[InputItem] = Field(min_length=1)
    options: Options | None = None
    segments: list[Segment] | None = Field(default=None, min_length=1)
    dubParams: DubParams | None = None
    dialogueEdit: DialogueEdit | None = None

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong with the number of inputs, and with segments."""
        yield from rules.of_inputs(body)
        yield from rules.of_segments(body)


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
