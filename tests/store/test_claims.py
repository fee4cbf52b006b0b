"""Claims: in order, fenced, past what others hold. Their plans are in tests/scale."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.core.states import State
from service.store import callbacks, tasks
from service.store.pool import Pool
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
