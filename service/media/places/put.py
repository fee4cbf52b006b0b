"""Files put to an address of the caller's own: one HTTP PUT, as upstreams do it to an `uploadEndpoint`.

The body is the file, raw; stores with signed URLs take no chunks, so its length is said. Nobody but the caller can
read it afterwards.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from service.core.archive_target import spoken
from service.core.fault import FaultKind
from service.core.media import Media
from service.core.url_guard import MAX_SIGNED_LENGTH, UrlRefused
from service.egress import Egress, RefusedAddress
from service.media.places.body import Body
from service.media.places.faults import failed
from service.media.places.handle import of_path
from service.ports import PlaceError

PLAIN: Final = {
    "User-Agent": f"Callboard/{version('callboard')}",
    "Accept-Encoding": "identity",
}
READ_BYTES: Final = 4096
"""How much of an answer is looked at."""
AZURE: Final = frozenset({"sv", "sig"})
"""What the query of every signed URL of Azure has; there a PUT needs a header more to make a blob."""
BUSY: Final = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
}
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
FAILURES: Final = (
    *(RefusedAddress, UrlRefused, TimeoutError),
    *(aiohttp.ClientError, HttpProcessingError, OSError),
)
"""What a call may end with; `_failure` has a word for each."""

_TRANSIENT, _PERMANENT = FaultKind.TRANSIENT, FaultKind.PERMANENT
WORDS: Final[tuple[tuple[type[Exception], str, str, FaultKind], ...]] = (
    (
        RefusedAddress,
        "refused_address",
        "Your address leads to a network that this service does not call.",
        _PERMANENT,
    ),
    (
        aiohttp.InvalidURL,
        "invalid_url",
        "Nothing can be put there: this is no URL.",
        _PERMANENT,
    ),
    (TimeoutError, "timeout", "Your address took too long.", _TRANSIENT),
    (
        aiohttp.ClientConnectorDNSError,
        "dns",
        "The name of your address was not found.",
        _TRANSIENT,
    ),
    (
        aiohttp.ClientProxyConnectionError,
        "proxy",
        "The proxy of this service cannot be reached.",
        _TRANSIENT,
    ),
    (
        aiohttp.ClientHttpProxyError,
        "proxy",
        "The proxy of this service does not let it call your address.",
        _TRANSIENT,
    ),
    (
        aiohttp.ClientSSLError,
        "tls",
        "Your address has no certificate that is trusted here.",
        _TRANSIENT,
    ),
    (aiohttp.ClientConnectorError, "connect", "Your address cannot be reached.", _TRANSIENT),
)
"""What a failure is called; the first that fits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds: to connect, without a byte sent or answered, and for all of it."""

    connect_s: float = 10
    stall_s: float = 60
    total_s: float = 3600


class Put:
    """Puts files to addresses that strangers gave; to be made inside a running loop."""

    def __init__(self, egress: Egress, limits: Limits = Limits()) -> None:
        self._egress = egress
        self._limits = limits
        self._session = egress.session()

    def to(self, url: str) -> "PutTo":
        """Give the place that one URL is; it is checked when it is called."""
        return PutTo(self, url)

    async def send(self, url: str, file: Path, media: Media) -> None:
        """Make one call; raises PlaceError, in which nothing of the URL stands."""
        body = Body(of_path(file), media)
        try:
            await body.open()
            await self._send(url, body, media)
        except FAILURES as error:
            # Their texts hold addresses, and some the whole URL.
            raise _failure(error) from None
        finally:
            body.handle.close()

    async def close(self) -> None:
        """Close all connections. The egress is closed by who made it."""
        await self._session.close()

    async def _send(self, text: str, body: Body, media: Media) -> None:
        loop = asyncio.get_running_loop()
        limits = self._limits
        async with asyncio.timeout(limits.total_s), asyncio.timeout(limits.stall_s) as stall:

            def alive() -> None:
                if not stall.expired():
                    stall.reschedule(loop.time() + limits.stall_s)

            body.alive = alive
            try:
                url = _exact(text, await self._egress.check(text, MAX_SIGNED_LENGTH))
                async with self._session.put(
                    url,
                    data=body,
                    headers=_headers(url),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s),
                ) as response:
                    await _judge(response, body, media)
            finally:
                # Its writer may outlive this by a moment, and a limit that is over cannot be moved.
                body.alive = _nothing


class PutTo:
    """One URL that takes a file (`ports.Place`). A location is the URL without its query, which is a secret."""

    def __init__(self, put: Put, url: str) -> None:
        self._put = put
        self._url = url

    async def keep(self, file: Path, name: str, media: Media) -> str:  # noqa: ARG002 - the URL is its name
        """Put it; doing so again writes the same again."""
        await self._put.send(self._url, file, media)
        return spoken(self._url)

    def read(self, location: str, start: int, length: int) -> AsyncIterator[bytes]:  # noqa: ARG002 - nobody can
        """Raise PlaceError (`elsewhere`)."""
        raise failed(
            "elsewhere",
            "It was put to an address of yours; this service cannot read it.",
            FaultKind.PERMANENT,
        )

    async def delete(self, location: str) -> None:
        """Do nothing: what was put there is its owner's."""

    async def delete_folder(self, folder: str) -> None:
        """Do nothing, as `delete`."""

    async def close(self) -> None:
        """Do nothing: `Put` owns the connections."""


def _nothing() -> None:
    """Note nothing."""


def _exact(text: str, checked: URL) -> URL:
    """Take a URL as it is written, since a signature may cover its very letters; if that leads to the same host."""
    if not text.isascii():
        return checked
    exact = URL(text, encoded=True)
    same = (exact.scheme, exact.raw_host, exact.port) == (
        checked.scheme,
        checked.raw_host,
        checked.port,
    )
    return exact if same else checked


def _headers(url: URL) -> Mapping[str, str]:
    return {**PLAIN, "x-ms-blob-type": "BlockBlob"} if url.query.keys() >= AZURE else PLAIN


async def _judge(response: aiohttp.ClientResponse, body: Body, media: Media) -> None:
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        if body.sent < media.bytes:
            raise failed(
                "answered_early", f"Your address answered {status} before it had the whole file."
            )
        return
    if status < HTTPStatus.BAD_REQUEST:
        raise failed(
            "redirect",
            f"Your address answered {status}: redirects of a PUT are not followed; give the address it leads to.",
            FaultKind.PERMANENT,
        )
    code = _CODE.search(await _beginning(response))
    said = f"{status} {code.group(1).decode()}" if code else str(status)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise failed(
            "expired",
            f"Your address refused the file ({said}). A signed URL is good until it expires, for PUT, and for one "
            f"Content-Type if that was signed: this file came as {media.content_type}.",
            FaultKind.PERMANENT,
        )
    passing = status in BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    raise failed(
        f"http_{status}",
        f"Your address answered {said} to the PUT.",
        FaultKind.TRANSIENT if passing else FaultKind.PERMANENT,
    )


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Read a part of an answer, as far as it comes: it is only for people."""
    try:
        return await response.content.read(READ_BYTES)
    except (aiohttp.ClientError, OSError):
        return b""


def _failure(error: Exception) -> PlaceError:
    if isinstance(error, UrlRefused):
        return failed("invalid_url", f"Nothing can be put there: {error}", FaultKind.PERMANENT)
    for kinds, code, message, kind in WORDS:
        if isinstance(error, kinds):
            return failed(code, message, kind)
    return failed("disconnected", "The connection to your address ended before it answered.")
