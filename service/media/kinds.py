"""Which of the videos that we keep a file is, by what MediaInfo found in it; what it looks like if none. Pure."""

import math
from codecs import getincrementaldecoder
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from service.core.media import ENDINGS

CONTAINERS: Final[Mapping[str, str]] = {
    "MPEG-4": "video/mp4",
    "QuickTime": "video/quicktime",
    "WebM": "video/webm",
    "Matroska": "video/x-matroska",
    "AVI": "video/x-msvideo",
    "MPEG-PS": "video/mpeg",
    "MPEG Video": "video/mpeg",
    "MPEG-TS": "video/mp2t",
    "BDAV": "video/mp2t",
    "Flash Video": "video/x-flv",
    "Ogg": "video/ogg",
}
"""MediaInfo's names. BDAV is MPEG-TS as discs have it."""
PICTURES: Final[Mapping[str, str]] = {"GIF": "image/gif", "WebP": "image/webp"}
"""What may move without being a video; kept as it is."""
STARTS: Final = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"#EXTM3U", "an HLS playlist"),
)
LARGEST: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Found:
    """The first track of each kind as MediaInfo's fields, and how the file begins."""

    head: bytes
    general: Mapping[str, str] = field(default_factory=dict)
    video: Mapping[str, str] | None = None
    image: Mapping[str, str] | None = None
    audio: Mapping[str, str] = field(default_factory=dict)

    @property
    def picture(self) -> Mapping[str, str]:
        """The track that is seen; empty if there is none."""
        return self.video or self.image or {}


def content_type(found: Found) -> str | None:
    """Name the content type of a video that we keep; nothing for anything else."""
    container = found.general.get("Format", "")
    if not found.picture.get("Format"):
        return None  # a header alone announces a track, but nothing is in it
    if container in PICTURES:
        return PICTURES[container]
    if not (found.video and found.video.get("Format")):
        return None
    kind = CONTAINERS.get(container)
    if kind == "video/mp4" and _is_quicktime(found.general):
        kind = "video/quicktime"
    return kind if kind in ENDINGS else None


def _is_quicktime(general: Mapping[str, str]) -> bool:
    """Whether its major brand is `qt  `; files older than brands are QuickTime's too."""
    return (
        general.get("CodecID", "").strip() == "qt" or general.get("Format_Profile") == "QuickTime"
    )


def resemblance(found: Found) -> str:
    """Say what a file that is no video looks like."""
    begins = found.head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lower = begins.lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "an HTML page"
    if lower.startswith(b"<"):
        return "an XML document"
    for start, name in STARTS:
        if begins.startswith(start):
            return name
    if container := found.general.get("Format"):
        if found.picture.get("Format"):
            return f"pictures in {container}, a container that is not kept"
        return f"{container} without a picture" + (", sound alone" if found.audio else "")
    if lower.startswith((b"{", b"[")):
        return "JSON" if _is_text(begins) else "unknown bytes"
    return "text" if _is_text(begins) else "unknown bytes"


def _is_text(head: bytes) -> bool:
    try:
        text = getincrementaldecoder("utf-8")().decode(head)  # its last character may be cut in two
    except UnicodeDecodeError:
        return False
    return all(c.isprintable() or c in "\t\r\n\f" for c in text)


def number(text: str | None) -> float | None:
    """Read a length; nothing for what cannot be one."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def whole_number(text: str | None) -> int | None:
    """Read a size in pixels; nothing for what cannot be one."""
    value = number(text)
    return int(value) if value is not None and 0 < value <= LARGEST else None
