"""Fetches videos from strangers' addresses: streamed to a file, gone on with after a break, looked into.

Why it did not work (`FetchError.fault`); a later attempt may help where it is transient:

| code                | kind      | what happened                                                                     |
| ------------------- | --------- | --------------------------------------------------------------------------------- |
| `invalid_url`       | permanent | no URL, or none that is called                                                    |
| `refused_address`   | permanent | it leads to an address of this network, at once or by a redirect                  |
| `redirect`          | permanent | too many redirects, from https down to http, or to what is no address             |
| `too_large`         | permanent | more bytes than the limit, announced or counted                                   |
| `content_encoding`  | permanent | it is compressed, although that was refused                                       |
| `not_a_video`       | permanent | no container that is kept, or nothing to see in it; the message says what it is   |
| `unreadable`        | permanent | MediaInfo crashed or took too long; transient where the machine was to blame      |
| `http_401` `403` `404` `410` | transient | the address is the trouble (`expired`); a fresh one may work at once     |
| `http_408` `423` `425` `429` `5xx` `2xx` | transient | another answer than the file                                 |
| `http_4xx`          | permanent | any other                                                                         |
| `dns` `connect` `tls` `proxy` | transient | no connection; also when it took too long                               |
| `stalled`           | transient | no byte for too long                                                              |
| `disconnected`      | transient | the connection broke                                                              |
| `truncated`         | transient | it ended before all had come                                                      |
| `protocol`          | transient | what came was not HTTP                                                            |
| `timeout`           | transient | all in all it took too long                                                       |
| `empty`             | transient | not a single byte; stores show a file before it is there                          |
| `disk_full`         | transient | no room, or less than what is to stay free                                        |
| `disk_error`        | transient | the file could not be written or opened                                           |

`stalled`, `disconnected` and `truncated` are told only after as many more requests as the limits allow, each for what
is missing (Range with If-Range), or for all of it where that would not be safe.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import aiohttp

from service.core.media import Media
from service.egress import Egress
from service.media import faults
from service.media.answers import Piece, read_rest, read_whole
from service.media.asking import Asking, blocks, host_of
from service.media.pace import Pace
from service.media.part import Part, Threads
from service.media.probe import Probe
from service.media.space import Space
from service.ports import FetchError

ROOM_EVERY_BYTES: Final = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a download may take.

    `connect_s` is for a connection, `stall_s` for a silence, `total_s` for all of it but looking into it; `tries` is
    how many more requests are made for one file after the first.
    """

    max_bytes: int = 5 * 2**30
    connect_s: float = 10.0
    stall_s: float = 30.0
    total_s: float = 3600.0
    tries: int = 5
    redirects: int = 5


@dataclass(slots=True)
class _Download:
    """What is known of a download under way."""

    url: str
    part: Part
    piece: Piece | None = None
    """The last answer; none before the first, and when all is to be had anew."""
    claimed: str | None = None
    """The Content-Type of the last answer."""


class _AskAgain(Exception):
    """The answer does not fit what is there: all is to be had anew."""


class Fetch:
    """Implements `ports.Fetcher`; how many downloads are under way at once is the caller's business."""

    def __init__(
        self,
        egress: Egress,
        limits: Limits,
        space: Space,
        probe: Probe,
        pace: Pace | None = None,
    ) -> None:
        self._limits = limits
        self._pace = pace or Pace()
        self._space = space
        self._probe = probe
        self._threads = Threads()
        self._asking = Asking(egress, limits.connect_s, limits.stall_s, redirects=limits.redirects)

    async def close(self) -> None:
        """Close connections and processes, once no download is under way; the egress too, as sinks do."""
        await self._asking.close()
        await self._probe.close()
        self._threads.close()

    async def fetch(self, url: str, into: Path) -> Media:
        """Download a video to the file `into`, checked, synced and looked into; raises FetchError.

        After an error `into` may hold a part of it, which the caller removes; when the disk is full, it is empty.
        """
        part = Part(into, self._threads)
        download = _Download(url, part)
        try:
            async with asyncio.timeout(self._limits.total_s):
                await self._disk_told(part, self._have(download))
            media = await self._look(download, into)
            await self._disk_told(part, part.synced())
        except TimeoutError:
            message = f"The download took more than {self._limits.total_s:g} s."
            raise faults.transient("timeout", message) from None
        else:
            return media
        finally:
            await part.close()

    async def _have(self, download: _Download) -> None:
        """Get all of it into the file."""
        await self._require_room(0)
        await download.part.open()
        await self._ask_until_whole(download)
        await download.part.written()

    async def _look(self, download: _Download, into: Path) -> Media:
        """Look into the file while it goes to the disk."""
        piece, part = download.piece, download.part
        return await self._probe.look(
            into,
            sha256=part.sha256,
            size=part.size,
            claimed=download.claimed,
            length_known=piece is not None and piece.end is not None,
        )

    async def _disk_told(self, part: Part, step: Awaitable[None]) -> None:
        """Name what the disk does in a step; a full one gets its room back."""
        try:
            await step
        except (OSError, FetchError) as error:
            trouble = faults.of_disk(error) if isinstance(error, OSError) else error
            if trouble.fault.code == "disk_full":
                await part.empty()
            raise trouble from None

    async def _ask_until_whole(self, download: _Download) -> None:
        """Ask, and ask for the rest as often as the limits allow."""
        for left in reversed(range(self._limits.tries + 1)):
            try:
                return await self._ask(download)
            except _AskAgain:
                trouble = faults.transient("truncated", "No answer brought the whole file.")
                download.piece = None
            except FetchError as error:
                if download.piece is None or error.fault.code not in faults.BROKEN:
                    raise
                trouble = error
            if not left:
                raise trouble
        return None

    async def _ask(self, download: _Download) -> None:
        """Ask once for what is missing, or for all of it where going on would not be safe."""
        part, before = download.part, download.piece
        headers: dict[str, str] = {}
        if part.size and before is not None and before.validator is not None:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": before.validator}
        else:
            before = None
        async with self._asking.answer(download.url, headers) as response:
            piece = _read_head(response, part.size, before)
            if piece.start < part.size:
                await part.restart()
            await self._require_fit(piece)
            download.piece = piece
            download.claimed = response.headers.get("Content-Type")
            await self._pour(response, part, piece)

    async def _pour(self, response: aiohttp.ClientResponse, part: Part, piece: Piece) -> None:
        """Write a body, also the beginning of one that breaks."""
        asked_at = part.size
        async with aclosing(blocks(response)) as coming:
            async for block in coming:
                size = sum(map(len, block))
                if part.size + size > self._limits.max_bytes:
                    raise faults.too_large(self._limits.max_bytes)
                await part.write(block)
                await self._pace.take(size)
                if part.size - asked_at >= ROOM_EVERY_BYTES:
                    asked_at = part.size
                    await self._require_room(min(_missing(piece, part), ROOM_EVERY_BYTES))
        if piece.end is not None and part.size > piece.end:
            raise _AskAgain
        if piece.end is not None and part.size < piece.end:
            raise faults.transient("truncated", "The body ended before the file did.")

    async def _require_fit(self, piece: Piece) -> None:
        if piece.end is None:
            return
        if piece.end > self._limits.max_bytes:
            raise faults.too_large(self._limits.max_bytes)
        await self._require_room(piece.end - piece.start)

    async def _require_room(self, size: int) -> None:
        if not await self._space.room(size):
            raise faults.full()


def _read_head(response: aiohttp.ClientResponse, have: int, before: Piece | None) -> Piece:
    """Judge an answer; `before` is there when only the rest was asked for."""
    status, host = response.status, host_of(response)
    if before is not None and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise _AskAgain
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise faults.of_status(status, host)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        text = f"{host} sent the video compressed, although asked not to."
        raise faults.permanent("content_encoding", text)
    if status == HTTPStatus.OK:
        return read_whole(response.headers, response.content_length)
    if before is None:
        raise faults.transient("protocol", f"{host} sent a part of the video, unasked.")
    piece = read_rest(response.headers, response.content_length, have, before)
    if piece is None:
        raise _AskAgain
    return piece


def _missing(piece: Piece, part: Part) -> int:
    return ROOM_EVERY_BYTES if piece.end is None else piece.end - part.size
