"""Videos that are kept."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..base import Request, Strict

MOST_URLS = 20
LONGEST_URL = 8192
_TARGET: dict[str, Any] = {
    "description": "`none`, `disk`, an object store of this service (`s3://bucket/prefix`, `gs://…`, `az://…`), or "
    "presigned http(s) URLs that each take one video with PUT, in the order of the results.",
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": LONGEST_URL},
        {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": LONGEST_URL},
            "minItems": 1,
            "maxItems": MOST_URLS,
        },
    ],
}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= LONGEST_URL


def _target(value: object) -> object:
    if _is_text(value):
        return value
    if isinstance(value, list) and 1 <= len(value) <= MOST_URLS and all(map(_is_text, value)):
        return tuple(value)
    text = "Input should be none, disk, the URL of an object store, or 1 to {most} URLs of yours"
    raise PydanticCustomError("archive_target", text, {"most": MOST_URLS})


def _in_short(value: object) -> object:
    if not isinstance(value, str | list):
        return value
    # Checked here too: its place is the field itself, there is no `to`.
    _target(value)
    return {"to": value}


ArchiveTarget = Annotated[Any, WithJsonSchema(_TARGET)]


class Archive(Request):
    """Whether and where the videos are kept."""

    to: Annotated[ArchiveTarget, BeforeValidator(_target)]
    beforeCompleted: bool = Field(
        default=False,
        description="`video.completed` waits until the file is kept, up to a setting of the service.",
    )
    retentionDays: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None,
        description="Default: a setting of the service, by label; else as long as the task.",
    )


ArchiveOrTarget = Annotated[
    Archive, BeforeValidator(_in_short, json_schema_input_type=ArchiveTarget | Archive)
]
"""The short form is what `to` would be."""


class LinkOptions(Request):
    """How a link is to be."""

    expiresInSeconds: int | None = Field(
        default=None, ge=1, le=604_800, description="Default: a setting of the service."
    )
    download: bool = Field(
        default=False, description="A browser saves the file instead of showing it."
    )


class Link(Strict):
    """A link to a kept file for people without a key: who knows it can read the file."""

    url: str
    expiresAt: AwareDatetime


class Fault(Strict):
    """Why something did not work."""

    code: str
    message: str
    kind: Literal["transient", "permanent", "unknown"]


class ArchiveWanted(Strict):
    """What is done with the videos of a task; URLs are without their queries, which are secrets."""

    to: str | list[str]
    beforeCompleted: bool
    retentionDays: int | None


class Media(Strict):
    """A file that is kept, as it was found to be; fields are null where it does not say."""

    url: str = Field(
        description="Lasts as long as the file is kept. Of this service: wants an API key, or a link made for it."
    )
    sha256: str = Field(description="In hexadecimal.")
    bytes: int = Field(ge=1)
    contentType: str
    durationSeconds: float | None
    width: int | None = Field(description="In pixels.")
    height: int | None = Field(description="In pixels.")
    container: str | None
    videoCodec: str | None
    audioCodec: str | None


class ArchiveView(Strict):
    """What became of the file; apart from the verdict, which never depends on it."""

    state: Literal["pending", "kept", "failed", "deleted"]
    error: Fault | None
