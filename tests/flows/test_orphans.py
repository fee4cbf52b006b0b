"""Callbacks that came without their task are kept, and applied when it appears."""

import asyncio
from uuid import UUID, uuid4

from service.core.states import CallbackOutcome as Outcome
from service.core.states import State
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import blocked, call_back, elsewhere, one, processing, task, told
from tests.support.house import House, make_house
from tests.support.stored import lawful

ALL = ["task.processing", "video.completed", "task.completed"]


async def outcomes(pool: Pool, task_uuid: UUID) -> list[str]:
    """Say what became of the callbacks of a task."""
    rows = await pool.fetch(
        "SELECT outcome FROM callboard.callbacks WHERE task_uuid = $1 ORDER BY id", task_uuid
    )
    return [r["outcome"] for r in rows]


async def restored(pool: Pool, task_uuid: UUID) -> None:
    """Bring a task back under the name of one that is lost, as a restore does: behind our back."""
    other = await one(make_house(pool))
    async with pool.acquire() as conn, conn.transaction():
        for table in ("results", "task_payloads"):
            await conn.execute(
                f"CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM callboard.{table} WHERE task_uuid = '{other}'"  # noqa: S608 - our own names
            )
            await conn.execute(f"DELETE FROM callboard.{table} WHERE task_uuid = $1", other)  # noqa: S608 - our own names
            await conn.execute("ALTER TABLE kept RENAME TO kept_" + table)
        await conn.execute(
            "UPDATE callboard.tasks SET task_uuid = $2 WHERE task_uuid = $1", other, task_uuid
        )
        for table in ("task_payloads", "results"):
            await conn.execute(f"UPDATE kept_{table} SET task_uuid = $1", task_uuid)  # noqa: S608 - our own names
            await conn.execute(f"INSERT INTO callboard.{table} SELECT * FROM kept_{table}")  # noqa: S608 - our own names


async def test_an_orphan_is_applied_when_its_task_is_submitted(house: House, pool: Pool) -> None:
    name = uuid4()
    assert await call_back(house, (name, said("v1"))) == [Outcome.ORPHAN]
    assert await house.orphans.run_once() == 0
    assert await one(house, task_uuid=name) == name
    assert await house.orphans.run_once() == 1
    assert await outcomes(pool, name) == ["pending"]
    assert await house.pending.run_once() == 1
    assert await outcomes(pool, name) == ["applied"]
    assert await told(pool, name) == ALL
    assert house.providers["runware"].sent == []
    await lawful(pool)


async def test_orphans_are_applied_in_their_order_when_a_restore_brings_their_task_back(
    house: House, pool: Pool
) -> None:
    name = uuid4()
    for body in (said("v1"), said("v1"), said("v2")):
        assert await call_back(house, (name, body)) == [Outcome.ORPHAN]
    await restored(pool, name)
    assert await house.orphans.run_once() == 3
    assert await house.pending.run_once() == 3
    assert await outcomes(pool, name) == ["applied", "duplicate", "late"]
    assert await told(pool, name) == [*ALL, "video.late"]
    await lawful(pool)


async def test_thousands_of_hopeless_orphans_hold_up_nobody_behind_them(
    house: House, pool: Pool
) -> None:
    hopeless = [(uuid4(), said("v1")) for _ in range(25)]
    await call_back(house, *hopeless)
    name = uuid4()
    await call_back(house, (name, said("v1")))
    await one(house, task_uuid=name)
    assert [await house.orphans.run_once(limit=10) for _ in range(3)] == [0, 0, 1]
    # The end was seen: the next step begins with the oldest again.
    await one(house, task_uuid=hopeless[0][0])
    assert await house.orphans.run_once(limit=10) == 1


async def test_hopeless_orphans_are_neither_locked_nor_written(house: House, pool: Pool) -> None:
    await call_back(house, *[(uuid4(), said("v1")) for _ in range(5)])
    before = await pool.fetch("SELECT xmin, xmax, ctid FROM callboard.callbacks ORDER BY id")
    assert await house.orphans.run_once() == 0
    after = await pool.fetch("SELECT xmin, xmax, ctid FROM callboard.callbacks ORDER BY id")
    assert before == after


async def test_an_orphan_of_another_provider_is_none_of_the_task_of_this_name(
    house: House, pool: Pool
) -> None:
    name = uuid4()
    await call_back(house, (name, said("v1")), provider="sync")
    await one(house, task_uuid=name)
    assert await house.orphans.run_once() == 0
    assert await outcomes(pool, name) == ["orphan"]


async def test_two_processes_match_an_orphan_once(house: House, pool: Pool, dsn: str) -> None:
    name = uuid4()
    await call_back(house, (name, said("v1")))
    await one(house, task_uuid=name)
    other = make_house(pool)
    async with elsewhere(dsn) as holder:
        await holder.execute("LOCK TABLE callboard.callbacks IN EXCLUSIVE MODE")
        both = [asyncio.create_task(h.orphans.run_once()) for h in (house, other)]
        await blocked(pool, 2)
        await holder.execute("ROLLBACK")
        assert sum(await asyncio.gather(*both)) == 1
    assert await house.pending.run_once() == 1
    assert await outcomes(pool, name) == ["applied"]
    await lawful(pool)


async def test_orphans_are_found_by_their_own_index(house: House, pool: Pool) -> None:
    await processing(house)
    sql = (
        "EXPLAIN SELECT c.id FROM callboard.callbacks AS c"
        " WHERE c.outcome = 'orphan' AND c.id > 0 ORDER BY c.id LIMIT 1000"
    )
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SET LOCAL enable_seqscan = off")
        plan = "\n".join(r[0] for r in await conn.fetch(sql))
    assert "Seq Scan" not in plan
    assert "Sort Key: c.id" in plan
    assert "Index Cond: (id > 0)" in plan


async def test_a_task_that_was_found_is_no_orphan_any_more(house: House, pool: Pool) -> None:
    name = uuid4()
    await call_back(house, (name, said("v1")))
    await one(house, task_uuid=name)
    await house.orphans.run_once()
    await house.pending.run_once()
    assert await house.orphans.run_once() == 0
    assert (await task(pool, name)).state is State.COMPLETED
