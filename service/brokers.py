"""What sinks of brokers with long connections have in common: where they connect, TLS, and one attempt.

A server's name is resolved once, its addresses are checked, and the connection goes to one of those. TLS is
judged by the name all the same.
"""

import asyncio
import socket
import ssl
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar

import structlog

from service.clients import BadSettings, Clients, Given
from service.core import url_guard
from service.core.url_guard import IPNetwork, UrlRefused
from service.egress import RefusedAddress, checked_addresses
from service.ports import Outgoing, Sent, Target

log = structlog.get_logger()
KEPT_BYTES: Final = 4096
"""How much of what a broker said is kept, for people to look at."""
MOST_ADDRESSES: Final = 4
"""Of one name; more would only share the time of an attempt."""
NO_TASK: Final = "none"
"""What stands for {taskUUID} in the events of batches."""
ANOTHER_MAY_ANSWER: Final = frozenset({"dns", "connect", "timeout", "disconnected"})


class NotSent(Exception):
    """An attempt that ended: its word, and what the broker said about it."""

    def __init__(self, word: str, text: str = "", *, throttled: bool = False) -> None:
        super().__init__(f"{word}: {text}")
        self.sent = Sent(
            ok=False, error=word, response=text.encode()[:KEPT_BYTES], throttled=throttled
        )


class NamedContext(ssl.SSLContext):
    """TLS to an address, which asks for the certificate of the name that the address stands for.

    `begun` says that a connection was encrypted at all: a protocol that begins in the clear may forget to.
    """

    name = ""
    begun = False

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, **options: Any
    ) -> ssl.SSLObject:
        """Begin TLS as with the name, whatever was connected to."""
        self.begun = True
        return super().wrap_bio(incoming, outgoing, **(options | {"server_hostname": self.name}))


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server, and how it is spoken to: `certificate` is (certificate chain, key), both PEM."""

    host: str
    port: int
    tls: bool
    ca: str | None = None
    certificate: tuple[str, str] | None = None

    async def context(self) -> NamedContext | None:
        """Make what one TLS connection needs, or nothing; raises BadSettings for a PEM that is none."""
        # Reading the system's certificates takes milliseconds of processor time.
        return await asyncio.to_thread(self._context) if self.tls else None

    def _context(self) -> NamedContext:
        context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
        context.name = self.host
        if self.ca is None:
            context.load_default_certs()
        else:
            try:
                context.load_verify_locations(cadata=self.ca)
            except (ssl.SSLError, ValueError):
                raise BadSettings("ca should be certificates in PEM.") from None
        if self.certificate is not None:
            _load(context, *self.certificate)
        return context


def endpoints(
    settings: Given, credentials: Given, servers: Sequence[str], ports: tuple[int, int]
) -> tuple[Endpoint, ...]:
    """Read servers as `host`, `host:port` or `[v6]:port`; `ports` are the usual ones without and with TLS."""
    tls = settings.flag("tls", default=False)
    chain, key = credentials.maybe("certificate"), credentials.maybe("key")
    if (chain is None) != (key is None):
        raise BadSettings("certificate and key go together.")
    certificate = None if chain is None or key is None else (chain, key)
    if not tls and (certificate is not None or settings.maybe("ca") is not None):
        raise BadSettings("ca and certificate need tls.")
    found = []
    for server in servers:
        host, port = _split(server, ports[tls])
        try:
            url_guard.check_host(host)
        except UrlRefused:
            raise BadSettings("A server should be a host name or an address, and a port.") from None
        found.append(Endpoint(host, port, tls, settings.maybe("ca"), certificate))
    return tuple(found)


def _split(server: str, usual: int) -> tuple[str, int]:
    if server.startswith("["):
        host, _, rest = server[1:].partition("]")
        port = rest.removeprefix(":")
    else:
        host, _, port = server.partition(":")
    if not port:
        return host, usual
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):  # noqa: PLR2004 - 16 bits
        raise BadSettings("The port of a server should be a number from 1 to 65535.")
    return host, int(port)


def fill(template: str, event: Outgoing) -> str:
    """Put an event's type and taskUUID into a subject or a routing key."""
    task = NO_TASK if event.task_uuid is None else str(event.task_uuid)
    return template.replace("{type}", event.event_type).replace("{taskUUID}", task)


class Link(Protocol):
    """One open connection to a broker, shared by all that is under way to one subscription."""

    address: str

    async def alive(self) -> bool:
        """Say whether something can be published on it, as far as is known."""
        ...

    async def close(self) -> None:
        """Close it; what is under way on it ends as `disconnected`."""
        ...


P = TypeVar("P")
L = TypeVar("L", bound=Link)


class BrokerSink(ABC, Generic[P, L]):
    """A sink with one connection a subscription. P is its plan: settings and credentials, read.

    To be made inside a running loop. Retries are the caller's business; a connection that failed is not used
    again, so that after every outcome it is known what state the next attempt begins in: a new connection's.
    """

    max_bytes: int | None = None

    def __init__(self, allow_networks: Sequence[IPNetwork] = ()) -> None:
        self._allowed = tuple(allow_networks)
        self._clients: Clients[L] = Clients(lambda link: link.close())

    @abstractmethod
    def plan(self, settings: Given, credentials: Given) -> P:
        """Read what a subscription says; raises BadSettings."""

    @abstractmethod
    def servers(self, plan: P) -> tuple[Endpoint, ...]:
        """Say where to connect: the first one that answers counts."""

    @abstractmethod
    async def connect(self, plan: P, endpoint: Endpoint, address: str) -> L:
        """Open a connection to an address that was checked, and leave nothing open on an error."""

    @abstractmethod
    async def publish(self, link: L, plan: P, target: Target, event: Outgoing) -> Sent:
        """Publish and wait until the broker has it; raises NotSent, or whatever the client library does."""

    @abstractmethod
    def judge(self, error: Exception) -> NotSent | None:
        """Name an error of the client library; None is for all others."""

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt; never raises for anything the target or the network does."""
        try:
            plan = self.plan(Given(target.settings), Given(target.credentials))
            async with asyncio.timeout(target.timeout_s):
                return await self._attempt(plan, target, event)
        except Exception as error:  # noqa: BLE001 - what a client library raises is not all known
            return self._not_sent(error, connecting=False).sent

    async def close(self) -> None:
        """Close all connections."""
        await self._clients.close()

    async def _attempt(self, plan: P, target: Target, event: Outgoing) -> Sent:
        opened = 0

        async def connect() -> L:
            nonlocal opened
            opened += 1
            return await self._first_that_answers(plan, target.timeout_s)

        while True:
            async with self._clients.of(target, connect) as link:
                if opened or await link.alive():
                    return await self._publish(link, plan, target, event)
                # It ended while nobody used it.
                self._clients.drop(link)

    async def _publish(self, link: L, plan: P, target: Target, event: Outgoing) -> Sent:
        try:
            return replace(
                await self.publish(link, plan, target, event), address=link.address
            )
        except BaseException as error:
            fault = self._not_sent(error, connecting=False) if isinstance(error, Exception) else None
            if not isinstance(error, NotSent) or not await link.alive():
                self._clients.drop(link)
            if fault is None:
                raise
            return replace(fault.sent, address=link.address)

    async def _first_that_answers(self, plan: P, timeout_s: float) -> L:
        """Connect to the first address that takes it; each server has its share of the time."""
        fault = NotSent("connect")
        servers = self.servers(plan)
        for endpoint in servers:
            try:
                async with asyncio.timeout(timeout_s / len(servers)):
                    return await self._connect(plan, endpoint)
            except Exception as error:  # noqa: BLE001 - what a client library raises is not all known
                fault = self._not_sent(error, connecting=True)
                if fault.sent.error not in ANOTHER_MAY_ANSWER:
                    break
        raise fault

    async def _connect(self, plan: P, endpoint: Endpoint) -> L:
        fault: Exception = NotSent("dns")
        try:
            found = await checked_addresses(endpoint.host, endpoint.port, self._allowed)
        except OSError:
            raise fault from None
        for address in found[:MOST_ADDRESSES]:
            try:
                return await self.connect(plan, endpoint, address)
            except OSError as error:
                fault = error
        raise fault

    def _not_sent(self, error: Exception, *, connecting: bool) -> NotSent:
        match error:
            case NotSent():
                return error
            case BadSettings():
                return NotSent("invalid_settings", str(error))
            case RefusedAddress():
                return NotSent("refused_address")
            case TimeoutError():
                return NotSent("timeout")
        return (
            self.judge(error) or _of_the_network(error, connecting=connecting) or _unknown(error)
        )


def _of_the_network(error: BaseException, *, connecting: bool) -> NotSent | None:
    """Find what the network did behind the error of a library; its own text may hold addresses."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return NotSent("tls", f"The certificate is not trusted: {cause.verify_message}.")
            case ssl.SSLError():
                return NotSent("tls")
            case socket.gaierror():
                return NotSent("dns")
            case EOFError() | ConnectionResetError() | BrokenPipeError():
                return NotSent("disconnected")
            case OSError():
                return NotSent("connect" if connecting else "disconnected")
        cause = cause.__cause__ or cause.__context__
    return None


def _unknown(error: Exception) -> NotSent:
    log.warning("sink.unknown_error", error=type(error).__name__)
    return NotSent("protocol", type(error).__name__)


def _load(context: ssl.SSLContext, chain: str, key: str) -> None:
    """Load a client's certificate: OpenSSL's binding takes it from files alone."""
    with tempfile.TemporaryDirectory(prefix="callboard-") as folder:
        paths = [Path(folder, name) for name in ("chain", "key")]
        for path, text in zip(paths, (chain, key), strict=True):
            path.touch(mode=0o600)
            path.write_text(text)
        try:
            # An empty password, for an encrypted key would ask on the terminal.
            context.load_cert_chain(*paths, password="")
        except (ssl.SSLError, ValueError):
            raise BadSettings("certificate and key should be PEM, and belong together.") from None


def quiet(*names: str) -> None:
    """Silence loggers of client libraries: they print tracebacks, addresses and all, to stderr."""
    import logging

    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # noqa: TID251 - they are not ours


