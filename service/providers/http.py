"""One call to an upstream over HTTP, and what is certain after it.

*Not sent* is said only where the connection itself was never made; all else that goes wrong is *no
answer*.
"""

import asyncio
from collections.abc import Mapping

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from service.providers.outcome import HttpAnswer, NoAnswer, NotSent, Outcome

MAX_BYTES = 4 * 1024 * 1024
"""A list of 100 generations with long inputs has some 300 KB."""
CONNECT_SHARE = 3
"""Connecting may take a third of a call's time, so that its end is never mistaken for the call's."""

SECRET_LENGTH = 16
"""An upstream may quote our key in an error, which people are shown; shorter keys are for tests."""


class Upstream:
    """Calls over a session that is shared with others, so nothing is left to its settings.

    `secret` is the key that the calls carry; it is cut from answers.

    Every call asks for a connection of its own. On one that was kept alive, an upstream that hung up
    in between looks like a reset after the request: an outcome that is unknown, for minutes, to save
    some 50 ms of a handshake. It also leaves nothing to aiohttp's own second try, which is for
    reused connections only (and never for a POST).
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        timeout_s: float,
        max_bytes: int = MAX_BYTES,
        *,
        secret: str | None = None,
    ) -> None:
        if session.trust_env:
            raise ValueError("upstreams are not called through a proxy of the environment")
        self._session = session
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes
        self._secret = secret.encode() if secret and len(secret) >= SECRET_LENGTH else None
        # The time of the whole call is kept by asyncio.timeout: aiohttp's own `total` rounds up to
        # seconds and cannot be told from a time-out while connecting.
        self._timeout = aiohttp.ClientTimeout(
            total=None, connect=timeout_s / CONNECT_SHARE, ceil_threshold=float("inf")
        )

    async def call(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Outcome:
        """Make one call, once; never raises for anything the network or the upstream does."""
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(
                    method,
                    url,
                    headers={**headers, "Connection": "close", "Accept-Encoding": "identity"},
                    data=body,
                    timeout=self._timeout,
                    allow_redirects=False,
                ) as response,
            ):
                return await self._read(response)
        except (
            aiohttp.ClientConnectorError,
            aiohttp.ConnectionTimeoutError,
            # A proxy that refuses CONNECT has passed nothing on.
            aiohttp.ClientHttpProxyError,
            aiohttp.InvalidURL,
            aiohttp.NonHttpUrlClientError,
        ) as error:
            return NotSent(_why_not_sent(error))
        except TimeoutError:
            return NoAnswer("No answer came in time.")
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            return NoAnswer(f"The connection broke before a whole answer came ({_name(error)}).")

    async def _read(self, response: aiohttp.ClientResponse) -> Outcome:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_bytes:
                response.close()
                return NoAnswer(f"The answer is larger than {self._max_bytes} bytes.")
        headers = {name.lower(): value for name, value in response.headers.items()}
        if self._secret is not None:
            body = body.replace(self._secret, b"[cut]")
        return HttpAnswer(response.status, headers, bytes(body))


def _why_not_sent(error: Exception) -> str:
    """Say it without the error's own text, which may hold addresses and parts of URLs."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            why = "its name could not be resolved"
        case aiohttp.ClientSSLError():
            why = "no secure connection could be made"
        case aiohttp.ConnectionTimeoutError():
            why = "it did not take the connection in time"
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            why = "its address is not a URL"
        case _:
            why = "the connection was refused"
    return f"The upstream could not be reached: {why}."


def _name(error: Exception) -> str:
    return type(error).__name__
