"""Videos that are kept."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from ..base import Request, Strict

ArchiveTarget = Annotated[
    str
    | Annotated[list[Annotated[str, Field(max_length=8192)]], Field(min_length=1, max_length=20)],
    Field(
        description="`none`, `disk`, an object store of this service (`s3://bucket/prefix`, `gs://…`, `az://…`), or "
        "presigned https URLs that each take one video with PUT, in the order of the results."
    ),
]


class Archive(Request):
    """Whether and where the videos are kept."""

    to: ArchiveTarget
    beforeCompleted: bool = Field(
        default=False,
        description="`video.completed` waits until the file is kept, up to a setting of the service.",
    )
    retentionDays: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="Default: a setting of the service, by label; else as long as the task.",
    )


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
