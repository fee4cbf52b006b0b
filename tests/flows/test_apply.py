"""The one hand that writes state: all of a change in one transaction, or nothing of it."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from service.core.decision import Verdict
from service.core.errors import Conflict, NotFound, Unavailable
from service.core.inputs import CancelAsked, Input, Report, SendStarted, Source, Tick
from service.core.states import State
from service.core.task import Video
from service.flows.apply import Change
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Impatient,
    Wire,
    accepted,
    blocked,
    call_back,
    cut,
    elsewhere,
    one,
    processing,
    submission,
    subscribed,
    task,
    told,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BROKEN, callback, poll

LATE = (
    "INSERT INTO callboard.results (task_uuid, index, state, video_uuid, settled_at, event_id)"
    " SELECT task_uuid, 7, 'late', $1, now(), CASE WHEN $2 THEN event_id END FROM callboard.results"
)
WRITTEN = ("history", "events", "deliveries")


def video(name: str) -> Video:
    return Video(name, f"https://videos.example/{name}.mp4")


async def counts(pool: Pool) -> list[int]:
    """Count what changes leave behind."""
    counted = [f"SELECT count(*) FROM callboard.{table}" for table in WRITTEN]  # noqa: S608 - our own names
    return [await pool.fetchval(statement) for statement in counted]


async def test_a_change_is_one_transaction(house: House, pool: Pool) -> None:
    await subscribed(house)
    task_uuid = await processing(house)
    before = await pool.fetchval("SELECT max(id) FROM callboard.history")
    await house.tell(task_uuid, callback(video("a")))
    xids = await pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM callboard.tasks"
        " UNION ALL SELECT xmin FROM callboard.results"
        " UNION ALL SELECT xmin FROM callboard.history WHERE id > $1"
        " UNION ALL SELECT xmin FROM callboard.events WHERE sequence > 1"
        " UNION ALL SELECT d.xmin FROM callboard.deliveries AS d JOIN callboard.events AS e"
        " ON e.id = d.event_id WHERE e.sequence > 1) AS written",
        before,
    )
    assert xids == 1
    assert await pool.fetchval("SELECT count(*) FROM callboard.deliveries") == 3


@pytest.mark.parametrize(
    "statement",
    ["update_tasks", "write_results", "insert_history", "insert_events", "insert_deliveries"],
)
async def test_a_change_that_fails_inside_leaves_nothing(pool: Pool, statement: str) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    await subscribed(house)
    task_uuid = await processing(house)
    before, was = await counts(pool), await task(pool, task_uuid)

    async def fail(_conn: object) -> None:
        raise ZeroDivisionError

    wire.after[statement] = fail
    with pytest.raises(ZeroDivisionError):
        await house.tell(task_uuid, callback(video("a")))
    assert await counts(pool) == before
    assert await task(pool, task_uuid) == was


async def test_a_short_absence_of_the_database_is_waited_out(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool, dice=Impatient())
    task_uuid = await processing(house)
    wire.before["commit"] = cut
    applied = await house.tell(task_uuid, callback(video("a")))
    assert applied.decision is not None
    assert applied.decision.verdict is Verdict.MOVE
    await lawful(pool)


async def test_a_commit_whose_answer_was_lost_is_not_made_twice(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool, dice=Impatient())
    task_uuid = await processing(house)
    wire.after["commit"] = cut
    applied = await house.tell(task_uuid, callback(video("a")))
    assert applied.decision is not None
    assert applied.decision.verdict is Verdict.IGNORE
    assert await told(pool, task_uuid) == ["task.processing", "video.completed", "task.completed"]
    await lawful(pool)


async def test_a_database_that_stays_away_is_said_to_be(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool, dice=Impatient())
    wire.down = True
    with pytest.raises(Unavailable):
        await house.tell(uuid4(), Tick())


async def test_several_inputs_for_one_task_in_one_batch_build_on_each_other(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    task_uuid = await processing(house, numberResults=3)
    said_of_it: list[Input] = [
        callback(video("a")),
        callback(video("a")),
        callback(video("b")),
        poll(video("a"), video("b"), faults=(BROKEN,)),
        callback(video("c")),
        CancelAsked(),
    ]
    applied = await house.apply.run([Change(task_uuid, e, "test") for e in said_of_it])
    verdicts = [a.decision.verdict.value for a in applied if a.decision]
    assert verdicts == ["move", "ignore", "move", "move", "move", "refuse"]
    assert await told(pool, task_uuid) == [
        "task.processing",
        "video.completed",
        "video.completed",
        "video.failed",
        "task.completed",
        "video.late",
    ]
    assert await pool.fetchval("SELECT count(*) FROM callboard.deliveries") == 6
    await lawful(pool)


async def test_what_is_ignored_leaves_the_row_as_it_is(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    before = await pool.fetchrow("SELECT *, xmin::text FROM callboard.tasks")
    await house.tell(task_uuid, SendStarted(99))
    await house.tell(task_uuid, Tick())
    assert await pool.fetchrow("SELECT *, xmin::text FROM callboard.tasks") == before


async def test_a_task_that_does_not_exist_is_no_fault_of_the_batch(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    changes = [Change(u, CancelAsked(), "test") for u in (uuid4(), task_uuid)]
    nobody, ours = await house.apply.run(changes)
    assert (nobody.before, nobody.decision) == (None, None)
    assert ours.decision is not None
    with pytest.raises(NotFound):
        await house.apply.one(changes[0])
    assert (await task(pool, task_uuid)).state is State.CANCELED


async def test_the_database_itself_refuses_a_second_end_and_a_video_twice(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await house.tell(task_uuid, callback(video("a")))
    for statement in (
        "UPDATE callboard.tasks SET terminal_event = NULL",
        "UPDATE callboard.tasks SET finished_at = NULL",
        "UPDATE callboard.tasks SET state = 'queued'",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await pool.execute(statement)
    for name, same_event in (("a", False), ("b", True)):
        with pytest.raises(asyncpg.UniqueViolationError):
            await pool.execute(LATE, name, same_event)


async def test_of_two_ends_at_once_one_wins_and_the_other_hears_so(
    house: House, pool: Pool, dsn: str
) -> None:
    task_uuid = await processing(house)
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks FOR UPDATE")
        both = [
            asyncio.create_task(house.operate.cancel(TENANT, task_uuid)),
            asyncio.create_task(house.tell(task_uuid, poll(video("a")))),
        ]
        await blocked(pool, 2)
        await other.execute("ROLLBACK")
        outcomes = await asyncio.gather(*both, return_exceptions=True)
    found = await task(pool, task_uuid)
    assert isinstance(outcomes[0], Conflict) == (found.state is State.COMPLETED)
    assert found.state in {State.CANCELED, State.COMPLETED}
    await lawful(pool)


async def test_who_waited_for_a_lock_decides_by_the_time_after_it(
    house: House, pool: Pool, dsn: str
) -> None:
    first, second = sorted([await processing(house), await processing(house)])
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks WHERE task_uuid = $1 FOR UPDATE", second)
        changes = [Change(u, CancelAsked(), "test") for u in (first, second)]
        waiting = asyncio.create_task(house.apply.run(changes))
        await blocked(pool)
        released = await other.fetchval("SELECT clock_timestamp()")
        await other.execute("ROLLBACK")
        await waiting
    finished = (await task(pool, second)).finished_at
    assert finished is not None
    assert finished >= released
    assert finished - released < timedelta(seconds=10)


async def test_batches_that_overlap_in_opposite_order_never_collide(
    house: House, pool: Pool, dsn: str
) -> None:
    """A lock in the middle stops both half way: in any other order than one, each then holds what the other wants."""
    names = await accepted(house, *[submission(numberResults=10) for _ in range(8)])
    await house.send_queued()
    lock = "SELECT FROM callboard.tasks WHERE task_uuid = $1 FOR UPDATE"
    for turn in range(5):
        orders = {"a": names, "b": names[::-1]}
        async with elsewhere(dsn) as other, asyncio.TaskGroup() as group:
            await other.execute(lock, names[2 + turn % 4])
            for name, order in orders.items():
                changes = [Change(u, _reports(f"{name}{turn}"), "test") for u in order]
                group.create_task(house.apply.run(changes, tries=1))
            await blocked(pool, 2)
            await other.execute("ROLLBACK")
    await lawful(pool)
    assert {(await task(pool, u)).state for u in names} == {State.COMPLETED}


def _reports(name: str) -> Report:
    return Report(Source.CALLBACK, videos=(video(name),))


async def test_every_task_of_a_group_may_be_called_at_once_by_many_groups(
    house: House, pool: Pool
) -> None:
    names = await accepted(house, *[submission(numberResults=4) for _ in range(6)])
    await house.send_queued()

    async def call(n: int) -> None:
        order = names if n % 2 else names[::-1]
        await call_back(house, *[(u, said(f"v{n}")) for u in order])

    await asyncio.gather(*[call(n) for n in range(4)])
    while await house.pending.run_once():
        pass
    assert {(await task(pool, u)).state for u in names} == {State.COMPLETED}
    await lawful(pool)
