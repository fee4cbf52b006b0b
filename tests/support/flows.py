"""What tests of flows need besides a house: a wire to cut, time that passes, and laws of what is stored."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg

from service.core.inputs import Answer
from service.core.states import CallbackOutcome
from service.core.task import FirstSend, Task
from service.flows.accept import Submission
from service.flows.draft import Draft, Wanted
from service.ports import RawCallback
from service.store import tasks
from service.store.keys import Scope
from service.store.pool import Pool
from service.store.queries import load_all
from tests.support.fakes import FakeProvider, LoadedDice
from tests.support.house import House

TENANT = "default"
NAMES = {sql: name for blocks in load_all().values() for name, sql in blocks.items()}
PATIENCE_S = 10.0
TIMES = (
    *("created_at", "start_by", "deadline_at", "first_sent_at", "sent_at", "submitted_at"),
    *("finished_at", "resend_at", "read_empty_at", "settled_since", "vague_since"),
    *("look_again_at", "lease_until", "slot_since", "hold_over_at"),
)

Hook = Callable[[Any], Awaitable[None]]


class Cut(ConnectionResetError):
    """The connection broke, because the test cut it."""


async def cut(conn: Any) -> None:
    """Break the connection for good."""
    conn.terminate()
    raise Cut


class Wire:
    """A pool whose statements a test may watch, hold up or cut; all else is the real one.

    Hooks are kept by the name of a statement (or `commit`) and called once. While `down`, nobody connects.
    Before and after each statement is one moment more `passed`; at that of `cut_at` all ends.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.before: dict[str, Hook] = {}
        self.after: dict[str, Hook] = {}
        self.down = False
        self.passed = 0
        self.cut_at: int | None = None

    @property
    def pool(self) -> Pool:
        """The same, as flows take it."""
        return cast("Pool", self)

    @asynccontextmanager
    async def acquire(self, *, timeout: float | None = None) -> AsyncIterator["_Wired"]:  # noqa: ASYNC109 - asyncpg's own
        if self.down:
            raise Cut
        async with self._pool.acquire(timeout=timeout) as conn:
            yield _Wired(self, conn)


class _Wired:
    def __init__(self, wire: Wire, conn: Any) -> None:
        self._wire = wire
        self._conn = conn

    def __getattr__(self, method: str) -> Any:
        async def run(query: str, *args: object) -> Any:
            name = NAMES.get(query, query)
            await self._fire(self._wire.before, name)
            found = await getattr(self._conn, method)(query, *args)
            await self._fire(self._wire.after, name)
            return found

        return run

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._conn.transaction():
            yield
            await self._fire(self._wire.before, "commit")
        await self._fire(self._wire.after, "commit")

    async def _fire(self, hooks: dict[str, Hook], name: str) -> None:
        self._wire.passed += 1
        if self._wire.passed == self._wire.cut_at:
            self._wire.down = True
            await cut(self._conn)
        hook = hooks.pop(name, None)
        if hook is not None:
            await hook(self._conn)


class Impatient(LoadedDice):
    """Dice that make every wait between tries vanish."""

    def jitter(self) -> float:
        """Throw what takes the half away that a wait has at least."""
        return -0.5


class Watching(FakeProvider):
    """An upstream that lets a test look around while it is being called."""

    def __init__(self, watch: Callable[[Task, FirstSend], Awaitable[None]]) -> None:
        super().__init__()
        self._watch = watch

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Look around, then answer as usual."""
        await self._watch(task, send)
        return await super().submit(task, send)


def settle_in(house: House, provider: FakeProvider) -> None:
    """Let another upstream take its place in a house."""
    by_name = cast("dict[str, Any]", house.upstreams._by_name)
    old = by_name[provider.name]
    by_name[provider.name] = type(old)(provider, old.limits, cannot_call_back=old.off_because)
    cast("dict[str, FakeProvider]", house.providers)[provider.name] = provider


def submission(
    *,
    provider: str = "runware",
    task_uuid: UUID | None = None,
    labels: Mapping[str, str] | None = None,
    metadata: object = None,
    start_within_s: int | None = None,
    priority: int = 0,
    account: str | None = None,
    **request: object,
) -> Submission:
    """Make a good submission; what is not its own goes into the request."""
    body = {"model": "sync:3@0", **request}
    own = (labels or {}, metadata, None, start_within_s, priority)
    return Submission(provider, body, task_uuid, *own, account=account)


async def accepted(house: House, *given: Submission) -> list[UUID]:
    """Have submissions accepted; gives their names."""
    answer = await house.accept.submit(
        TENANT, given or (submission(),), many=True, scope=None, body=None
    )
    return [UUID(item["taskUUID"]) for item in json.loads(answer.body)["items"]]


async def one(house: House, **fields: Any) -> UUID:
    """Have one submission accepted."""
    return (await accepted(house, submission(**fields)))[0]


async def processing(house: House, **fields: Any) -> UUID:
    """Have one task accepted and taken by the upstream."""
    task_uuid = await one(house, **fields)
    await house.send_queued()
    return task_uuid


def key(name: str = "key-1") -> Scope:
    """Say where an idempotency key counts."""
    return Scope(TENANT, "POST", "/v1/tasks", name)


async def call_back(
    house: House, *calls: tuple[UUID, bytes], provider: str = "runware", **headers: str
) -> list[CallbackOutcome]:
    """Have callbacks come in one group."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    group = [house.receive.open(provider, RawCallback(u, body, given)) for u, body in calls]
    return await house.receive.flush(group)


async def subscribed(house: House, types: Sequence[str] = ("*",), **more: Any) -> UUID:
    """Subscribe a target."""
    fields: dict[str, Any] = {"kind": "webhook", "url": "https://app.example/hooks", "settings": {}}
    fields |= {"provider": None, "labels": {}, "format": "structured", "include_request": False}
    wanted = Wanted(types=types, **(fields | more))
    answer = await house.subscribe.create(TENANT, Draft(wanted, condition=wanted.condition))
    return UUID(json.loads(answer.body)["id"])


async def task(pool: Pool, task_uuid: UUID) -> Task:
    """Load a task."""
    async with pool.acquire() as conn:
        return (await tasks.get(conn, [task_uuid]))[task_uuid]


async def kept_send(pool: Pool, task_uuid: UUID) -> FirstSend | None:
    """Load the bytes that were kept of a first send."""
    async with pool.acquire() as conn:
        return (await tasks.sends(conn, [task_uuid]))[task_uuid][1]


async def told(pool: Pool, task_uuid: UUID) -> list[str]:
    """Name the events of a task in their order."""
    rows = await pool.fetch(
        "SELECT type FROM callboard.events WHERE task_uuid = $1 ORDER BY sequence", task_uuid
    )
    return [row["type"] for row in rows]


async def pass_time(pool: Pool, seconds: float) -> None:
    """Let time pass: everything that was or will be moves back by as much."""
    of_accounts = ("send_at", "read_at", "paused_since", "paused_until")
    moving = (
        ("tasks", TIMES),
        ("deliveries", ("next_at", "lease_until")),
        ("lanes", ("failing_since", "blocked_since", "blocked_until", "send_at")),
        ("accounts", of_accounts),
        ("slots", ("taken_at",)),
        ("replays", ("due_at", "look_at")),
        ("archives", ("created_at", "next_at", "lease_until", "kept_at", "expires_at")),
        ("results", ("hold_until",)),
    )
    for table, columns in moving:
        moved = ", ".join(f"{c} = {c} - make_interval(secs => $1)" for c in columns)
        await pool.execute(f"UPDATE callboard.{table} SET {moved}", float(seconds))  # noqa: S608 - our own names


@asynccontextmanager
async def elsewhere(dsn: str) -> AsyncIterator[Any]:
    """Open a transaction over a connection of its own; it is rolled back unless the test commits."""
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        await conn.execute("BEGIN")
        yield conn
    finally:
        await conn.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another process does."""
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110 - no event comes from there
            await asyncio.sleep(0.005)


async def blocked(pool: Pool, sessions: int = 1) -> None:
    """Wait until so many sessions wait for a lock."""

    async def waiting() -> bool:
        found = await pool.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return int(found) >= sessions

    await until(waiting)
