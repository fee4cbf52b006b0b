"""Claims: in order, fenced, past what others hold; and by their partial indexes when tables have grown."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.core.states import State
from service.store import callbacks, tasks
from service.store.pool import Pool
from service.store.queries import load_all
from tests.support import database
from tests.support.flows import elsewhere

WORKER, OTHER = uuid4(), uuid4()
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def conn(pool: Pool) -> AsyncIterator[Any]:
    async with pool.acquire() as borrowed:
        yield borrowed


async def put(
    conn: Any,
    *,
    state: str = "queued",
    look: float = 0,
    lease: float | None = None,
    priority: int = 0,
    provider: str = "runware",
) -> UUID:
    """Store a task; times are seconds from NOW."""
    task_uuid = uuid4()
    await conn.execute(
        "INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, priority,"
        " results_expected, created_at, start_by, deadline_seconds, look_again_at, lease_until)"
        " VALUES ($1, 'default', $2, 'm', $3, $4, 1, $5, $6, 60, $7, $8)",
        task_uuid,
        provider,
        state,
        priority,
        NOW,
        NOW + timedelta(days=1),
        NOW + timedelta(seconds=look),
        None if lease is None else NOW + timedelta(seconds=lease),
    )
    return task_uuid


async def queued(conn: Any, limit: int = 10, now: datetime = NOW) -> list[UUID]:
    return [
        t.task_uuid
        for t in await tasks.claim_queued(conn, "runware", "default", limit, 60, WORKER, now)
    ]


async def due(conn: Any, limit: int = 10, now: datetime = NOW) -> list[UUID]:
    claimed = await tasks.claim_due(conn, limit, 60, WORKER, now)
    return [t.task_uuid for t in claimed.tasks]


async def test_a_claim_writes_the_lease_and_nothing_else(conn: Any) -> None:
    await put(conn)
    before = dict(await conn.fetchrow("SELECT * FROM callboard.tasks"))
    (claimed,) = await tasks.claim_queued(conn, "runware", "default", 5, 60, WORKER, NOW)
    after = dict(await conn.fetchrow("SELECT * FROM callboard.tasks"))
    changed = {k: v for k, v in after.items() if v != before[k]}
    lease = NOW + timedelta(seconds=60)
    assert changed == {"lease_no": 1, "lease_owner": WORKER, "lease_until": lease}
    assert (claimed.lease_no, claimed.lease_until, claimed.state) == (1, lease, State.QUEUED)


async def test_what_is_leased_is_left_alone_until_the_lease_ends(conn: Any) -> None:
    await put(conn)
    await put(conn, state="processing")
    for claim in (queued, due):
        assert len(await claim(conn)) == 1
        assert await claim(conn, now=NOW + timedelta(seconds=59)) == []
        assert len(await claim(conn, now=NOW + timedelta(seconds=60))) == 1
    numbers = await conn.fetch("SELECT lease_no FROM callboard.tasks")
    assert [r["lease_no"] for r in numbers] == [2, 2]


async def test_what_is_locked_is_passed_over_without_waiting(conn: Any, dsn: str) -> None:
    first, second = await put(conn), await put(conn)
    third, fourth = await put(conn, state="processing"), await put(conn, state="processing")
    async with elsewhere(dsn) as other:
        lock = "SELECT FROM callboard.tasks WHERE task_uuid = ANY ($1) FOR UPDATE"
        await other.execute(lock, [first, third])
        assert await queued(conn) == [second]
        assert await due(conn) == [fourth]


async def test_each_claim_takes_only_what_is_its_own_and_due(conn: Any) -> None:
    ready = await put(conn)
    await put(conn, look=1)
    await put(conn, provider="sync")
    late, early = await put(conn, state="processing"), await put(conn, state="submitting", look=-5)
    await put(conn, state="processing", look=1)
    assert await queued(conn) == [ready]
    assert sorted(await due(conn)) == sorted([early, late])


async def test_a_claim_is_capped_and_takes_the_longest_overdue(conn: Any) -> None:
    names = [await put(conn, state="processing", look=-n) for n in range(4)]
    assert sorted(await due(conn, limit=2)) == sorted(names[2:])


async def test_two_claims_at_once_share_what_there_is(pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as two:
        for _ in range(6):
            await put(one)
        async with one.transaction():
            first = await queued(one, limit=4)
            second = await queued(two, limit=4)
    assert (len(first), len(second)) == (4, 2)
    assert not {*first} & {*second}


async def test_a_release_gives_back_its_own_claim_only(conn: Any) -> None:
    await put(conn)
    (stale,) = await tasks.claim_queued(conn, "runware", "default", 5, 60, WORKER, NOW)
    later = NOW + timedelta(seconds=61)
    (fresh,) = await tasks.claim_queued(conn, "runware", "default", 5, 60, OTHER, later)
    await tasks.release(conn, [stale])
    assert await queued(conn, now=later) == []
    await tasks.release(conn, [fresh])
    assert len(await queued(conn, now=later)) == 1


async def test_pending_callbacks_are_claimed_oldest_first_and_by_one_only(pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as two:
        for n in range(4):
            await one.execute(PENDING, NOW, n)
        async with one.transaction():
            first = await callbacks.claim_pending(one, 2, 20)
            second = await callbacks.claim_pending(two, 9, 20)
        past = await callbacks.claim_pending(one, 9, 20, first[-1]["id"])
    assert [r["tries"] for r in first] == [0, 1]
    assert [r["tries"] for r in second] == [r["tries"] for r in past] == [2, 3]


PENDING = (
    "INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome, tries)"
    " VALUES ($1, 'sync', gen_random_uuid(), '', 'pending', $2)"
)

GROWN = """
INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, results_expected, created_at, start_by,
                             deadline_seconds, look_again_at, finished_at, terminal_event, slot_since)
SELECT gen_random_uuid(), 'default', CASE n % 2 WHEN 0 THEN 'runware' ELSE 'sync' END, 'm', s.state, 1, now(),
       now() + interval '1 day', 60, CASE WHEN s.state <> 'completed' THEN now() END,
       CASE WHEN s.state = 'completed' THEN now() END,
       CASE WHEN s.state = 'completed' THEN gen_random_uuid() END,
       CASE WHEN s.state = 'processing' THEN now() END
FROM generate_series(1, 8000) AS n,
     LATERAL (SELECT CASE WHEN n % 4 < 2 THEN 'queued' WHEN n % 20 = 2 THEN 'processing' ELSE 'completed' END AS state) AS s;
INSERT INTO callboard.task_payloads (task_uuid, request, metadata, labels)
SELECT t.task_uuid, '{}', '{}', '{}' FROM callboard.tasks AS t;
INSERT INTO callboard.events (created_at, id, incarnation, tenant, source, type, task_uuid, sequence, data)
SELECT now(), gen_random_uuid(), 1, 'default', 's', 'task.completed', t.task_uuid, 1, '' FROM callboard.tasks AS t;
INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, target, state, next_at)
SELECT e.created_at, 'default', e.id, e.task_uuid, md5((e.seq % 20)::text)::uuid,
       CASE e.seq % 20 WHEN 0 THEN 'pending' ELSE 'delivered' END, now()
FROM callboard.events AS e;
INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome)
SELECT now(), 'sync', e.task_uuid, '', CASE e.seq % 50 WHEN 0 THEN 'pending' ELSE 'applied' END
FROM callboard.events AS e;
"""
NOBODY = "'00000000-0000-4000-8000-000000000000'"
PLANS = {
    "claim_queued": (f"'runware', 'default', 10, 60, {NOBODY}, NULL", {"tasks_queue": "queue ="}),
    "claim_due": (f"10, 60, {NOBODY}, NULL", {"tasks_due": "look_again_at <="}),
    "list_never_started": ("10, NULL", {"tasks_never_started": "start_by <="}),
    "claim_deliveries": (
        "10, 20, '{}', '{}', 4, NULL, NULL",
        {"deliveries_due": "next_at <=", "deliveries_order": "target ="},
    ),
    "rescue_deliveries": ("NULL", {"deliveries_sending": "lease_until <="}),
    "claim_pending": ("10, 20, 0", {"callbacks_pending": "id >"}),
    "read_feed": (
        "'default', 1, 0, 0, NULL, NULL, 10",
        {"events_feed": "ROW(incarnation, xid, seq) >"},
    ),
}
"""Arguments of each claim, and which indexes have to serve it by which condition."""


@pytest.fixture(scope="module")
def grown(pg_dsn: str) -> Iterator[str]:
    """Make a database with some thousands of rows, of which few are open."""
    asyncio.run(database.make(pg_dsn, "test_grown"))
    dsn = database.database_of(pg_dsn, "test_grown")
    asyncio.run(database.execute(dsn, GROWN))
    asyncio.run(database.execute(dsn, "VACUUM ANALYZE"))
    yield dsn
    asyncio.run(database.drop(pg_dsn, "test_grown"))


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", PLANS)
async def test_plans_use_the_partial_indexes(grown: str, name: str, mode: str) -> None:
    arguments, wanted = PLANS[name]
    sql = next(blocks[name] for blocks in load_all().values() if name in blocks)
    conn = await asyncpg.connect(grown)
    try:
        await conn.execute(f"SET plan_cache_mode = {mode}; SET jit = off")
        await conn.execute(f"PREPARE planned AS {sql}")
        text = await conn.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned ({arguments})")
        parents = await _index_parents(conn)
    finally:
        await conn.close()
    nodes = list(_nodes(json.loads(text)[0]["Plan"]))
    today = f"_{datetime.now(UTC):%Y%m%d}"
    scanned = [n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"]
    assert not [r for r in scanned if r in {"tasks", "task_payloads"} or r.endswith(today)]
    conditions = {
        parents.get(n["Index Name"], n["Index Name"]): n.get("Index Cond", "")
        for n in nodes
        if "Index Name" in n
    }
    for index, condition in wanted.items():
        assert condition in conditions[index]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner)


async def _index_parents(conn: Any) -> dict[str, str]:
    """Name the index of the partitioned table that a partition's index belongs to."""
    rows = await conn.fetch(
        "SELECT c.relname AS child, p.relname AS parent FROM pg_inherits AS i"
        " JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS p ON p.oid = i.inhparent"
        " WHERE c.relkind = 'i'"
    )
    return {r["child"]: r["parent"] for r in rows}
