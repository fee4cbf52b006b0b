"""Callbacks when much comes at once, and when the database is busy: groups, locks, poison, lost callers."""

import asyncio

from service.store.pool import Pool
from tests.support.callbacks import outcome, state, stored
from tests.support.fakes import said
from tests.support.web import Api, serving


async def test_when_too_much_waits_it_is_to_come_again(pool: Pool) -> None:
    async with serving(pool, flushers=0, patience_s=0.05) as api:
        task_uuid = await api.made()
        reply = await api.call_back(task_uuid, said("v1"))

    reply.problem(503, "unavailable")
    assert reply.headers["Retry-After"] == "1"
    assert await stored(pool, task_uuid) == []


async def test_a_task_that_is_locked_elsewhere_is_applied_later(api: Api, pool: Pool) -> None:
    task_uuid = await api.made()
    async with pool.acquire() as other, other.transaction():
        lock = "SELECT 1 FROM callboard.tasks WHERE task_uuid = $1 FOR NO KEY UPDATE"
        await other.execute(lock, task_uuid)
        assert outcome(await api.call_back(task_uuid, said("v1"))) == "pending"
    await api.house.pending.run_once()

    assert await stored(pool, task_uuid) == ["applied"]
    assert await state(api, task_uuid) == "completed"


async def test_a_poisonous_callback_costs_its_neighbours_nothing(api: Api, pool: Pool) -> None:
    bad, good = await api.made(), await api.made()
    replies = await asyncio.gather(api.call_back(bad, said("NUL")), api.call_back(good, said("v1")))
    await api.house.pending.run_once()

    assert [reply.status for reply in replies] == [200, 200]
    assert await stored(pool, bad) == ["pending"]
    assert await stored(pool, good) == ["applied"]


async def test_many_at_once_are_all_answered_with_their_own_outcome(api: Api) -> None:
    names = [await api.made() for _ in range(20)]
    replies = await asyncio.gather(
        *(api.call_back(name, said("v1")) for name in names for _ in range(3))
    )

    outcomes = [outcome(reply) for reply in replies]
    assert outcomes.count("applied") == len(names)
    assert set(outcomes) <= {"applied", "duplicate", "pending"}


async def test_what_a_caller_began_is_committed_after_it_went_away(api: Api, pool: Pool) -> None:
    """The reason for AppRunner: a handler is not cancelled when its client disconnects."""
    task_uuid = await api.made()
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK TABLE callboard.callbacks IN ACCESS EXCLUSIVE MODE")
        calling = asyncio.create_task(api.call_back(task_uuid, said("v1")))
        async with asyncio.timeout(5):
            while not await _waits_for_lock(pool):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.01)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    async with asyncio.timeout(5):
        while await stored(pool, task_uuid) == []:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.01)

    assert await stored(pool, task_uuid) == ["applied"]


async def _waits_for_lock(pool: Pool) -> bool:
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(await pool.fetchval(waits))
