"""Any two that would end a task, behind one lock, in both orders: one end, and one who is told that it was theirs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import product
from uuid import UUID

import pytest

from service.core.errors import Conflict
from service.core.inputs import CancelAsked, ReadFailed
from service.core.states import FINAL, CallbackOutcome, State
from service.flows.apply import Applied
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    blocked,
    call_back,
    elsewhere,
    pass_time,
    processing,
    task,
    told,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BROKEN, BUSY, callback, poll, video

PAST_THE_GRACE_S = 3600 + 301
LATE = ["task.processing", "video.failed", "task.timed_out", "video.late"]
LOCK = "SELECT FROM callboard.tasks FOR UPDATE"
Act = Callable[[House, UUID], Awaitable[Applied]]
ENDS: Mapping[str, tuple[Act, State]] = {
    "complete": (lambda h, u: h.tell(u, callback(video())), State.COMPLETED),
    "fail": (lambda h, u: h.tell(u, callback(faults=(BROKEN,))), State.FAILED),
    "cancel": (lambda h, u: h.tell(u, CancelAsked()), State.CANCELED),
    "deadline": (lambda h, u: h.tell(u, ReadFailed(BUSY)), State.TIMED_OUT),
    "poll": (lambda h, u: h.tell(u, poll(video())), State.COMPLETED),
    "failing poll": (lambda h, u: h.tell(u, poll(faults=(BROKEN,))), State.FAILED),
}


async def overdue(house: House, pool: Pool) -> UUID:
    """Make a task that only its last poll may still save."""
    task_uuid = await processing(house)
    await pass_time(pool, PAST_THE_GRACE_S)
    return task_uuid


async def ends_of(pool: Pool, task_uuid: UUID) -> int:
    """Count how often a task was ended, as its history tells."""
    found: int = await pool.fetchval(
        "SELECT count(*) FROM callboard.history WHERE task_uuid = $1 AND kind = 'transition'"
        " AND from_state <> to_state AND to_state = ANY ($2)",
        task_uuid,
        [s.value for s in FINAL],
    )
    return found


@pytest.mark.parametrize(("first", "second"), [*product(ENDS, ENDS)])
async def test_of_any_two_ends_the_first_is_the_end_and_the_second_is_told_so(
    house: House, pool: Pool, dsn: str, first: str, second: str
) -> None:
    task_uuid = await overdue(house, pool)
    acting: list[asyncio.Future[Applied]] = []
    async with elsewhere(dsn) as other:
        await other.execute(LOCK)
        for number, name in enumerate((first, second), 1):
            acting.append(asyncio.ensure_future(ENDS[name][0](house, task_uuid)))
            await blocked(pool, number)
        await other.execute("ROLLBACK")
        answers = await asyncio.gather(*acting)
    theirs = [a.before is not None and not a.before.final for a in answers]
    assert theirs == [True, False]
    found = await task(pool, task_uuid)
    assert found.state is ENDS[first][1]
    assert await ends_of(pool, task_uuid) == 1
    assert (await told(pool, task_uuid)).count("video.completed") == (
        found.state is State.COMPLETED
    )
    await lawful(pool)


@pytest.mark.parametrize("end", ENDS)
async def test_a_retry_of_an_open_task_is_refused_and_stands_in_nobodys_way(
    house: House, pool: Pool, dsn: str, end: str
) -> None:
    task_uuid = await overdue(house, pool)
    before = await pool.fetchrow("SELECT *, xmin::text FROM callboard.tasks")
    retry = house.operate.retry(TENANT, task_uuid, again=False, force=True, scope=None)
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks FOR NO KEY UPDATE")
        retrying = asyncio.ensure_future(retry)
        await blocked(pool)
        ending = asyncio.ensure_future(ENDS[end][0](house, task_uuid))
        await blocked(pool, 2)
        assert await pool.fetchrow("SELECT *, xmin::text FROM callboard.tasks") == before
        await other.execute("ROLLBACK")
        with pytest.raises(Conflict):
            await retrying
        await ending
    assert (await task(pool, task_uuid)).state is ENDS[end][1]
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == 1
    await lawful(pool)


async def timed_out(house: House) -> None:
    """Let the deadline end what is due."""
    for claimed in await house.reconcile.claim(10):
        house.providers["runware"].readings = [ReadFailed(BUSY)]
        await house.reconcile.work(claimed)


async def test_a_callback_that_comes_while_the_deadline_ends_its_task_is_late(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    task_uuid = await overdue(other, pool)

    async def comes(_conn: object) -> None:
        answer = await call_back(other, (task_uuid, said("v1")))
        assert answer == [CallbackOutcome.PENDING]

    wire.after["update_tasks"] = comes
    await timed_out(house)
    assert await other.pending.run_once() == 1
    assert await told(pool, task_uuid) == LATE
    assert await pool.fetchval("SELECT outcome FROM callboard.callbacks") == "late"
    await lawful(pool)


async def test_a_callback_that_waits_behind_the_deadline_looks_again_after_it(
    pool: Pool, dsn: str
) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    task_uuid = await overdue(other, pool)
    async with elsewhere(dsn) as conn:
        await conn.execute(LOCK)
        await call_back(other, (task_uuid, said("v1")))
    waiting: list[asyncio.Task[int]] = []

    async def wait_for_it(_conn: object) -> None:
        waiting.append(asyncio.create_task(other.pending.run_once()))
        await blocked(pool)

    wire.after["update_tasks"] = wait_for_it
    await timed_out(house)
    assert await waiting[0] == 1
    assert await told(pool, task_uuid) == LATE
    await lawful(pool)


async def test_the_deadline_passes_over_what_a_callback_is_ending(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    task_uuid = await overdue(other, pool)

    async def sweep(_conn: object) -> None:
        assert await other.reconcile.claim(10) == []

    wire.after["update_tasks"] = sweep
    assert await call_back(house, (task_uuid, said("v1"))) == [CallbackOutcome.APPLIED]
    assert await other.reconcile.claim(10) == []
    assert (await task(pool, task_uuid)).state is State.COMPLETED
    await lawful(pool)


async def test_a_deadline_that_was_claimed_before_the_callback_came_ends_nothing(
    house: House, pool: Pool
) -> None:
    task_uuid = await overdue(house, pool)
    (claimed,) = await house.reconcile.claim(10)
    await call_back(house, (task_uuid, said("v1")))
    before = await task(pool, task_uuid)
    house.providers["runware"].readings = [ReadFailed(BUSY)]
    await house.reconcile.work(claimed)
    assert await task(pool, task_uuid) == before
    assert before.state is State.COMPLETED
    await lawful(pool)
