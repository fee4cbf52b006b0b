"""What other services of this kind get wrong (races.md 20): each is looked at here from the outside."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from service.core.inputs import CancelAsked, ReadNothing
from service.core.states import State
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import TENANT, Wire, call_back, one, pass_time, processing, task, told
from tests.support.house import House, make_house
from tests.support.stored import lawful

DONE = ["task.processing", "video.completed", "task.completed"]
KEPT = "SELECT body, outcome FROM callboard.callbacks ORDER BY id"


async def test_callbacks_stay_with_their_bytes_whatever_became_of_them(
    house: House, pool: Pool
) -> None:
    done, canceled, stranger = await processing(house), await processing(house), uuid4()
    await house.tell(canceled, CancelAsked())
    bodies = [said(n) + b"\n" for n in ("first", "first", "late", "unknown")]
    for task_uuid, body in zip((done, done, canceled, stranger), bodies, strict=True):
        await call_back(house, (task_uuid, body))
    assert (await task(pool, done)).state is State.COMPLETED
    await house.upkeep.run_once()
    outcomes = ("applied", "duplicate", "late", "orphan")
    assert [tuple(r) for r in await pool.fetch(KEPT)] == [*zip(bodies, outcomes, strict=True)]


async def test_what_timed_out_is_not_sent_again(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    for _ in range(6):
        await pass_time(pool, 3601)
        house.providers["runware"].readings = [ReadNothing()]
        for claimed in await house.reconcile.claim(5):
            await house.reconcile.work(claimed)
        assert await house.send_queued() == 0
    assert (await task(pool, task_uuid)).state is State.TIMED_OUT
    assert len(house.providers["runware"].sent) == 1
    await lawful(pool)


async def test_one_day_that_is_kept_does_not_stall_those_before_and_after_it(
    house: House, pool: Pool
) -> None:
    days = [datetime.now(UTC) - timedelta(days=n) for n in (42, 41, 40)]
    async with pool.acquire() as conn:
        await conn.execute("SELECT callboard.ensure_partitions($1::date, 3)", days[0].date())
        await conn.execute(
            "INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, outcome)"
            " VALUES ($1, 'sync', gen_random_uuid(), '', 'pending')",
            days[1],
        )
    await house.upkeep.run_once()
    left = await pool.fetch(
        "SELECT relname FROM pg_class WHERE relname = ANY ($1)",
        [f"callbacks_{d:%Y%m%d}" for d in days],
    )
    assert [r["relname"] for r in left] == [f"callbacks_{days[1]:%Y%m%d}"]
    await pool.execute("DELETE FROM callboard.callbacks")
    await house.upkeep.run_once()


async def test_who_waits_for_a_task_looks_into_the_database_at_the_start_and_at_the_end(
    pool: Pool,
) -> None:
    """A waiter that asks five times a second would have asked six times."""
    wire = Wire(pool)
    house = make_house(wire.pool)
    house.wake.hears_others = True
    task_uuid = await one(house)
    before = wire.passed
    await house.look.task(TENANT, task_uuid)
    a_look = wire.passed - before
    before = wire.passed
    await house.look.task(TENANT, task_uuid, 1.0)
    assert wire.passed - before <= 2 * a_look


async def test_what_a_callback_brought_is_in_the_result_and_in_the_event(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await call_back(house, (task_uuid, said("v1")))
    (result,) = (await task(pool, task_uuid)).results
    assert result.video is not None
    assert result.video.url == "https://videos.example/v1.mp4"
    data = await pool.fetchval("SELECT data FROM callboard.events WHERE type = 'video.completed'")
    assert result.video.url.encode() in data
    assert await told(pool, task_uuid) == DONE
