"""Archives: the work of keeping videos, one row a result."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from service.core.task import Result, Task
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("archives")


async def begin(conn: Conn, wanted: Sequence[tuple[Task, Result]], now: datetime) -> None:
    """Have the videos of results kept; what was begun before stays as it is."""
    await conn.execute(
        SQL["begin_archives"],
        [task.task_uuid for task, _ in wanted],
        [result.index for _, result in wanted],
        [task.tenant for task, _ in wanted],
        now,
    )


async def get_archive(conn: Conn, task_uuid: UUID, index: int) -> Record | None:
    """Load where the file of a result is: tenant, place, state, location, kept_at."""
    return await conn.fetchrow(SQL["get_archive"], task_uuid, index)
