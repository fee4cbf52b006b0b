"""Events as HTTP calls, signed by Standard Webhooks 1.0, to addresses that strangers gave us."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version
from io import BytesIO
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from service.core import handshake
from service.core.headers import UnsendableHeader, owners, retry_after_s
from service.core.signing import entry, sign_v1, signed_message
from service.core.url_guard import UrlRefused
from service.egress import Egress, RefusedAddress, noting
from service.ports import Consent, Outgoing, Sent, Target
from service.vault import sign_ed25519

PLAIN: Final = {
    "User-Agent": f"Callboard/{version('callboard')}",
    "Accept-Encoding": "identity",
}
"""What every call carries."""
WHOLE_BYTES: Final = 2**19
KEPT_BYTES: Final = 4096
"""How much of an answer is read and kept, for people to look at."""
THROTTLED: Final = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Answers of a target that has more than it can take (Standard Webhooks)."""


FAILURES: Final = (
    *(RefusedAddress, UrlRefused, UnsendableHeader, TimeoutError),
    *(aiohttp.ClientError, HttpProcessingError, OSError),
)
"""What a call may end with; `_name` has a word for each."""
WORDS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...]] = (
    (RefusedAddress, "refused_address"),
    ((UrlRefused, aiohttp.InvalidURL), "invalid_url"),
    (UnsendableHeader, "invalid_settings"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientProxyConnectionError, "proxy"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ClientConnectorError, "connect"),
    ((OSError, aiohttp.ServerDisconnectedError), "disconnected"),
)
"""What a failure is called; the first that fits."""


class WebhookSink:
    """Posts events; to be made inside a running loop. Retries are the caller's business."""

    max_bytes: int | None = None

    def __init__(self, egress: Egress | None = None) -> None:
        self._egress = egress or Egress()
        self._session = self._egress.session()

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt; never raises for anything the target or the network does."""
        if not event.secrets and not event.private_keys:
            return Sent(ok=False, error="no_secret")
        peers: list[str] = []
        answered: Sent | None = None
        try:
            async with self._call(
                "POST", target, _headers(target, event), peers, event.body
            ) as got:
                answered = _judge(got, event.sent_at)
                answered = replace(answered, response=await _beginning(got))
        except FAILURES as error:
            # Once there is a status, it counts: the rest of an answer is only for people.
            answered = answered or Sent(ok=False, error=_name(error))
        return replace(answered, address=peers[-1] if peers else None)

    async def ask(self, target: Target, origin: str, rate: int) -> Consent:
        """Ask by OPTIONS whether the target wants `rate` deliveries a minute of `origin`.

        Its headers are its consent, whatever the status (`core.handshake`).
        """
        peers: list[str] = []
        wishes = {handshake.REQUEST_ORIGIN: origin, handshake.REQUEST_RATE: str(rate)}
        try:
            headers = owners(target.headers) | PLAIN | wishes
            async with self._call("OPTIONS", target, headers, peers) as got:
                said = handshake.read_consent(
                    origin,
                    got.headers.getall(handshake.ALLOWED_ORIGIN, ()),
                    got.headers.getall(handshake.ALLOWED_RATE, ()),
                )
                error = None if said.ok else "no_consent"
                why = said.why.encode()
                consent = Consent(said.ok, said.rate, error, why, got.status)
        except FAILURES as failed:
            consent = Consent(ok=False, error=_name(failed))
        return replace(consent, address=peers[-1] if peers else None)

    @asynccontextmanager
    async def _call(
        self,
        method: str,
        target: Target,
        headers: Mapping[str, str],
        peers: list[str],
        body: bytes | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make one call within the target's time limit; raises one of `FAILURES`."""
        with noting(peers):
            async with asyncio.timeout(target.timeout_s):
                url = await self._egress.check(target.url or "")
                async with self._session.request(
                    method, url, data=_payload(body), headers=headers, allow_redirects=False
                ) as response:
                    yield response

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._egress.close()


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    """Let aiohttp write a large body in parts: in one, it holds up the loop, and aiohttp says so."""
    return BytesIO(body) if body is not None and len(body) > WHOLE_BYTES else body


def _headers(target: Target, event: Outgoing) -> dict[str, str]:
    """Give the owner's headers, those of the format, and ours, which neither can replace."""
    message_id = str(event.event_id)
    asked = {} if target.origin is None else {handshake.REQUEST_ORIGIN: target.origin}
    return {
        **owners(target.headers),
        **event.headers,
        **PLAIN,
        **asked,
        "Content-Type": event.content_type,
        "webhook-id": message_id,
        "webhook-timestamp": str(event.sent_at),
        "webhook-signature": _signatures(event, message_id),
    }


def _signatures(event: Outgoing, message_id: str) -> str:
    """Sign with every secret, then with every private key; receivers take any entry they can check."""
    message = signed_message(message_id, event.sent_at, event.body)
    entries = [entry("v1a", sign_ed25519(seed, message)) for seed in event.private_keys]
    if event.secrets:
        entries.insert(0, sign_v1(event.secrets, message_id, event.sent_at, event.body))
    return " ".join(entries)


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
        throttled=status in THROTTLED,
    )


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
    if isinstance(error, aiohttp.ClientHttpProxyError):
        refused = error.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
        return "proxy_auth" if refused else "proxy"
    return next((word for kinds, word in WORDS if isinstance(error, kinds)), "protocol")
