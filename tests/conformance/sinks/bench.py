"""What a sink is tried on: a broker (or its stand-in) that tests start, stop, kill and read back.

One kind, one `Bench` in the table of `benches.py`. The suite asks a bench only for what its `shows` names, so a
stand-in that cannot do a thing makes a test less and no skipped one; `tests/README.md` says what is not shown.

A bench is made once a session and started when a test first needs it. Its methods without `async` block: they
start and stop processes. Each test works at a place of its own (a stream, queue, topic or file), so tests share
a broker and nothing else; a test that takes the broker down leaves it running.
"""

import asyncio
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import psutil  # type: ignore[import-untyped]

from service.ports import Sink, Target

PATIENCE_S = 60.0
"""RabbitMQ needs four seconds on an idle machine."""


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that a broker does."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - no event comes from there
            await asyncio.sleep(0.005)


class Shows(StrEnum):
    """What a bench can show of its sink."""

    RESTART = "restart"
    """`stop` and `start` keep what was confirmed."""
    CRASH = "crash"
    """So do `kill` (as by -9) and `start`: the broker promises durability."""
    CREDENTIALS = "credentials"
    """It tells good credentials from bad ones."""
    TLS = "tls"
    """It serves TLS with a certificate of the tests' own authority."""
    DEDUPE = "dedupe"
    """The same event twice is one."""
    ORDER = "order"
    """`read` gives what was confirmed in the order of confirming, at least by group."""
    UNROUTABLE = "unroutable"
    """A place that does not exist is an error and not a success."""
    TOO_LARGE = "too_large"
    """What is larger than the broker takes is refused with that word."""
    CONNECTION = "connection"
    """Its sink keeps one connection a subscription, which `connections` counts."""
    SERVERS = "servers"
    """Its settings name servers as `host:port`, so that a test may name others."""


class Access(StrEnum):
    """With which credentials a target is made."""

    GOOD = "good"
    OTHER = "other"
    """Good ones as well, but not the same."""
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Place:
    """One stream, queue, topic or file: what the settings of a subscription say about it."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """One message as a consumer reads it: `event_id` and `group` (taskUUID) as the broker's own means say them.

    Both are None where the broker, or this format, has no place for them outside of the body.
    """

    body: bytes
    event_id: str | None = None
    group: str | None = None


class Bench(ABC):
    """One broker on loopback, on a port of its own."""

    kind: ClassVar[str]
    shows: ClassVar[Collection[Shows]]
    words: ClassVar[Mapping[str, str]] = {}
    """Where a sink's word for an error is another than usual, as {"connect": "disconnected"}."""
    port: int = 0
    """Where connections are counted."""
    many: ClassVar[int] = 400
    """Events of a long run; fewer where a stand-in is slow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)

    @classmethod
    def missing(cls) -> str | None:
        """Say how to get the broker's program, where it is not installed."""
        return None

    def start(self) -> None:
        """Start it, on the data of before, and wait until it serves.

        A bench has this, or `launch` and `ready`, which let a test go on sending meanwhile.
        """
        self.launch()
        end = time.monotonic() + PATIENCE_S
        while not self.ready():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.kind} does not serve")
            time.sleep(0.01)

    def launch(self) -> None:
        """Start it, from the main thread, without waiting."""
        self.start()

    def ready(self) -> bool:
        """Say whether what was launched serves; raises RuntimeError when it ended."""
        return True

    @abstractmethod
    def stop(self) -> None:
        """Stop it the polite way, with all that it started; nothing happens where it does not run."""

    def kill(self) -> None:
        """Kill it as by -9 and wait for its end."""
        raise NotImplementedError

    @abstractmethod
    def sink(self) -> Sink:
        """Make a sink of this kind, inside a running loop; the test closes it."""

    @abstractmethod
    async def place(self) -> Place:
        """Make a place that nobody used before."""

    def nowhere(self) -> Place:
        """Name a place that does not exist."""
        raise NotImplementedError

    @abstractmethod
    async def read(self, place: Place) -> list[Arrived]:
        """Read all that arrived there, in its order, with a client of the test's own."""

    def target(
        self,
        place: Place,
        *,
        access: Access = Access.GOOD,
        tls: bool = False,
        subscription: UUID | None = None,
        timeout_s: float = 5.0,
    ) -> Target:
        """Make what a subscription to this place would be."""
        settings = {**place.settings, **(self.tls_settings() if tls else {})}
        return Target(
            kind=self.kind,
            url=place.url,
            settings=settings,
            timeout_s=timeout_s,
            credentials=self.credentials(access),
            id=subscription,
        )

    def credentials(self, access: Access) -> Mapping[str, Any]:
        """Give credentials, as a subscription keeps them."""
        return {}

    def tls_settings(self) -> Mapping[str, Any]:
        """Give the settings that make a connection one of TLS."""
        raise NotImplementedError

    def connections(self) -> int:
        """Count the connections that this process has to the broker."""
        mine = psutil.Process().net_connections("tcp")
        return sum(
            1
            for one in mine
            if one.raddr and one.raddr.port == self.port and one.status == psutil.CONN_ESTABLISHED
        )

    def next_name(self) -> str:
        """Make a name that no other place of this session has."""
        return f"place_{next(self._numbers)}"
