"""A side door: reads for the API. `web` never reads from `store` itself."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.core.errors import NotFound
from service.core.task import Task
from service.flows import cursors
from service.flows.feed import Page
from service.flows.views import Views
from service.flows.wake import Wake
from service.store import batches, callbacks, history, tasks
from service.store.pool import Conn, Pool, Record, connection
from service.store.tasks import Filter

POLL_S = 0.5
"""How often a request that waits looks into the database: the task may end in another process."""
CALM_POLL_S = 5.0
"""How often while other processes are heard: a notice may get lost all the same."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of things as they are shown."""

    items: list[dict[str, object]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of rows for the edge to show."""

    items: list[Record]
    next_cursor: str | None


def task_filter(
    *,
    state: str | None = None,
    provider: str | None = None,
    model: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    labels: Sequence[tuple[str, str]] = (),
    batch: UUID | None = None,
) -> Filter:
    """Say what a list of tasks is narrowed to; the same label twice counts once."""
    once = tuple(dict.fromkeys(labels))
    return Filter(state, provider, model, created_after, created_before, once, batch)


class Look:
    """Reads tasks, timelines and the inbox."""

    def __init__(self, pool: Pool, wake: Wake, views: Views) -> None:
        self._pool = pool
        self._wake = wake
        self._views = views

    async def task(self, tenant: str, task_uuid: UUID, wait_s: float = 0.0) -> bytes:
        """Show a task; with `wait_s`, not before it is final or the time is over."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        with self._wake.expecting(task_uuid) as ended:
            while True:
                # Before the read: what is told while it runs makes another one.
                ended.clear()
                async with connection(self._pool) as conn:
                    found = (await tasks.get(conn, [task_uuid])).get(task_uuid)
                    if found is None or found.tenant != tenant:
                        raise NotFound("There is no such task.")
                    left = until - loop.time()
                    if found.final or left <= 0:
                        return await self._shown(conn, found)
                poll_s = CALM_POLL_S if self._wake.hears_others else POLL_S
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left, poll_s)):
                        await ended.wait()

    async def _shown(self, conn: Conn, found: Task) -> bytes:
        shown = await self._views.show(conn, [found])
        if not shown:
            raise NotFound("There is no such task.")
        return shown[0]

    async def tasks(self, tenant: str, wanted: Filter, cursor: str | None, limit: int) -> Page:
        """List tasks, newest first."""
        before = cursors.integers(cursor, 1)[0] if cursor else None
        async with connection(self._pool) as conn:
            found = await tasks.page(conn, tenant, wanted, before, limit)
            items = await self._views.show(conn, [t for _, t in found])
        more = len(found) == limit
        return Page(items, cursors.encode(found[-1][0]) if more else None)

    async def batch(self, tenant: str, batch_id: UUID) -> dict[str, object]:
        """Show a batch."""
        async with connection(self._pool) as conn:
            found = await batches.get(conn, tenant, batch_id)
            if found is None:
                raise NotFound("There is no such batch.")
            return (await self._views.batches(conn, [found]))[0]

    async def batches(self, tenant: str, cursor: str | None, limit: int) -> Shown:
        """List batches, newest first."""
        before = cursors.integers(cursor, 1)[0] if cursor else None
        async with connection(self._pool) as conn:
            found = await batches.page(conn, tenant, before, limit)
            items = await self._views.batches(conn, [b for _, b in found])
        return Shown(items, cursors.encode(found[-1][0]) if len(found) == limit else None)

    async def timeline(self, tenant: str, task_uuid: UUID, cursor: str | None, limit: int) -> Rows:
        """List what happened to a task, oldest first."""
        after = None
        if cursor:
            at, rank, entry = cursors.decode(cursor, 3)
            after = (cursors.moment(at), cursors.small(rank), _number(entry))
        async with connection(self._pool) as conn:
            found = (await tasks.get(conn, [task_uuid])).get(task_uuid)
            if found is None or found.tenant != tenant:
                raise NotFound("There is no such task.")
            entries = await history.timeline(conn, task_uuid, after, limit)
        last = entries[-1] if len(entries) == limit else None
        following = cursors.encode(last["at"], last["rank"], last["id"]) if last else None
        return Rows(entries, following)

    async def callbacks(
        self,
        tenant: str,
        task_uuid: UUID | None,
        outcome: str | None,
        cursor: str | None,
        limit: int,
    ) -> Rows:
        """List the inbox, newest first."""
        before = cursors.integers(cursor, 1)[0] if cursor else None
        async with connection(self._pool) as conn:
            found = await callbacks.page(conn, tenant, task_uuid, outcome, before, limit)
        return Rows(found, cursors.encode(found[-1]["id"]) if len(found) == limit else None)

    async def callback(self, tenant: str, callback_id: int) -> Record:
        """Load one callback."""
        async with connection(self._pool) as conn:
            found = await callbacks.get(conn, tenant, callback_id)
        if found is None:
            raise NotFound("There is no such callback.")
        return found


def _number(part: int | str) -> int:
    return cursors.integers(cursors.encode(part), 1)[0]
