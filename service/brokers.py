"""What sinks of brokers with long connections have in common: one attempt, on a connection that is kept.

A server's name is resolved once for a connection, its addresses are checked, and it goes to one of those.
"""

import asyncio
import logging
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Generic, Protocol, TypeVar

import structlog

from service.clients import BadSettings, Clients, Given
from service.core.url_guard import IPNetwork
from service.dialing import Endpoint
from service.egress import RefusedAddress, checked_addresses
from service.ports import Outgoing, Sent, Target

log = structlog.get_logger()
KEPT_BYTES: Final = 4096
"""How much of what a broker said is kept, for people to look at."""
MOST_ADDRESSES: Final = 4
"""Of one name; more would only share the time of an attempt."""
NO_TASK: Final = "none"
"""What stands for {taskUUID} in the events of batches."""
OF_THE_EVENT: Final = frozenset(
    {"unroutable", "too_large", "rejected", "unauthorized", "invalid_settings"}
)
"""Words after which a connection is as good as before."""
ANOTHER_MAY_ANSWER: Final = frozenset({"dns", "connect", "timeout", "disconnected"})


class NotSent(Exception):
    """An attempt that ended: its word, and what the broker said about it."""

    def __init__(self, word: str, text: str = "", *, throttled: bool = False) -> None:
        super().__init__(f"{word}: {text}")
        self.sent = Sent(
            ok=False, error=word, response=text.encode()[:KEPT_BYTES], throttled=throttled
        )


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

    def discard(self, link: L) -> None:
        """Close a link that did not open, in the background."""
        self._clients.discard(link)

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
            return replace(await self.publish(link, plan, target, event), address=link.address)
        except Exception as error:  # noqa: BLE001 - what a client library raises is not all known
            fault = self._not_sent(error, connecting=False).sent
            if fault.error not in OF_THE_EVENT or not await link.alive():
                self._clients.drop(link)
            return replace(fault, address=link.address)
        except BaseException:
            self._clients.drop(link)
            raise

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
            case _:
                pass
        return self.judge(error) or _of_the_network(error, connecting=connecting) or _unknown(error)


def _of_the_network(error: BaseException, *, connecting: bool) -> NotSent | None:
    """Find what the network did behind the error of a library; its own text may hold addresses."""
    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    # Errors of libraries are OSErrors too: what is more exact counts, wherever it stands.
    for kinds, word in (
        ((ssl.SSLError,), "tls"),
        ((socket.gaierror,), "dns"),
        ((EOFError, ConnectionResetError, BrokenPipeError), "disconnected"),
        ((OSError,), "connect" if connecting else "disconnected"),
    ):
        for cause in chain:
            if isinstance(cause, kinds):
                return NotSent(word, getattr(cause, "verify_message", ""))
    return None


def _unknown(error: Exception) -> NotSent:
    log.warning("sink.unknown_error", error=type(error).__name__)
    return NotSent("protocol", type(error).__name__)


def quiet(*names: str) -> None:
    """Silence loggers of client libraries: they print tracebacks, addresses and all, to stderr."""
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # noqa: TID251 - they are not ours
