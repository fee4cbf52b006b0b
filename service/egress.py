"""Calls to addresses that strangers gave us: checked when they connect, and through a proxy where one is set.

A name is resolved once, every address it has is checked, and the connection goes to what was checked: a name that
means something else a moment later (DNS rebinding) changes nothing. With CALLBOARD_EGRESS_PROXY the proxy resolves
names and connects; what this machine can know beforehand (literals, names that it resolves itself) is refused here
all the same, and the rest is the proxy's own rules' business.
"""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import aiohttp
from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from yarl import URL

from service.core import url_guard
from service.core.url_guard import IPNetwork, UrlRefused

KEEPALIVE_S: Final = 4.0
"""Below the 5 s after which common servers hang up, so that few calls meet a connection just closed."""
_peers: ContextVar[list[str]] = ContextVar("peers")


class RefusedAddress(Exception):
    """A name or a literal leads where we do not connect to. No OSError on purpose: nobody is to try the next one."""


class GuardedResolver(AbstractResolver):
    """Resolves a name once and lets through only addresses that may be connected to.

    One bad address refuses the name: mixed answers are an attack or a mistake.
    """

    def __init__(self, inner: AbstractResolver, allowed: Sequence[IPNetwork]) -> None:
        self._inner = inner
        self._allowed = tuple(allowed)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve and check; raises RefusedAddress."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            refuse(result["host"], self._allowed)
        return found

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


class NotingConnector(aiohttp.TCPConnector):
    """Notes the address of every connection, a new, a failed and a used one, for whoever is `noting`."""

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


@contextmanager
def noting(peers: list[str]) -> Iterator[None]:
    """Have the addresses that calls inside connect to, or try to, appended; the last one counts."""
    token = _peers.set(peers)
    try:
        yield
    finally:
        _peers.reset(token)


def _noted_socket(info: AddrInfoType) -> socket.socket:
    family, kind, protocol, _, address = info
    _note(address)
    return socket.socket(family, kind, protocol)


def _note(address: object) -> None:
    # A proxy on a Unix socket has a name and no address.
    if isinstance(address, tuple) and (peers := _peers.get(None)) is not None:
        peers.append(str(address[0]))


def read_proxy(text: str) -> str:
    """Check `http://[user:password@]host[:port]`, which aiohttp takes as it is.

    Raises ValueError without repeating the text.
    """
    try:
        url = URL(text)
        good = url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        good = False
    if not good:
        raise ValueError("should be an http or https URL with a host; SOCKS is not spoken")
    return text


class Egress:
    """Makes sessions for calls to strangers' addresses, and checks these before the call."""

    def __init__(
        self,
        allowed: Sequence[IPNetwork] = (),
        *,
        proxy: str | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._allowed = tuple(allowed)
        self._proxy = proxy
        self._plain = resolver or aiohttp.ThreadedResolver()
        self._guarded = GuardedResolver(self._plain, self._allowed)

    def session(self) -> aiohttp.ClientSession:
        """Open a session; to be called inside a running loop. Time limits are the caller's business."""
        # The proxy is the operator's own: its name is not checked. Nobody waits here for a connection: how much is
        # under way is bounded by the caller.
        connector = NotingConnector(
            resolver=self._plain if self._proxy else self._guarded,
            use_dns_cache=False,
            limit=0,
            keepalive_timeout=KEEPALIVE_S,
        )
        # The time is kept by asyncio.timeout: aiohttp's own total rounds up to whole seconds.
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            proxy=self._proxy,
        )

    async def check(self, text: str, longest: int = url_guard.MAX_URL_LENGTH) -> URL:
        """Read a URL and check what can be known before connecting; raises UrlRefused or RefusedAddress.

        It has at most `longest` characters. A literal is checked here, because no resolver gets to see it. Through a proxy, a name that this machine
        resolves is checked too.
        """
        url_guard.check_url(text, longest)
        try:
            url = URL(text)
        except ValueError:
            raise UrlRefused("This is not a URL.") from None
        host = url.raw_host or ""
        url_guard.check_host(host)
        if url_guard.is_literal(host):
            refuse(host, self._allowed)
        elif self._proxy is not None:
            await self._check_name(host, url.port or 0)
        return url

    async def _check_name(self, host: str, port: int) -> None:
        try:
            await self._guarded.resolve(host, port)
        except OSError:
            # Networks with a proxy often resolve no outside names: then the proxy alone knows.
            return

    async def close(self) -> None:
        """Close the resolver; sessions are closed by who opened them."""
        await self._guarded.close()


def refuse(address: str, allowed: Sequence[IPNetwork]) -> None:
    """Raise RefusedAddress for an address that must not be connected to."""
    if url_guard.refusal(address, allowed) is not None:
        raise RefusedAddress


async def checked_addresses(
    host: str,
    port: int,
    allowed: Sequence[IPNetwork],
    resolver: AbstractResolver | None = None,
) -> list[str]:
    """Resolve a host for a client that connects by itself, and give the addresses that it is to connect to.

    Raises:
        RefusedAddress: one of them, or the host as it is written, must not be connected to.
        OSError: there is no such name.
    """
    try:
        url_guard.check_host(host)
    except UrlRefused:
        raise RefusedAddress from None
    if url_guard.is_literal(host):
        refuse(host, allowed)
        return [host]
    inner = resolver or aiohttp.ThreadedResolver()
    found = await GuardedResolver(inner, allowed).resolve(host, port)
    return list(dict.fromkeys(result["host"] for result in found))
