"""Callbacks that poison, wait or find no place: neighbours pay nothing, and nothing is wedged."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from service.core.errors import Unavailable
from service.core.inputs import Report, Source
from service.core.states import CallbackOutcome as Outcome
from service.core.states import State
from service.flows.pending import MOST_TRIES
from service.store import upkeep
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    accepted,
    blocked,
    call_back,
    cut,
    elsewhere,
    pass_time,
    processing,
    submission,
    task,
    told,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import video

POISON = said("NUL")
ALL = ["task.processing", "video.completed", "task.completed"]


async def tries(pool: Pool) -> list[tuple[str, int]]:
    """Give what became of each callback, and how often it was tried."""
    rows = await pool.fetch("SELECT outcome, tries FROM callboard.callbacks ORDER BY id")
    return [(r["outcome"], r["tries"]) for r in rows]


async def test_a_poisonous_callback_costs_its_neighbours_only_a_moment(
    house: House, pool: Pool
) -> None:
    sick, *well = await accepted(house, *[submission() for _ in range(4)])
    await house.send_queued()
    calls = [(sick, POISON), *[(u, said("v1")) for u in well]]
    assert await call_back(house, *calls) == [Outcome.PENDING] * 4
    assert await house.pending.run_once() == 3
    assert await tries(pool) == [("pending", 1)] + [("applied", 1)] * 3
    for task_uuid in well:
        assert await told(pool, task_uuid) == ALL
    assert (await task(pool, sick)).state is State.PROCESSING
    await lawful(pool)


async def test_a_poisonous_callback_is_tried_once_a_run_and_at_last_left_to_people(
    house: House, pool: Pool
) -> None:
    sick = await processing(house)
    await call_back(house, (sick, POISON))
    for run in range(1, MOST_TRIES + 1):
        assert await house.pending.run_once() == 0
        assert await tries(pool) == [("pending", run)]
    assert await house.pending.run_once() == 0
    assert await tries(pool) == [("pending", MOST_TRIES)]


async def test_a_poisonous_callback_keeps_no_other_one_of_its_task_from_being_applied(
    house: House, pool: Pool
) -> None:
    sick = await processing(house)
    await call_back(house, (sick, POISON))
    assert await call_back(house, (sick, said("v1"))) == [Outcome.APPLIED]
    assert await told(pool, sick) == ALL


async def test_a_task_that_stays_locked_uses_up_no_tries_and_holds_up_nobody(
    house: House, pool: Pool, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.flows.pending.LOCK_WAIT_S", 0.02)
    names = await accepted(house, *[submission() for _ in range(4)])
    await house.send_queued()
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks FOR UPDATE")
        await call_back(house, *[(u, said("v1")) for u in names])
        await other.execute("ROLLBACK; BEGIN")
        lock = "SELECT FROM callboard.tasks WHERE task_uuid = $1 FOR UPDATE"
        await other.execute(lock, names[1])
        assert await house.pending.run_once() == 3
        assert await house.pending.run_once() == 0
    applied = ("applied", 1)
    assert await tries(pool) == [applied, ("pending", 0), applied, applied]
    assert await house.pending.run_once() == 1


async def test_two_processes_apply_a_pending_callback_once(
    house: House, pool: Pool, dsn: str
) -> None:
    first, second = await accepted(house, submission(), submission())
    await house.send_queued()
    other_process = make_house(pool)
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks FOR UPDATE")
        await call_back(house, (first, said("a")), (second, said("b")))
        both = [asyncio.create_task(h.pending.run_once()) for h in (house, other_process)]
        await blocked(pool)
        await other.execute("ROLLBACK")
        assert sum(await asyncio.gather(*both)) == 2
    assert await tries(pool) == [("applied", 1)] * 2
    await lawful(pool)


async def test_a_pending_callback_of_a_task_that_ended_meanwhile_is_late(
    house: House, pool: Pool, dsn: str
) -> None:
    locked = await processing(house)
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks FOR UPDATE")
        await call_back(house, (locked, said("v1")))
    await house.operate.cancel(TENANT, locked)
    assert await house.pending.run_once() == 1
    assert await tries(pool) == [("late", 1)]
    assert await told(pool, locked) == ["task.processing", "task.canceled", "video.late"]


@pytest.mark.parametrize("table", ["callbacks", "events", "deliveries"])
async def test_a_day_without_its_partition_gets_one(house: House, pool: Pool, table: str) -> None:
    task_uuid = await processing(house, webhookURL="https://app.example/done")
    day = datetime.now(UTC)
    await pool.execute(f"DROP TABLE callboard.{table}_{day:%Y%m%d}")
    assert await call_back(house, (task_uuid, said("v1"))) == [Outcome.APPLIED]
    assert (await task(pool, task_uuid)).state is State.COMPLETED
    await house.upkeep.run_once()


async def test_a_callback_that_nobody_can_apply_does_not_stall_retention(
    house: House, pool: Pool
) -> None:
    old = datetime.now(UTC) - timedelta(days=40)
    async with pool.acquire() as conn:
        await conn.execute("SELECT callboard.ensure_partitions($1::date, 1)", old.date())
        await conn.execute(
            "INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome)"
            " VALUES ($1, 'sync', gen_random_uuid(), '', 'pending')",
            old,
        )
        assert await upkeep.drop_partitions(conn, 30) == 3
        await conn.execute("UPDATE callboard.callbacks SET tries = $1", MOST_TRIES)
        assert await upkeep.drop_partitions(conn, 30) == 1


async def test_when_a_group_and_its_fallback_fail_nobody_is_told_yes_and_polls_find_it_all(
    pool: Pool,
) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    names = await accepted(house, *[submission() for _ in range(3)])
    await house.send_queued()

    async def fail(_conn: object) -> None:
        wire.before["insert_callbacks"] = cut
        raise ZeroDivisionError

    wire.after["update_tasks"] = fail
    with pytest.raises(Unavailable):
        await call_back(house, *[(u, said("v1")) for u in names])
    assert "insert_callbacks" not in wire.before
    assert await tries(pool) == []
    await pass_time(pool, 70)
    house.providers["runware"].readings = [Report(Source.POLL, videos=(video(),))] * 3
    for claimed in await house.reconcile.claim(10):
        await house.reconcile.work(claimed)
    for task_uuid in names:
        assert await told(pool, task_uuid) == ALL
    await lawful(pool)
