"""A file as the body of an HTTP request."""

from collections.abc import Callable

from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.payload import Payload

from service.core.media import Media
from service.media.places.faults import lost, of_disk
from service.media.places.handle import PART_BYTES, Handle


class Body(Payload):
    """A file as the body of a request, from its start each time: aiohttp sends again when a connection was stale."""

    def __init__(self, handle: Handle, media: Media) -> None:
        super().__init__(handle, content_type=media.content_type)
        self.handle = handle
        self._size = media.bytes
        self.sent = 0
        self.alive: Callable[[], None] = lambda: None
        """Called whenever a part of it went."""

    async def open(self) -> None:
        """Open it; raises PlaceError when it is not what is to be sent."""
        try:
            size = await self.handle.open()
        except FileNotFoundError:
            raise lost() from None
        except OSError as error:
            raise of_disk(error) from error
        if size != self._size:
            raise lost()

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it whole."""
        await self.write_with_length(writer, None)

    async def write_with_length(
        self, writer: AbstractStreamWriter, content_length: int | None
    ) -> None:
        """Write it whole; its length and that of the request are the same."""
        del content_length
        self.sent = 0
        while self.sent < (self._size or 0):
            part = await self.handle.read(self.sent, PART_BYTES)
            if not part:
                # Less than what was said is not a file: the connection ends without an answer.
                raise ClientPayloadError("The file is shorter than it was.")
            await writer.write(part)
            await writer.drain()
            self.sent += len(part)
            self.alive()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Refuse: it is no text."""
        del encoding, errors
        raise TypeError("a video is no text")
