"""What sinks of brokers have in common: settings read without trust, and one client for each subscription."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

import structlog

from service.ports import Target

log = structlog.get_logger()
MOST_CLIENTS: Final = 256
"""Clients of one sink that are kept open: each holds a connection or two, of the 1024 files that are usual."""
IDLE_S: Final = 300.0
CLOSE_S: Final = 5.0
"""How long a client may take to close before it is left alone."""

C = TypeVar("C")


class BadSettings(Exception):
    """The settings or credentials of a subscription cannot be used; the text says which, and why."""


class Given:
    """Settings or credentials as they were stored. They were checked then, by rules that may have changed."""

    def __init__(self, values: Mapping[str, object] | None) -> None:
        self._values = values or {}

    def text(self, name: str, default: str | None = None) -> str:
        """Give a text that is not empty; raises BadSettings for what is none, or missing without a default."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or not value:
            raise BadSettings(f"{name} should be a text that is not empty.")
        return value

    def maybe(self, name: str) -> str | None:
        """Give a text, or None where none is set."""
        return None if self._values.get(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Give a list of texts that is not empty; raises BadSettings for anything else."""
        values = self._values.get(name)
        if not isinstance(values, list | tuple) or not values:
            raise BadSettings(f"{name} should be a list of texts.")
        if not all(isinstance(value, str) and value for value in values):
            raise BadSettings(f"{name} should hold texts that are not empty.")
        return tuple(values)

    def number(self, name: str, default: int, *, least: int = 1) -> int:
        """Give a whole number that is not too small; raises BadSettings for anything else."""
        value = self._values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise BadSettings(f"{name} should be a whole number from {least} on.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Give a boolean; raises BadSettings for anything else."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise BadSettings(f"{name} should be true or false.")
        return value


class _Entry(Generic[C]):
    """One subscription's client, which is opened by whoever comes first."""

    def __init__(self, made_of: bytes) -> None:
        self.made_of = made_of
        self.lock = asyncio.Lock()
        self.client: C | None = None
        self.users = 0
        self.used_at = 0.0
        self.retired = False


class Clients(Generic[C]):
    """One client a subscription: opened when it is first needed, shared, closed when its settings change or it idles.

    To be made inside a running loop. `close` is told to close a client, and may raise or hang.
    """

    def __init__(
        self,
        close: Callable[[C], Awaitable[None]],
        *,
        most: int = MOST_CLIENTS,
        idle_s: float = IDLE_S,
    ) -> None:
        self._close = close
        self._most = most
        self._idle_s = idle_s
        self._entries: dict[Hashable, _Entry[C]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def of(self, target: Target, open_client: Callable[[], Awaitable[C]]) -> AsyncIterator[C]:
        """Lend the client of a target; it stays open for the next one. Whatever opening raises goes through."""
        made_of = _fingerprint(target)
        owner = target.id or made_of
        entry = self._entries.pop(owner, None)
        if entry is not None and entry.made_of != made_of:
            self._retire(entry)
            entry = None
        if entry is None:
            entry = _Entry(made_of)
        # The last place is that of the one used last: when there are too many, the first one goes.
        self._entries[owner] = entry
        entry.users += 1
        try:
            async with entry.lock:
                if entry.client is None:
                    entry.client = await open_client()
            yield entry.client
        finally:
            entry.users -= 1
            entry.used_at = asyncio.get_running_loop().time()
            if entry.retired:
                self._retire(entry)
            if len(self._entries) > self._most:
                self._sweep()
            self._come_back()

    def drop(self, client: C) -> None:
        """Close a client once nobody uses it, and open another one next time."""
        for owner, entry in tuple(self._entries.items()):
            if entry.client is client:
                del self._entries[owner]
                self._retire(entry)

    def discard(self, client: C) -> None:
        """Close a client that was never lent, in the background."""
        # Not a long-lived task: it ends within CLOSE_S, and `close` waits for it.
        task = asyncio.get_running_loop().create_task(self._end(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self) -> None:
        """Close all clients."""
        if self._timer is not None:
            self._timer.cancel()
        entries, self._entries = tuple(self._entries.values()), {}
        for entry in entries:
            entry.users = 0
            self._retire(entry)
        while self._closing:
            await asyncio.wait(self._closing)

    def _sweep(self) -> None:
        """Retire what is idle, or too many."""
        now = asyncio.get_running_loop().time()
        for owner, entry in tuple(self._entries.items()):
            idle = now - entry.used_at >= self._idle_s
            if not entry.users and (idle or len(self._entries) > self._most):
                del self._entries[owner]
                self._retire(entry)

    def _come_back(self) -> None:
        """Have somebody look later whether all of them are still used."""
        if self._timer is None and self._entries:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self._sweep()
        self._come_back()

    def _retire(self, entry: _Entry[C]) -> None:
        entry.retired = True
        if not entry.users and entry.client is not None:
            client, entry.client = entry.client, None
            self.discard(client)

    async def _end(self, client: C) -> None:
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._close(client)
        except Exception as error:  # noqa: BLE001 - it is of no use any more, whatever it says
            log.debug("sink.close_failed", error=type(error).__name__)


def _fingerprint(target: Target) -> bytes:
    """Say in 32 bytes what a client is made of; the credentials cannot be read back from it."""
    parts = [dict(target.settings or {}), dict(target.credentials), target.timeout_s]
    written = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(written.encode(), digest_size=32).digest()
