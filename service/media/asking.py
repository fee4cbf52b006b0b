"""Requests for files at strangers' addresses: redirects followed by hand, bodies read in blocks."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from service.core.url_guard import UrlRefused
from service.egress import Egress
from service.media import faults
from service.media.answers import BadRedirect, follow

HEADERS: Final = {
    "User-Agent": f"Callboard/{version('callboard')}",
    "Accept": "*/*",
    "Accept-Encoding": "identity",
}
REDIRECTS: Final = {
    *(HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.FOUND, HTTPStatus.SEE_OTHER),
    *(HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT),
}
GATHERED_BYTES: Final = 2**19
"""So much is handed to a thread at once: a hop for each 64 KiB would cost more than the writing."""
BUFFER_BYTES: Final = 2**18
"""What aiohttp reads ahead, twice: with its 64 KiB it stops and starts the connection all the time."""


class Asking:
    """One session for all downloads, opened by the first of them."""

    def __init__(self, egress: Egress, connect_s: float, stall_s: float, *, redirects: int) -> None:
        self._egress = egress
        self._session: aiohttp.ClientSession | None = None
        self._redirects = redirects
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_s, sock_connect=connect_s, sock_read=stall_s
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        await self._egress.close()

    @asynccontextmanager
    async def answer(
        self, url: str, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Give the answer at the end of all redirects; its connection ends with the context.

        Raises FetchError.
        """
        for turn in range(self._redirects + 1):
            response = await self._get(url, headers, moved=turn > 0)
            try:
                if response.status not in REDIRECTS:
                    yield response
                    return
                url = follow(url, response.headers.get("Location"))
            except BadRedirect as error:
                raise faults.permanent("redirect", str(error)) from None
            finally:
                response.close()
        text = f"More than {self._redirects} redirects lead to no video."
        raise faults.permanent("redirect", text)

    async def _get(
        self, url: str, headers: Mapping[str, str], *, moved: bool
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            self._session = self._egress.session()
        try:
            checked = await self._egress.check(url)
            return await self._session.get(
                _as_spelt(url, checked),
                headers={**HEADERS, **headers},
                allow_redirects=False,
                timeout=self._timeout,
                read_bufsize=BUFFER_BYTES,
            )
        except UrlRefused as error:
            code = "redirect" if moved else "invalid_url"
            raise faults.permanent(code, f"The address cannot be called: {error}") from None
        except faults.NETWORK as error:
            raise faults.of_network(error, _host(url)) from error


async def blocks(response: aiohttp.ClientResponse) -> AsyncGenerator[list[bytes], None]:
    """Read a body in blocks of about half a mebibyte, each in the pieces that came; what comes before a break too.

    Raises FetchError.
    """
    block: list[bytes] = []
    size = 0
    while True:
        try:
            chunk = await response.content.readany()
        except faults.NETWORK as error:
            yield block
            raise faults.of_network(error, host_of(response)) from error
        block.append(chunk)
        size += len(chunk)
        if size >= GATHERED_BYTES or not chunk:
            yield block
            block, size = [], 0
        if not chunk:
            return


def host_of(response: aiohttp.ClientResponse) -> str:
    """Name who answered; the rest of an address may be a secret."""
    return response.url.raw_host or "The address"


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "The address"
    except ValueError:
        return "The address"


def _as_spelt(text: str, checked: URL) -> URL:
    """Keep a URL as its owner spelt it: a signature may be over its very characters.

    Where that leads elsewhere than what was checked, or is not ASCII, what was checked is called.
    """
    spelt = URL(text, encoded=True) if text.isascii() else checked
    place, other = ((url.scheme, url.raw_host, url.port) for url in (spelt, checked))
    return spelt if place == other else checked
