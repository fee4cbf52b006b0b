"""Fault points: named places where a process may be made to die, stand still or lose its connection. Off by default.

They wrap what flows are handed (the pool, the clients of upstreams, the sinks), so that no flow knows of them and
nothing is in the way when they are off. `CALLBOARD_FAULT_POINTS="call.after=kill:0.02,inbox.before_commit=cut:0.1"`
is for tests of failures only: `kill` is SIGKILL, `stop` is SIGSTOP (somebody else has to continue the process), `cut`
breaks the database connection.
"""

import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import structlog

from service.core.inputs import Answer, Reading
from service.core.task import FirstSend, Task
from service.flows.upstreams import Upstreams
from service.ports import Asker, Consent, Dice, Outgoing, Provider, Sent, Sink, Target
from service.settings import SettingsError
from service.store.pool import Pool
from service.store.queries import load_all

log = structlog.get_logger()

STATEMENTS: Mapping[str, str] = {
    "claim_queued": "submit.claimed",
    "claim_due": "reconcile.claimed",
    "claim_deliveries": "deliver.claimed",
}
"""Points right after a statement."""
COMMITS: Mapping[str, str] = {
    "insert_callbacks": "inbox",
    "settle_callbacks": "pending",
    "insert_tasks": "accept",
    "claim_queued": "claim",
    "get_sends": "send",
    "lock_tasks": "apply",
}
"""A transaction is called after the first of these that is in it; it has a point before and one after its commit.

`send` is the commit of `sent_at` with the first bytes; `apply` that of an answer, a read, the clock or the operator.
"""
CALLS = (
    "call.before",
    "call.after",
    "read.before",
    "read.after",
    "deliver.before",
    "deliver.after",
)
POINTS = frozenset(
    {
        *STATEMENTS.values(),
        *(f"{name}.{when}_commit" for name in COMMITS.values() for when in ("before", "after")),
        *CALLS,
    }
)
NAMES = {sql: name for blocks in load_all().values() for name, sql in blocks.items()}


class Faults:
    """Throws the dice at each point."""

    def __init__(self, chances: Mapping[str, tuple[str, float]], dice: Dice) -> None:
        self._chances = chances
        self._dice = dice

    def at(self, point: str, cut: Callable[[], object] | None = None) -> None:
        """Pass a point; raises ConnectionResetError when the connection was cut."""
        action, chance = self._chances.get(point, ("", 0.0))
        if not chance or self._dice.jitter() >= chance:
            return
        log.warning("fault.struck", point=point, action=action)
        if action == "cut":
            if cut is not None:
                cut()
            raise ConnectionResetError(f"cut at {point}")
        os.kill(os.getpid(), signal.SIGKILL if action == "kill" else signal.SIGSTOP)


def parse(text: str, dice: Dice) -> Faults | None:
    """Read the setting; none when it is empty. Raises SettingsError for what is no such list."""
    chances: dict[str, tuple[str, float]] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        point, _, rest = entry.partition("=")
        action, _, chance = rest.partition(":")
        allowed = {"kill", "stop"} if point in CALLS else {"kill", "stop", "cut"}
        if point not in POINTS or action not in allowed:
            known = ", ".join(sorted(POINTS))
            raise SettingsError(
                f"CALLBOARD_FAULT_POINTS: {entry!r} should be point=kill:0.01 (or stop, or cut where a "
                f"connection is); points are: {known}."
            )
        try:
            chances[point] = (action, float(chance or 1))
        except ValueError:
            raise SettingsError(
                f"CALLBOARD_FAULT_POINTS: {chance!r} should be a chance from 0 to 1."
            ) from None
    return Faults(chances, dice) if chances else None


class FaultyPool:
    """A pool whose statements and commits have points; all else is the real one."""

    def __init__(self, pool: Pool, faults: Faults) -> None:
        self._pool = pool
        self._faults = faults

    @property
    def pool(self) -> Pool:
        """The same, as flows take it."""
        return cast("Pool", self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @asynccontextmanager
    async def acquire(self, *, timeout: float | None = None) -> AsyncIterator["_Conn"]:  # noqa: ASYNC109 - asyncpg's own
        """Borrow a connection."""
        async with self._pool.acquire(timeout=timeout) as conn:
            yield _Conn(conn, self._faults)


class _Conn:
    def __init__(self, conn: Any, faults: Faults) -> None:
        self._conn = conn
        self._faults = faults
        self._ran: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._conn, name)
        if name not in {"fetch", "fetchrow", "fetchval", "execute"}:
            return inner

        async def run(query: str, *args: object, **more: Any) -> Any:
            found = await inner(query, *args, **more)
            statement = NAMES.get(query, "")
            self._ran.add(statement)
            if statement in STATEMENTS:
                self._at(STATEMENTS[statement])
            return found

        return run

    @asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[None]:
        """Begin a transaction with points around its commit."""
        self._ran.clear()
        label: str | None = None
        async with self._conn.transaction(**options):
            yield
            label = next((name for first, name in COMMITS.items() if first in self._ran), None)
            if label is not None:
                self._at(f"{label}.before_commit")
        if label is not None:
            self._at(f"{label}.after_commit")

    def _at(self, point: str) -> None:
        self._faults.at(point, self._conn.terminate)


class FaultyProvider:
    """A client with points around its calls."""

    def __init__(self, provider: Provider, faults: Faults) -> None:
        self._provider = provider
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Send, between two points."""
        self._faults.at("call.before")
        answer = await self._provider.submit(task, send)
        self._faults.at("call.after")
        return answer

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Read, between two points."""
        self._faults.at("read.before")
        reading = await self._provider.read(task, send)
        self._faults.at("read.after")
        return reading


class FaultySink:
    """A sink with points around its attempts."""

    def __init__(self, sink: Sink, faults: Faults) -> None:
        self.max_bytes = sink.max_bytes
        self._sink = sink
        self._faults = faults

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make an attempt, between two points."""
        self._faults.at("deliver.before")
        sent = await self._sink.send(target, event)
        self._faults.at("deliver.after")
        return sent

    async def ask(self, target: Target, origin: str, rate: int) -> Consent:
        """Ask for consent, by a sink that can."""
        if not isinstance(self._sink, Asker):
            return Consent(ok=False, error="no_consent")
        return await self._sink.ask(target, origin, rate)

    async def close(self) -> None:
        """Close the real one."""
        await self._sink.close()


def wrap_clients(upstreams: Upstreams, faults: Faults) -> None:
    """Let every client of these upstreams have points."""
    for name in upstreams.names():
        upstreams[name].wrap(lambda client: cast("Provider", FaultyProvider(client, faults)))
