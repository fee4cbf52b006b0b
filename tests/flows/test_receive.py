"""Callbacks: kept before they are answered, applied in the same commit, each called what it is."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from service.core.errors import Unavailable
from service.core.inputs import Report, Source
from service.core.states import CallbackOutcome as Outcome
from service.core.states import State
from service.core.task import FirstSend, Task, Video
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Watching,
    Wire,
    accepted,
    call_back,
    cut,
    elsewhere,
    one,
    pass_time,
    processing,
    settle_in,
    submission,
    task,
    told,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful

ALL = ["task.processing", "video.completed", "task.completed"]


async def kept(pool: Pool, *columns: str) -> list[tuple[object, ...]]:
    """Give the inbox, oldest first."""
    rows = await pool.fetch("SELECT * FROM callboard.callbacks ORDER BY id")
    return [tuple(row[c] for c in columns) for row in rows]


async def test_a_good_callback_is_kept_byte_for_byte_and_applied_in_one_commit(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    body = b" " + said("v1") + b"\n"
    assert await call_back(house, (task_uuid, body), x_test="1") == [Outcome.APPLIED]
    ((raw, outcome, headers),) = await kept(pool, "body", "outcome", "headers")
    assert (raw, outcome, headers) == (body, "applied", '{"x-test": "1"}')
    assert await told(pool, task_uuid) == ALL
    same = await pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM callboard.callbacks UNION ALL"
        " SELECT xmin FROM callboard.events WHERE type <> 'task.processing' UNION ALL"
        " SELECT xmin FROM callboard.tasks UNION ALL SELECT xmin FROM callboard.results) AS written"
    )
    assert same == 1
    await lawful(pool)


async def test_a_callback_before_the_answer_to_our_own_submit_is_applied(
    house: House, pool: Pool
) -> None:
    async def call_first(at: Task, send: FirstSend) -> None:
        body = said("v1", upstream_id=f"up-{at.task_uuid}")
        assert await call_back(house, (at.task_uuid, body)) == [Outcome.APPLIED]

    settle_in(house, Watching(call_first))
    task_uuid = await processing(house)
    assert await told(pool, task_uuid) == ALL
    found = await task(pool, task_uuid)
    assert (found.state, found.slot_since) == (State.COMPLETED, None)
    await lawful(pool)


async def test_a_group_is_one_commit_and_every_callback_has_its_own_answer(
    house: House, pool: Pool
) -> None:
    first, second = await accepted(house, submission(), submission(numberResults=2))
    await house.send_queued()
    stranger = uuid4()
    outcomes = await call_back(
        house,
        (first, said("a")),
        (second, said("b")),
        (first, said("a")),
        (stranger, said("c")),
        (second, said("b", "d")),
        (second, b"not json"),
    )
    assert outcomes == [
        Outcome.APPLIED,
        Outcome.APPLIED,
        Outcome.DUPLICATE,
        Outcome.ORPHAN,
        Outcome.APPLIED,
        Outcome.UNREADABLE,
    ]
    assert await pool.fetchval("SELECT count(DISTINCT xmin::text) FROM callboard.callbacks") == 1
    assert [o for (o,) in await kept(pool, "outcome")] == [o.value for o in outcomes]
    await lawful(pool)


async def test_a_second_callback_changes_nothing(house: House, pool: Pool) -> None:
    task_uuid = await processing(house, numberResults=2)
    await call_back(house, (task_uuid, said("v1")))
    before = await pool.fetchrow("SELECT *, xmin::text FROM callboard.tasks")
    assert await call_back(house, (task_uuid, said("v1"))) == [Outcome.DUPLICATE]
    assert await pool.fetchrow("SELECT *, xmin::text FROM callboard.tasks") == before
    assert await call_back(house, (task_uuid, said("v2"))) == [Outcome.APPLIED]
    assert (await task(pool, task_uuid)).state is State.COMPLETED


async def test_a_video_after_the_end_is_late_once(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    await house.operate.cancel(TENANT, task_uuid)
    outcomes = [(await call_back(house, (task_uuid, said("v1"))))[0] for _ in range(2)]
    assert outcomes == [Outcome.LATE, Outcome.DUPLICATE]
    assert await told(pool, task_uuid) == ["task.processing", "task.canceled", "video.late"]
    await lawful(pool)


async def test_another_upstream_id_is_conflicting_and_its_video_late(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    other = (task_uuid, said("other", upstream_id="somebody-else"))
    assert await call_back(house, other) == [Outcome.CONFLICTING]
    assert await told(pool, task_uuid) == ["task.processing", "video.late"]
    ours = (task_uuid, said("ours", upstream_id=f"up-{task_uuid}"))
    assert await call_back(house, ours) == [Outcome.APPLIED]
    assert (await task(pool, task_uuid)).state is State.COMPLETED
    await lawful(pool)


async def test_a_callback_that_names_another_task_is_not_applied(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    before = await task(pool, task_uuid)
    outcomes = await call_back(
        house, (task_uuid, said("v1", other=True)), (uuid4(), said("v1", other=True))
    )
    assert outcomes == [Outcome.CONFLICTING, Outcome.ORPHAN]
    assert await task(pool, task_uuid) == before


@pytest.mark.parametrize(
    ("body", "headers", "outcome"),
    [
        (b"\xff", {}, Outcome.UNREADABLE),
        (b"[]", {}, Outcome.UNREADABLE),
        (said("v1"), {"sync_signature": "wrong"}, Outcome.UNVERIFIED),
    ],
)
async def test_what_cannot_be_read_or_trusted_makes_a_poll_due_at_once(
    house: House, pool: Pool, body: bytes, headers: dict[str, str], outcome: Outcome
) -> None:
    task_uuid = await processing(house)
    assert await house.reconcile.claim(5) == []
    assert await call_back(house, (task_uuid, body), **headers) == [outcome]
    assert (await task(pool, task_uuid)).state is State.PROCESSING
    ((due, step),) = await house.reconcile.claim(5)
    assert (due.task_uuid, step.value) == (task_uuid, "read")


async def test_an_orphan_is_kept(house: House, pool: Pool) -> None:
    stranger = uuid4()
    assert await call_back(house, (stranger, said("v1"))) == [Outcome.ORPHAN]
    assert await kept(pool, "task_uuid", "outcome") == [(stranger, "orphan")]


async def test_a_task_that_is_locked_elsewhere_is_not_waited_for(
    house: House, pool: Pool, dsn: str
) -> None:
    locked, free = await accepted(house, submission(), submission())
    await house.send_queued()
    async with elsewhere(dsn) as other:
        await other.execute("SELECT FROM callboard.tasks WHERE task_uuid = $1 FOR UPDATE", locked)
        outcomes = await call_back(house, (locked, said("a")), (free, said("b")))
        assert outcomes == [Outcome.PENDING, Outcome.APPLIED]
        assert (await task(pool, locked)).state is State.PROCESSING
    assert await house.pending.run_once() == 1
    assert (await task(pool, locked)).state is State.COMPLETED
    assert await kept(pool, "outcome", "tries") == [("applied", 1), ("applied", 0)]
    await lawful(pool)


async def test_while_the_database_is_away_nobody_is_told_yes(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    names = await accepted(house, submission(), submission())
    await house.send_queued()
    wire.before["commit"] = cut
    with pytest.raises(Unavailable):
        await call_back(house, *[(u, said("v1")) for u in names])
    wire.down = True
    with pytest.raises(Unavailable):
        await call_back(house, *[(u, said("v1")) for u in names])
    assert await kept(pool, "id") == []
    assert {(await task(pool, u)).state for u in names} == {State.PROCESSING}


async def test_a_group_that_collides_is_tried_again_whole(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    task_uuid = await processing(house)

    async def collide(conn: Any) -> None:
        await conn.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")

    wire.before["insert_callbacks"] = collide
    assert await call_back(house, (task_uuid, said("v1"))) == [Outcome.APPLIED]
    assert await kept(pool, "outcome") == [("applied",)]
    await lawful(pool)


async def test_callbacks_and_polls_of_the_same_video_count_once(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    seen = Video("v1", "https://videos.example/v1.mp4")
    house.providers["runware"].readings = [Report(Source.POLL, videos=(seen,))]
    await pass_time(pool, 70)
    (due,) = await house.reconcile.claim(5)
    await asyncio.gather(house.reconcile.work(due), call_back(house, (task_uuid, said("v1"))))
    await house.pending.run_once()
    assert await told(pool, task_uuid) == ALL
    await lawful(pool)


async def test_a_callback_for_a_task_in_the_queue_says_that_the_upstream_has_it(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    assert await call_back(house, (task_uuid, said("v1"))) == [Outcome.APPLIED]
    assert await house.send_queued() == 0
    assert await told(pool, task_uuid) == ALL
    await lawful(pool)
