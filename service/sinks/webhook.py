"""Events as HTTP calls, signed by Standard Webhooks 1.0, to addresses that strangers gave us."""

import asyncio
import math
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from service.core import url_guard
from service.core.signing import sign_v1
from service.core.url_guard import IPNetwork, UrlRefused
from service.ports import Outgoing, Sent, Target

USER_AGENT: Final = f"Callboard/{version('callboard')}"
KEPT_BYTES: Final = 4096
"""How much of an answer is read and kept, for people to look at."""
KEEPALIVE_S: Final = 4.0
"""Below the 5 s after which common servers hang up, so that few calls meet a connection just closed."""
MOST_DIGITS: Final = 9
"""Digits of a `Retry-After` that is still meant seriously: 31 years."""


class RefusedAddress(Exception):
    """A name or a literal leads where we do not connect to."""


class GuardedResolver(AbstractResolver):
    """Resolves a name once and lets through only addresses that may be connected to.

    The connection is made to what is returned here, so a name that means something else a moment later
    changes nothing. One bad address refuses the name: mixed answers are an attack or a mistake.
    """

    def __init__(self, inner: AbstractResolver, allowed: Sequence[IPNetwork]) -> None:
        self._inner = inner
        self._allowed = tuple(allowed)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve and check; raises RefusedAddress, which is no OSError on purpose."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            _refuse(result["host"], self._allowed)
        return found

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


class WebhookSink:
    """Posts events; to be made inside a running loop. Retries are the caller's business."""

    max_bytes: int | None = None

    def __init__(
        self, allow_networks: Sequence[IPNetwork] = (), *, resolver: AbstractResolver | None = None
    ) -> None:
        self._allowed = tuple(allow_networks)
        self._resolver = GuardedResolver(resolver or aiohttp.ThreadedResolver(), self._allowed)
        # Nobody waits here for a connection: how much is under way is bounded per target, by the caller.
        connector = aiohttp.TCPConnector(
            resolver=self._resolver, use_dns_cache=False, limit=0, keepalive_timeout=KEEPALIVE_S
        )
        # The time is kept by asyncio.timeout: aiohttp's own total rounds up to whole seconds.
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt; never raises for anything the target or the network does."""
        if not event.secrets:
            return Sent(ok=False, error="no_secret")
        answered: Sent | None = None
        try:
            url = self._checked(target.url or "")
            async with (
                asyncio.timeout(target.timeout_s),
                self._session.post(
                    url, data=event.body, headers=_headers(event), allow_redirects=False
                ) as response,
            ):
                answered = _judge(response, event.sent_at)
                answered = replace(answered, response=await _beginning(response))
        except (
            *(RefusedAddress, UrlRefused, TimeoutError),
            *(aiohttp.ClientError, HttpProcessingError, OSError),
        ) as error:
            # Once there is a status, it counts: the rest of an answer is only for people.
            return answered or Sent(ok=False, error=_name(error))
        return answered

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._resolver.close()

    def _checked(self, text: str) -> URL:
        """Read a URL and check its host if it is an address: no resolver gets to see that one."""
        url_guard.check_url(text)
        try:
            url = URL(text)
        except ValueError:
            raise UrlRefused("This is not a URL.") from None
        host = url.raw_host or ""
        url_guard.check_host(host)
        if url_guard.is_literal(host):
            _refuse(host, self._allowed)
        return url


def _refuse(address: str, allowed: Sequence[IPNetwork]) -> None:
    if url_guard.refusal(address, allowed) is not None:
        raise RefusedAddress


def _headers(event: Outgoing) -> dict[str, str]:
    message_id = str(event.event_id)
    return {
        "Content-Type": event.content_type,
        "User-Agent": USER_AGENT,
        "Accept-Encoding": "identity",
        "webhook-id": message_id,
        "webhook-timestamp": str(event.sent_at),
        "webhook-signature": sign_v1(event.secrets, message_id, event.sent_at, event.body),
    }


def _judge(response: aiohttp.ClientResponse, sent_at: int) -> Sent:
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Sent(ok=True, status=status)
    moved = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST
    return Sent(
        ok=False,
        status=status,
        error="redirect" if moved else f"http_{status}",
        retry_after_s=retry_after_s(response.headers.get("Retry-After"), sent_at),
        gone=status == HTTPStatus.GONE,
    )


def retry_after_s(value: str | None, now: int) -> float | None:
    """Read `Retry-After`, seconds or a date, as seconds from `now`; none for what is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= MOST_DIGITS else None
    try:
        date = parsedate_to_datetime(text)
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        wait = aware.timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(wait, 0.0) if math.isfinite(wait) else None


async def _beginning(response: aiohttp.ClientResponse) -> bytes:
    """Read what is kept of an answer; a longer one ends its connection."""
    kept = bytearray()
    while len(kept) < KEPT_BYTES:
        chunk = await response.content.read(KEPT_BYTES - len(kept))
        if not chunk:
            return bytes(kept)
        kept += chunk
    response.close()
    return bytes(kept)


def _name(error: Exception) -> str:
    """Name what went wrong in one stable word; the error's own text may hold addresses."""
    match error:
        case RefusedAddress():
            return "refused_address"
        case UrlRefused() | aiohttp.InvalidURL():
            return "invalid_url"
        case TimeoutError():
            return "timeout"
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorError():
            return "connect"
        case OSError() | aiohttp.ServerDisconnectedError():
            return "disconnected"
        case _:
            return "protocol"
