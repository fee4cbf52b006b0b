"""What became of callbacks, looked up."""

from uuid import UUID

from service.store.pool import Pool
from tests.support.web import Api, Reply


async def stored(pool: Pool, task_uuid: UUID) -> list[str]:
    """Say what became of the callbacks of a task, oldest first."""
    rows = await pool.fetch(
        "SELECT outcome FROM callboard.callbacks WHERE task_uuid = $1 ORDER BY id", task_uuid
    )
    return [row["outcome"] for row in rows]


async def state(api: Api, task_uuid: UUID) -> str:
    found: str = (await api.get(f"/v1/tasks/{task_uuid}")).json["state"]
    return found


def outcome(reply: Reply) -> str:
    assert reply.status == 200, reply.raw
    found: str = reply.json["outcome"]
    return found
