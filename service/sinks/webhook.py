"""Events as HTTP calls, signed by Standard Webhooks 1.0, to addresses that strangers gave us."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from service.core import handshake, url_guard
from service.core.headers import UnsendableHeader, owners, retry_after_s
from service.core.signing import entry, sign_v1, signed_message
from service.core.url_guard import IPNetwork, UrlRefused
from service.ports import Consent, Outgoing, Sent, Target
from service.vault import sign_ed25519

PLAIN: Final = {
    "User-Agent": f"Callboard/{version('callboard')}",
    "Accept-Encoding": "identity",
}
"""What every call carries."""
KEPT_BYTES: Final = 4096
"""How much of an answer is read and kept, for people to look at."""
KEEPALIVE_S: Final = 4.0
"""Below the 5 s after which common servers hang up, so that few calls meet a connection just closed."""
THROTTLED: Final = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.GATEWAY_TIMEOUT,
}
"""Answers of a target that has more than it can take (Standard Webhooks)."""
_peers: ContextVar[list[str]] = ContextVar("peers")
"""Addresses that the present call connected to, or tried to; the last one counts."""


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


FAILURES: Final = (
    *(RefusedAddress, UrlRefused, UnsendableHeader, TimeoutError),
    *(aiohttp.ClientError, HttpProcessingError, OSError),
)
"""What a call may end with; `_name` has a word for each."""


class NotingConnector(aiohttp.TCPConnector):
    """Notes the address of every connection, a new, a failed and a used one, for the call that wants it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(socket_factory=_noted_socket, **options)

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
    ) -> Connection:
        """Connect, or take a connection that is open."""
        connection = await super().connect(req, traces, timeout)
        if connection.transport is not None:
            _note(connection.transport.get_extra_info("peername"))
        return connection


class WebhookSink:
    """Posts events; to be made inside a running loop. Retries are the caller's business."""

    max_bytes: int | None = None

    def __init__(
        self, allow_networks: Sequence[IPNetwork] = (), *, resolver: AbstractResolver | None = None
    ) -> None:
        self._allowed = tuple(allow_networks)
        self._resolver = GuardedResolver(resolver or aiohttp.ThreadedResolver(), self._allowed)
        # Nobody waits here for a connection: how much is under way is bounded per target, by the caller.
        connector = NotingConnector(
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
        noting = _peers.set(peers)
        try:
            url = self._checked(target.url or "")
            async with (
                asyncio.timeout(target.timeout_s),
                self._session.request(
                    method, url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                yield response
        finally:
            _peers.reset(noting)

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


def _noted_socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, address = info
    _note(address)
    return socket.socket(family, kind, protocol)


def _note(address: object) -> None:
    # A proxy on a Unix socket has a name and no address.
    if isinstance(address, tuple) and (peers := _peers.get(None)) is not None:
        peers.append(str(address[0]))


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
    match error:
        case RefusedAddress():
            return "refused_address"
        case UrlRefused() | aiohttp.InvalidURL():
            return "invalid_url"
        case UnsendableHeader():
            return "invalid_settings"
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
