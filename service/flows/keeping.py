"""Part of keeping videos: work on a file by whoever has its claim, and telling what became of it."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from service.core.errors import Unavailable
from service.core.inputs import Archived
from service.core.media import Archive
from service.flows.apply import Applied, Apply, Change
from service.store import archives
from service.store.archives import Claimed
from service.store.pool import Conn, Pool, connection, transaction

T = TypeVar("T")


class Lost(Exception):
    """Somebody else has the claim, or the task was erased: nothing may be written."""


class Keeper:
    """Does what hangs on a claim. `lease_s` is how long one lasts without a sign of life."""

    def __init__(self, pool: Pool, apply: Apply, *, lease_s: float) -> None:
        self._pool = pool
        self._apply = apply
        self._lease_s = lease_s

    async def tell(
        self,
        claimed: Claimed,
        archive: Archive,
        note: Callable[[Conn], Awaitable[bool]],
        *,
        erased: bool = False,
    ) -> None:
        """Write what became of a file and tell of it, or neither; raises Lost when the claim is gone."""
        applied: list[Applied] = []
        change = Change(claimed.task_uuid, Archived(claimed.index, archive), "archive")
        async with transaction(self._pool) as conn:
            # The task is locked first, as everywhere.
            applied = [] if erased else await self._apply.batch(conn, [change])
            gone = any(a.decision is None for a in applied)
            if gone or not await note(conn):
                raise Lost
        self._apply.tell(applied)

    async def while_held(self, claimed: Claimed, doing: Coroutine[Any, Any, T]) -> T:
        """Do something for as long as it takes, and keep the lease; raises Lost, and stops it, when that is gone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._lease_s
        work = loop.create_task(doing)
        try:
            while not (await asyncio.wait({work}, timeout=self._lease_s / 3))[0]:
                try:
                    async with connection(self._pool) as conn:
                        held = await archives.extend(conn, claimed, self._lease_s)
                except Unavailable:
                    held = loop.time() < until
                else:
                    until = loop.time() + self._lease_s
                if not held:
                    raise Lost
            return work.result()
        finally:
            if not work.done():
                work.cancel()
                await asyncio.wait({work})
