"""How claims slow down while somebody holds an old snapshot for half a minute, with a floor and without (queues.md E6).

`make bench` prints the figures. Fifty claims of thirty a second, and what was claimed is done with at once: the shape
of the measurement that the design leans on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from service.flows.floor import Floor, FloorPolicy
from service.store import deliveries, lanes, tasks
from service.store.deliveries import Share
from service.store.lanes import EVERYTHING

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]
SECONDS = 30
PER_SECOND = 50
AT_ONCE = 30
WAITING = SECONDS * PER_SECOND * AT_ONCE
WORKER = uuid4()

DUE = f"""
INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, results_expected, created_at, start_by,
                             deadline_seconds, look_again_at)
SELECT gen_random_uuid(), 'default', 'runware', 'm', 'processing', 1, now(), now(), 60,
       now() - interval '1 hour' + make_interval(secs => n * 0.01)
FROM generate_series(1, {WAITING + 1000}) AS n;
INSERT INTO callboard.events (created_at, id, incarnation, tenant, source, type, task_uuid, sequence, data)
SELECT now(), gen_random_uuid(), 1, 'default', 's', 'task.completed', t.task_uuid, 1, '' FROM callboard.tasks AS t;
INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, target, lane, state, next_at)
SELECT e.created_at, 'default', e.id, e.task_uuid, e.task_uuid, md5((e.seq % 30)::text)::uuid, 'pending', now() - interval '1 hour' + make_interval(secs => e.seq * 0.01)
FROM callboard.events AS e;
INSERT INTO callboard.lanes (lane) SELECT DISTINCT d.lane FROM callboard.deliveries AS d
"""  # noqa: S608 - our own number
LOOKED_AT = (
    "UPDATE callboard.tasks SET look_again_at = now() + interval '1 day', lease_until = NULL"
    " WHERE task_uuid = ANY ($1::uuid[])"
)
DELIVERED = (
    "UPDATE callboard.deliveries SET state = 'delivered', lease_until = NULL"
    " WHERE created_at = ANY ($1::timestamptz[]) AND id = ANY ($2::bigint[])"
)


async def look(conn: Any, floor: Any) -> list[Any]:
    claimed = await tasks.claim_due(conn, AT_ONCE, 60, WORKER, None, floor)
    return [t.task_uuid for t in claimed.tasks]


async def looked_at(conn: Any, found: list[Any]) -> None:
    await conn.execute(LOOKED_AT, found)


async def deliver(conn: Any, floor: Any) -> list[Any]:
    floors = floor or EVERYTHING
    async with conn.transaction():
        locked = await lanes.lock_due(conn, floors, None, AT_ONCE)
        shares = [Share(r["lane"], AT_ONCE, 2, 1, 60, r["floor"]) for r in locked]
        return await deliveries.claim(conn, shares, AT_ONCE, floors=floors)


async def delivered(conn: Any, found: list[Any]) -> None:
    await conn.execute(DELIVERED, list({r["created_at"] for r in found}), [r["id"] for r in found])


CLAIMS: dict[str, tuple[Any, Any, Any]] = {
    "claim_due": (look, looked_at, tasks.due_floor),
    "claim_deliveries": (deliver, delivered, lanes.survey),
}


@pytest.mark.parametrize("floored", [False, True], ids=["without a floor", "with a floor"])
@pytest.mark.parametrize("name", CLAIMS)
async def test_claims_under_an_old_snapshot(dsn: str, name: str, floored: bool) -> None:
    claim, done, find = CLAIMS[name]
    policy = FloorPolicy() if floored else FloorPolicy(without_every=1)
    holder, conn = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    try:
        await conn.execute(DUE)
        await conn.execute("VACUUM ANALYZE")
        await conn.execute("SET jit = off")
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await holder.fetchval("SELECT count(*) FROM callboard.feed")
        took = await _run(conn, Floor(policy, find), claim, done)
    finally:
        await holder.close()
        await conn.close()
    fifth = len(took) // 6
    first, last = median(took[:fifth]), median(took[-fifth:])
    kind = "with a floor" if floored else "without a floor"
    print(
        f"\n{name} {kind}, snapshot held: median of the first 5 s {first:.2f} ms, of the last 5 s {last:.2f} ms"
        f" (x{last / first:.1f}), longest of the last 5 s {max(took[-fifth:]):.1f} ms, {len(took)} claims"
    )


async def _run(
    conn: Any,
    floor: Floor[Any],
    claim: Callable[[Any, Any], Awaitable[list[Any]]],
    done: Callable[[Any, list[Any]], Awaitable[None]],
) -> list[float]:
    """Claim at a steady pace; gives how long each claim took, in milliseconds."""
    took = []
    began = time.perf_counter()
    for n in range(SECONDS * PER_SECOND):
        before = time.perf_counter()
        if before > began + 2 * SECONDS:
            break
        found = await claim(conn, await floor.next(conn))
        took.append((time.perf_counter() - before) * 1000)
        await done(conn, found)
        await asyncio.sleep(max(0.0, began + (n + 1) / PER_SECOND - time.perf_counter()))
    return took
