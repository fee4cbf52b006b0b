"""Floors as the database tells them: below them nothing waits, and what is below them is not claimed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.flows.floor import Floor, FloorPolicy
from service.store import deliveries, lanes, tasks
from service.store.deliveries import Share
from service.store.lanes import Floors
from service.store.pool import Pool

NOW = datetime.now(UTC).replace(microsecond=0)
WORKER = uuid4()


@pytest.fixture
async def conn(pool: Pool) -> AsyncIterator[Any]:
    async with pool.acquire() as borrowed:
        yield borrowed


async def put(conn: Any, state: str, look: float = 0, **more: Any) -> UUID:
    """Store a task that is looked at so many seconds after NOW."""
    fields = {"priority": 0, "account": "default", "pinned": False} | more
    return UUID(
        str(
            await conn.fetchval(
                "INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, results_expected,"
                " created_at, start_by, deadline_seconds, look_again_at, priority, account, pinned)"
                " VALUES (gen_random_uuid(), 'default', 'runware', 'm', $1, 1, $2::timestamptz, $2, 60,"
                " $2::timestamptz + make_interval(secs => $3), $4, $5, $6) RETURNING task_uuid",
                state,
                NOW,
                float(look),
                *fields.values(),
            )
        )
    )


async def deliver(conn: Any, wait: float, state: str = "pending") -> int:
    """Store a delivery that is due so many seconds after NOW, and its event."""
    return int(
        await conn.fetchval(
            "WITH e AS (INSERT INTO callboard.events (created_at, id, incarnation, tenant, source, type,"
            " task_uuid, sequence, data) VALUES ($1, gen_random_uuid(), 1, 'default', 's', 't',"
            " gen_random_uuid(), 1, '') RETURNING *)"
            " INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, target, lane, state, next_at)"
            " SELECT e.created_at, e.tenant, e.id, e.task_uuid, e.task_uuid, e.task_uuid, $2,"
            " $1::timestamptz + make_interval(secs => $3) FROM e RETURNING id",
            NOW,
            state,
            float(wait),
        )
    )


async def seqs(conn: Any) -> list[int]:
    rows = await conn.fetch("SELECT seq FROM callboard.tasks ORDER BY seq")
    return [r["seq"] for r in rows]


async def floors_of(conn: Any, account: str = "default", last_drawn: int = 0) -> list[int | None]:
    found = await conn.fetch(tasks.SQL["queue_floors"], "runware", account, last_drawn)
    return [r["floor"] for r in found]


async def test_what_is_due_first_is_the_floor(conn: Any) -> None:
    await put(conn, "processing", look=-60)
    await put(conn, "queued", look=-90)
    assert await tasks.due_floor(conn, NOW) == NOW - timedelta(seconds=60)


async def test_the_last_moments_lie_above_every_floor(conn: Any) -> None:
    late = timedelta(seconds=tasks.LATE_S)
    assert await tasks.due_floor(conn, NOW) == NOW - late
    await put(conn, "processing", look=5)
    await deliver(conn, 5)
    assert await tasks.due_floor(conn, NOW) == NOW - late
    floors = await lanes.survey(conn, NOW)
    assert {*floors.of_lanes.values(), floors.of_others} == {NOW - late}


async def test_the_delivery_of_a_lane_that_is_due_first_is_its_floor(conn: Any) -> None:
    await deliver(conn, -60)
    await deliver(conn, -90, "delivered")
    floors = await lanes.survey(conn, NOW)
    assert list(floors.of_lanes.values()) == [NOW - timedelta(seconds=60)]


async def test_what_is_open_from_days_ago_is_looked_for_from_then_on(conn: Any) -> None:
    assert (await lanes.survey(conn, NOW)).created_from == NOW - timedelta(seconds=tasks.LATE_S)
    midnight = NOW.replace(hour=0, minute=0, second=0)
    for state in ("pending", "sending"):
        await deliver(conn, 0, state)
        assert (await lanes.survey(conn, NOW)).created_from == midnight
        await conn.execute("UPDATE callboard.deliveries SET state = 'delivered'")


async def test_a_lane_whose_row_is_missing_gets_one(conn: Any) -> None:
    await deliver(conn, 0)
    await lanes.survey(conn, NOW)
    await lanes.survey(conn, NOW)
    stored = await conn.fetch("SELECT lane FROM callboard.lanes")
    assert [r["lane"] for r in stored] == list((await lanes.survey(conn, NOW)).of_lanes)


async def test_each_queue_of_an_account_has_its_floor_over_all_priorities(conn: Any) -> None:
    await put(conn, "processing")
    await put(conn, "queued", priority=-5)
    await put(conn, "queued", priority=7)
    await put(conn, "queued", account="second", pinned=True)
    await put(conn, "queued")
    await put(conn, "processing")
    drawn = await seqs(conn)
    assert await floors_of(conn, "second") == [drawn[1], drawn[3]]
    assert await floors_of(conn) == [drawn[1], drawn[5]]


async def test_an_empty_queue_has_its_floor_below_what_was_drawn_last(conn: Any) -> None:
    assert await floors_of(conn) == [None, None]
    await put(conn, "processing")
    (seq,) = await seqs(conn)
    assert await tasks.queue_floors(conn, "runware", "default") == [seq - tasks.LAST_DRAWN] * 2


async def test_a_claim_leaves_alone_what_lies_below_its_floor(conn: Any) -> None:
    for n in range(3):
        await put(conn, "queued")
        await put(conn, "processing", look=n)
        await deliver(conn, n)
    second = (await seqs(conn))[2]
    at = NOW + timedelta(seconds=9)
    sent = await tasks.claim_queued(conn, "runware", "default", 9, 60, WORKER, at, [second, None])
    floor = NOW + timedelta(seconds=1)
    due = await tasks.claim_due(conn, 9, 60, WORKER, at, floor)
    found = await lanes.survey(conn, NOW)
    floors = Floors(None, dict.fromkeys(found.of_lanes, floor), floor)
    locked = await lanes.lock_due(conn, floors, None, 9, at)
    shares = [Share(r["lane"], 9, 9, 1, 60, r["floor"]) for r in locked]
    told = await deliveries.claim(conn, shares, 9, now=at)
    assert (len(sent), len(due.tasks), len(told)) == (2, 2, 2)


async def test_a_row_that_commits_late_below_a_floor_is_claimed_by_the_one_that_goes_without(
    conn: Any,
) -> None:
    floor = Floor(FloorPolicy(seconds=3600, without_every=3), tasks.due_floor)
    await floor.next(conn)
    below = await put(conn, "processing", look=-600)
    claimed = []
    for _ in range(2):
        start = await floor.next(conn)
        found = await tasks.claim_due(conn, 9, 60, WORKER, None, start)
        claimed.append([t.task_uuid for t in found.tasks])
    assert claimed == [[], [below]]
