"""Deliveries and replays in tests: how they stand, and how a replay is run to its end."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from service.core.delivery_id import encode
from service.flows.again import Wanted
from service.store.keys import Scope
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import TENANT, call_back, pass_time, processing
from tests.support.house import House

ALL = ["task.processing", "video.completed", "task.completed"]
HOUR = timedelta(hours=1)


async def finished(house: House, **fields: Any) -> UUID:
    """Have a task go its whole way."""
    task_uuid = await processing(house, **fields)
    await call_back(house, (task_uuid, said(f"v-{task_uuid}")))
    return task_uuid


async def stand(pool: Pool, state: str) -> None:
    """Have every delivery end in a state; what never was tried has no attempts."""
    tried = state != "held"
    await pool.execute(
        "UPDATE callboard.deliveries SET state = $1, next_at = NULL, attempts = $2,"
        " error = CASE WHEN $1 = 'failed' THEN 'http_503' END,"
        " finished_at = CASE WHEN $1 <> 'held' THEN clock_timestamp() END",
        state,
        3 if tried else 0,
    )


async def states(pool: Pool, target: UUID | None = None) -> list[str]:
    """Give the states of deliveries in the order they were written."""
    rows = await pool.fetch(
        "SELECT state FROM callboard.deliveries WHERE $1::uuid IS NULL OR target = $1 ORDER BY id",
        target,
    )
    return [r["state"] for r in rows]


async def names(pool: Pool) -> list[str]:
    """Name all deliveries in the order they were written."""
    rows = await pool.fetch("SELECT created_at, id FROM callboard.deliveries ORDER BY id")
    return [encode(r["created_at"], r["id"]) for r in rows]


async def replayed(
    house: House,
    subscription: UUID,
    state: str = "failed",
    *,
    types: Sequence[str] | None = None,
    rate: int = 1000,
    since: datetime | None = None,
    until: datetime | None = None,
    scope: Scope | None = None,
) -> dict[str, Any]:
    """Begin a replay of the last hour; gives how it is shown."""
    since = since or datetime.now(UTC) - HOUR
    wanted = Wanted(since, until, state, types, rate)
    answer = await house.again.replay(TENANT, subscription, wanted, scope, {})
    shown: dict[str, Any] = json.loads(answer.body)
    return shown


async def shown(house: House, replay: dict[str, Any]) -> dict[str, Any]:
    """Show a replay as it is now."""
    return await house.again.show_replay(TENANT, UUID(replay["id"]))


async def run_through(house: House, replay: dict[str, Any]) -> dict[str, Any]:
    """Let time pass, and send what is due, until a replay queues no more and all of it was tried."""
    found = await shown(house, replay)
    for _ in range(200):
        while await house.replay.run_once():
            pass
        while await house.deliver_due():
            pass
        found = await shown(house, replay)
        if found["state"] != "running" and not found["untried"]:
            return found
        await pass_time(house.pool, 1)
    raise AssertionError(f"it does not end: {found}")


def got(house: House, *types: str) -> list[str]:
    """Give the types of what arrived, in its order; of these types if there are any."""
    return [e.event_type for _, e in house.sink.got if not types or e.event_type in types]
