"""The removal of all that is kept of a task. Its state is not changed: it has to be final."""

from uuid import UUID

from service.core.task import Task
from service.store import rows
from service.store.pool import Conn
from service.store.queries import load

SQL = load("erasure")


async def lock(conn: Conn, task_uuid: UUID) -> Task | None:
    """Lock a task so that nobody adds anything to it, and load it without its results."""
    row = await conn.fetchrow(SQL["lock_erased"], task_uuid)
    return None if row is None else rows.task_of(row, ())


async def erased_of(conn: Conn, task_uuid: UUID) -> str | None:
    """Say whose an erased task was; none when there is no erased task of this name."""
    tenant: str | None = await conn.fetchval(SQL["get_erased"], task_uuid)
    return tenant


async def erase(conn: Conn, task: Task, tombstone: bytes) -> None:
    """Erase a task that is locked; of its events stays the tombstone, of its name that it is taken.

    The name first: who waits for the locks taken here will look for it.
    """
    await conn.execute(SQL["note_erased"], task.task_uuid, task.tenant)
    await conn.execute(SQL["erase_deliveries"], task.task_uuid)
    await conn.execute(SQL["erase_attempts"], task.task_uuid)
    await erase_callbacks(conn, task.task_uuid)
    await conn.execute(SQL["erase_events"], task.task_uuid, tombstone)
    await conn.execute(SQL["erase_answers"], task.task_uuid)
    await conn.execute(SQL["erase_slot"], task.task_uuid)
    await conn.execute(SQL["erase_archives"], task.task_uuid)
    await conn.execute(SQL["erase_task"], task.task_uuid)


async def erase_callbacks(conn: Conn, task_uuid: UUID) -> None:
    """Erase the callbacks of a task that nobody holds just now."""
    await conn.execute(SQL["erase_callbacks"], task_uuid)
