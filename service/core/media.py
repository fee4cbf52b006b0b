"""A kept video as decisions see it, and what somebody asked to be kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from service.core.fault import Fault, FaultKind

MOST_DAYS = 3650
NONE = "none"
DISK = "disk"
PUT = "put"
"""How the place of what is put to a caller's own address is called: its URL's query is a secret."""
STORES = ("s3", "gs", "az")
"""The schemes of object stores."""


class ArchiveState(StrEnum):
    """Where the file of one result is; apart from the verdict, which never depends on it."""

    PENDING = "pending"
    """To be fetched, or being fetched, again and again until it is kept or too old."""
    KEPT = "kept"
    """It is where it was wanted."""
    FAILED = "failed"
    """It could not be kept, for the reason in its error."""
    DELETED = "deleted"
    """It was kept, and its time is over."""


@dataclass(frozen=True, slots=True)
class Media:
    """A file that was looked into. Sizes in pixels, the length in seconds; none where it does not say.

    `container` and the codecs are the names that MediaInfo gives them (`MPEG-4`, `AVC`, `AAC`).
    """

    sha256: str
    bytes: int
    content_type: str
    container: str | None = None
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    video_codec: str | None = None
    audio_codec: str | None = None


@dataclass(frozen=True, slots=True)
class Archive:
    """What became of the file of a result. `url` lasts as long as the file is kept."""

    state: ArchiveState = ArchiveState.PENDING
    media: Media | None = None
    url: str | None = None
    error: Fault | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done with the videos of a task.

    `to` is `disk`, the URL of an object store with a prefix, or one URL a result to put it to.
    """

    to: str | tuple[str, ...]
    before_completed: bool = False
    keep_days: int | None = None
    """For how long it is kept; none for what the settings say."""

    def write(self) -> str:
        """Write it as JSON."""
        to = self.to if isinstance(self.to, str) else list(self.to)
        return json.dumps({"to": to, "before": self.before_completed, "days": self.keep_days})


NOTHING = Wanted(NONE)


def read_wanted(text: str) -> Wanted:
    """Read what `Wanted.write` wrote."""
    raw = json.loads(text)
    to = raw["to"] if isinstance(raw["to"], str) else tuple(raw["to"])
    return Wanted(to, raw["before"], raw["days"])


def write_archive(archive: Archive | None) -> str | None:
    """Write what became of a file for a jsonb column."""
    if archive is None:
        return None
    media, error = archive.media, archive.error
    return json.dumps(
        {
            "state": archive.state.value,
            "media": None if media is None else {f: getattr(media, f) for f in Media.__slots__},
            "url": archive.url,
            "error": None if error is None else [error.code, error.message, error.kind.value],
        }
    )


def read_archive(text: str | None) -> Archive | None:
    """Read what `write_archive` wrote."""
    if text is None:
        return None
    raw: Mapping[str, Any] = json.loads(text)
    media, error = raw["media"], raw["error"]
    return Archive(
        ArchiveState(raw["state"]),
        None if media is None else Media(**media),
        raw["url"],
        None if error is None else Fault(error[0], error[1], FaultKind(error[2])),
    )


ENDINGS: Mapping[str, str] = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mpeg": "mpg",
    "video/mp2t": "ts",
    "video/x-flv": "flv",
    "video/ogg": "ogv",
    "image/gif": "gif",
    "image/webp": "webp",
}
"""How a file's name ends, by its content type; what is not here is no video that we keep."""


def folder(tenant: str, task_uuid: UUID) -> str:
    """Name the folder of a task's files: nothing of another task is ever in it, so it leaves with the task."""
    return f"{tenant}/{task_uuid.hex[:2]}/{task_uuid}"


def name(tenant: str, task_uuid: UUID, index: int, media: Media) -> str:
    """Name a file by its content, inside its task's folder.

    The same bytes have the same name, so keeping twice is keeping once; and no two results share a file, so
    deleting one never needs to count who else has it.
    """
    ending = ENDINGS.get(media.content_type, "bin")
    return f"{folder(tenant, task_uuid)}/{index}-{media.sha256}.{ending}"


def read_rule(text: str) -> tuple[str, str, int]:
    """Read `label=value:days`; raises ValueError."""
    label, equals, rest = text.partition("=")
    value, colon, days = rest.rpartition(":")
    if not (label and equals and colon and days.isdecimal() and int(days) <= MOST_DAYS):
        raise ValueError(
            f"should be label=value:days with at most {MOST_DAYS} days, such as project=spring:7"
        )
    return label, value, int(days)


def days_kept(
    wanted: Wanted,
    labels: Mapping[str, str],
    rules: Sequence[tuple[str, str, int]],
    default: int,
) -> int:
    """Say for how many days a file is kept; zero is as long as its task.

    What the submission said, else the first rule (label, value, days) that fits, else the default.
    """
    if wanted.keep_days is not None:
        return wanted.keep_days
    for key, value, days in rules:
        if labels.get(key) == value:
            return days
    return default
