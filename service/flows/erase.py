"""A side door: erase all that is kept of a final task, for good.

What stays is its taskUUID, which stays taken, and a tombstone for each of its events, so that cursors of the feed hold.
One transaction: the task's row is locked first, as everywhere, and whoever comes after it finds the name among the
erased ones. A callback that came by then is erased with the rest; one that skipped the locked task was stored
`pending`, and is dropped by `flows.pending`, which is woken here.
"""

import asyncio
from uuid import UUID

import structlog

from service.core.errors import Conflict, NotFound, StillRunning
from service.flows.wake import Topic, Wake
from service.store import erasure
from service.store.pool import Collided, Conn, Pool, transaction
from service.wire.events import tombstone

log = structlog.get_logger()

COLLISIONS = 3
"""How often an erasure that collided with others is begun again."""
COLLISION_REST_S = 0.02


class Erase:
    """Erases tasks."""

    def __init__(self, pool: Pool, wake: Wake) -> None:
        self._pool = pool
        self._wake = wake

    async def task(self, tenant: str, task_uuid: UUID, *, force: bool = False) -> None:
        """Erase a task; one that was erased before stays so.

        Raises NotFound, Conflict unless it is final, and StillRunning when it may still run upstream; with `force`
        its place is freed then, since nobody can watch it any more.
        """
        for collision in range(1, COLLISIONS + 1):
            try:
                return await self._once(tenant, task_uuid, force=force)
            except Collided:
                await asyncio.sleep(COLLISION_REST_S * collision)
        return await self._once(tenant, task_uuid, force=force)

    async def _once(self, tenant: str, task_uuid: UUID, *, force: bool) -> None:
        async with transaction(self._pool) as conn:
            erased = await self._erase(conn, tenant, task_uuid, force=force)
        if erased:
            log.info("task.erased", task_id=str(task_uuid))
        self._wake.ring([Topic.CALLBACKS, Topic.SUBMIT, Topic.ARCHIVE])

    async def _erase(self, conn: Conn, tenant: str, task_uuid: UUID, *, force: bool) -> bool:
        """Erase it; false when it was erased before."""
        task = await erasure.lock(conn, task_uuid)
        if task is None and await erasure.erased_of(conn, task_uuid) == tenant:
            await erasure.erase_callbacks(conn, task_uuid)
            return False
        if task is None or task.tenant != tenant:
            raise NotFound("There is no such task.")
        if not task.final:
            text = f"The task is {task.state.value}; cancel it first: only final tasks are erased."
            raise Conflict(text)
        if task.slot_since is not None and not force:
            text = (
                "The task may still run upstream, and nobody could watch it any more; "
                "`?force=true` erases it anyway and frees its place."
            )
            raise StillRunning(text)
        await erasure.erase(conn, task, tombstone(task_uuid))
        return True
