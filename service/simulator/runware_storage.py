"""Runware's stored media: `mediaStorage`, and the `imageUpload` that it replaced."""

import base64
import binascii
import mimetypes
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from service.simulator.files import Files, Stored
from service.simulator.runware_replies import Reply, refused
from service.simulator.state import World

UNKNOWN_TYPE = "application/octet-stream"
STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG", "image/png"),
    (b"\x1a\x45\xdf\xa3", "video/webm"),
    (b"RIFF", "audio/wav"),
    (b"ID3", "audio/mpeg"),
)
"""What files begin with, for those that come as bare base64."""


class Storage:
    """Takes uploads and deletes them again."""

    def __init__(self, world: World, files: Files) -> None:
        """Keep uploads among these files, and name them under this world's base URL."""
        self._world = world
        self._files = files

    def media(self, task: Mapping[str, Any], *, dry: bool) -> Reply:
        """Answer `mediaStorage`."""
        match task.get("operation"):
            case "upload":
                return self._upload(task, "media", dry=dry)
            case "delete":
                return self._delete(task, dry=dry)
            case _:
                more: dict[str, Any] = {"parameter": "operation"}
                more["allowedValues"] = ["upload", "delete"]
                return refused("invalidParameter", "Unknown operation.", task, **more)

    def image(self, task: Mapping[str, Any], *, dry: bool) -> Reply:
        """Answer `imageUpload`."""
        return self._upload(task, "image", dry=dry)

    def _upload(self, task: Mapping[str, Any], field: str, *, dry: bool) -> Reply:
        try:
            stored = _read(task.get(field))
        except ValueError as error:
            return refused("invalidMedia", str(error), task, parameter=field)
        name = str(uuid4())
        if not dry:
            self._files.stored[name] = stored
        ending = mimetypes.guess_extension(stored.content_type) or ".bin"
        url = f"{self._world.media_base}/media/{name}{ending}"
        more = {f"{field}UUID": name, f"{field}URL": url}
        return Reply([_item(task) | more])

    def _delete(self, task: Mapping[str, Any], *, dry: bool) -> Reply:
        name = str(task.get("media")).lower()
        if name not in self._files.stored:
            status = HTTPStatus.NOT_FOUND
            message = "There is no such media."
            return refused("mediaNotFound", message, task, status=status, parameter="media")
        if not dry:
            self._files.delete(name)
        return Reply([_item(task) | {"mediaUUID": name}])


def _item(task: Mapping[str, Any]) -> dict[str, Any]:
    return {name: task[name] for name in ("taskType", "taskUUID", "operation") if name in task}


def _read(media: object) -> Stored:
    """Read an upload: a public URL, a data URI or bare base64.

    Raises:
        ValueError: it is none of these.
    """
    if not isinstance(media, str) or not media:
        raise ValueError("A URL, a data URI or base64 is required.")
    if media.startswith(("https://", "http://")):
        guessed, _ = mimetypes.guess_type(urlsplit(media).path)
        return Stored(b"", guessed or UNKNOWN_TYPE, source=media)
    head, comma, text = media.partition(",")
    if media.startswith("data:") and comma:
        kind = head.removeprefix("data:").partition(";")[0]
        return Stored(_decoded(text), kind or UNKNOWN_TYPE)
    content = _decoded(media)
    return Stored(content, _kind(content))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("This is no base64.") from error


def _kind(content: bytes) -> str:
    if content[4:8] == b"ftyp":
        return "video/quicktime" if content[8:12] == b"qt  " else "video/mp4"
    return next((kind for start, kind in STARTS if content.startswith(start)), UNKNOWN_TYPE)
