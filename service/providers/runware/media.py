"""Media kept at Runware: a file of ours gets a UUID there that inputs can name."""

import base64
from dataclasses import dataclass
from uuid import UUID

from service.core.fault import Fault
from service.providers import foreign
from service.providers.outcome import read_unreadable
from service.providers.runware.calls import Calls


@dataclass(frozen=True, slots=True)
class StoredMedia:
    """A file that Runware keeps; how long it does is not documented."""

    media_uuid: UUID
    url: str | None


class MediaStorage:
    """Uploads and deletes. An upload that is repeated makes another copy, which costs nothing."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def upload(
        self, media: bytes | str, *, task_uuid: UUID, content_type: str = "video/mp4"
    ) -> StoredMedia | Fault:
        """Store bytes, or what is at a public URL; `content_type` is of the bytes."""
        if isinstance(media, bytes):
            media = f"data:{content_type};base64,{base64.b64encode(media).decode()}"
        task = {"taskType": "mediaStorage", "operation": "upload", "media": media}
        said = await self._calls.ask(task, task_uuid)
        if isinstance(said, Fault):
            return said
        for item in said:
            if media_uuid := foreign.uuid(item.mediaUUID):
                return StoredMedia(media_uuid, foreign.address(item.mediaURL))
        return read_unreadable().fault

    async def delete(self, media_uuid: UUID, *, task_uuid: UUID) -> Fault | None:
        """Delete a file; returns why that did not work."""
        task = {"taskType": "mediaStorage", "operation": "delete", "media": str(media_uuid)}
        said = await self._calls.ask(task, task_uuid)
        return said if isinstance(said, Fault) else None
