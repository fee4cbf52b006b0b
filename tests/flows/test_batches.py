"""Batches: `batch.completed` exactly once and after everything else, whoever dies; cancel in chunks."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Unavailable
from service.core.fault import Fault, FaultKind
from service.core.inputs import CancelAsked, Report, Source
from service.flows.wake import Topic
from service.store.pool import Pool
from tests.support.batches import gathered, tasks_of
from tests.support.flows import TENANT, Wire, blocked, one, submission, subscribed
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import video

DONE = Report(Source.POLL, videos=(video(),))
BROKEN = Report(Source.POLL, faults=(Fault("broken", "Broken.", FaultKind.PERMANENT),))


async def announced(pool: Pool, batch: UUID) -> list[dict[str, Any]]:
    """Give the data of the events of a batch."""
    rows = await pool.fetch("SELECT type, data FROM callboard.events WHERE task_uuid = $1", batch)
    assert {r["type"] for r in rows} <= {"batch.completed"}
    return [json.loads(r["data"]) for r in rows]


async def ended(house: House, size: int = 2, **fields: Any) -> UUID:
    """Have a batch stored whose tasks are all final."""
    batch = await gathered(house, *[submission(**fields)] * size)
    for name in await tasks_of(house.pool, batch):
        await house.tell(name, DONE)
    return batch


async def test_a_batch_is_announced_when_its_last_task_ended_and_only_once(
    house: House, pool: Pool
) -> None:
    batch = await gathered(house, *[submission()] * 3)
    first, second, third = await tasks_of(pool, batch)
    await house.tell(first, DONE)
    await house.tell(second, BROKEN)
    assert await house.conclude.run_once() == 0
    assert (await house.look.batch(TENANT, batch))["state"] == "running"
    await house.tell(third, CancelAsked())
    assert [await house.conclude.run_once() for _ in range(3)] == [1, 0, 0]

    (data,) = await announced(pool, batch)
    assert data == await house.look.batch(TENANT, batch)
    assert (data["id"], data["state"], data["total"]) == (str(batch), "completed", 3)
    assert {s: n for s, n in data["counts"].items() if n} == {
        **dict.fromkeys(("completed", "failed", "canceled"), 1)
    }
    assert data["cost"] == 0.13
    await lawful(pool)


async def test_a_task_that_joined_keeps_its_batch_open(house: House, pool: Pool) -> None:
    """As a fallback does: it is written in the commit that ends the task before it."""
    batch = await gathered(house, submission())
    (first,) = await tasks_of(pool, batch)
    (joined,) = house.accept.check([submission()], many=False)
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT FROM callboard.tasks FOR UPDATE")
        await house.accept.insert(conn, TENANT, [replace(joined, batch_id=batch)], many=False)
    await house.tell(first, BROKEN)
    assert await house.conclude.run_once() == 0
    await house.tell(joined.task_uuid, DONE)
    assert await house.conclude.run_once() == 1

    (data,) = await announced(pool, batch)
    assert (data["total"], data["counts"]["failed"], data["counts"]["completed"]) == (1, 1, 1)


async def test_two_finishers_at_once_announce_once(house: House, pool: Pool, dsn: str) -> None:
    batch = await ended(house)
    wire = Wire(pool)
    slow, quick = make_house(wire.pool), make_house(pool)

    async def overtaken(_conn: object) -> None:
        assert await quick.conclude.run_once() == 1

    # The other one comes after this one has seen that the batch ended, before it has the lock.
    wire.before["lock_running_batch"] = overtaken
    assert await slow.conclude.run_once() == 0
    assert len(await announced(pool, batch)) == 1


async def test_who_comes_while_another_announces_goes_on_without_waiting(
    house: House, pool: Pool
) -> None:
    batch, other = await ended(house), await ended(house)
    wire = Wire(pool)
    slow = make_house(wire.pool)

    async def meanwhile(_conn: object) -> None:
        assert await house.conclude.run_once() == 1
        assert len(await announced(pool, other)) == 1

    wire.before["finish_batch"] = meanwhile
    assert await slow.conclude.run_once() == 1
    assert [len(await announced(pool, b)) for b in (batch, other)] == [1, 1]


async def test_many_finishers_and_many_batches_announce_each_once_after_its_tasks(
    house: House, pool: Pool
) -> None:
    batches = [await gathered(house, *[submission()] * 4) for _ in range(12)]
    names = {b: await tasks_of(pool, b) for b in batches}
    left = [name for four in zip(*names.values(), strict=True) for name in four]
    working = True

    async def end() -> None:
        while left:
            await house.tell(left.pop(), DONE)

    async def conclude() -> None:
        while working:
            await house.conclude.run_once()

    finishers = [asyncio.create_task(conclude()) for _ in range(3)]
    await asyncio.gather(*(end() for _ in range(4)))
    working = False
    await asyncio.gather(*finishers)
    await house.conclude.run_once()

    rows = await pool.fetch("SELECT type, task_uuid FROM callboard.events ORDER BY xid, seq")
    order = [(r["type"], r["task_uuid"]) for r in rows]
    for batch in batches:
        place = order.index(("batch.completed", batch))
        of_tasks = [n for n, (_, subject) in enumerate(order) if subject in names[batch]]
        assert len(of_tasks) == 12
        assert max(of_tasks) < place
    assert Counter(kind for kind, _ in order)["batch.completed"] == len(batches)


async def test_a_last_task_whose_commit_is_under_way_is_waited_for(
    house: House, pool: Pool
) -> None:
    """Its xid is given out already: an announcement now would come after it or not at all."""
    batch = await gathered(house, submission())
    (name,) = await tasks_of(pool, batch)
    wire = Wire(pool)

    async def look(_conn: object) -> None:
        assert await house.conclude.run_once() == 0

    wire.before["commit"] = look
    await make_house(wire.pool).tell(name, DONE)
    assert await house.conclude.run_once() == 1
    rows = await pool.fetch("SELECT type FROM callboard.events ORDER BY xid, seq")
    assert [r["type"] for r in rows][-2:] == ["task.completed", "batch.completed"]
    assert len(await announced(pool, batch)) == 1


async def test_an_announcement_takes_its_place_after_it_has_looked(
    house: House, pool: Pool
) -> None:
    """Whoever took a place in the feed first and looked then would come before the last task's events."""
    batch = await gathered(house, submission())
    (name,) = await tasks_of(pool, batch)
    wire = Wire(pool)

    async def ends(_conn: object) -> None:
        await house.tell(name, DONE)

    wire.before["ended_batches"] = ends
    assert await make_house(wire.pool).conclude.run_once() == 1
    rows = await pool.fetch("SELECT type FROM callboard.events ORDER BY xid, seq")
    assert [r["type"] for r in rows][-2:] == ["task.completed", "batch.completed"]


async def test_the_database_goes_at_any_moment_of_an_announcement(house: House, pool: Pool) -> None:
    await subscribed(house)
    moment, through = 0, False
    while not through:
        moment += 1
        batch = await ended(house, 1)
        wire = Wire(pool)
        wire.cut_at = moment
        try:
            await make_house(wire.pool).conclude.run_once()
        except Unavailable:
            assert wire.down
        through = not wire.down
        for _ in range(100):
            # The server may take a moment to see that the other one's connection is gone.
            if await house.conclude.run_once() or await announced(pool, batch):
                break
        assert len(await announced(pool, batch)) == 1
        out = "SELECT count(*) FROM callboard.deliveries WHERE task_uuid = $1"
        assert await pool.fetchval(out, batch) == 1
    assert moment > 12


async def test_a_batch_that_cannot_be_announced_is_in_nobodys_way(
    house: House, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await ended(house), await ended(house)
    show = type(house.conclude._views).batches

    async def broken(self: Any, conn: Any, loaded: Any) -> Any:
        if loaded[0].id == bad:
            raise ValueError("a bug")
        return await show(self, conn, loaded)

    monkeypatch.setattr(type(house.conclude._views), "batches", broken)
    assert await house.conclude.run_once() == 1
    assert [len(await announced(pool, b)) for b in (bad, good)] == [0, 1]
    monkeypatch.undo()
    assert await house.conclude.run_once() == 1


async def test_it_goes_to_who_wants_batches_and_narrows_by_nothing_else(
    house: House, pool: Pool
) -> None:
    wanted = [await subscribed(house, [t]) for t in ("*", "batch.*", "batch.completed")]
    await subscribed(house, ["task.*", "video.*"])
    await subscribed(house, ["*"], provider="runware")
    await subscribed(house, ["batch.*"], labels={"a": "b"})
    batch = await ended(house, 1, labels={"a": "b"}, webhookURL="https://app.example/notify")
    await house.conclude.run_once()

    rows = await pool.fetch(
        "SELECT subscription_id, state FROM callboard.deliveries WHERE task_uuid = $1", batch
    )
    assert {r["subscription_id"] for r in rows} == set(wanted)
    assert {r["state"] for r in rows} == {"pending"}
    await house.deliver_due()
    (event, *_) = [json.loads(e.body) for _, e in house.sink.got if e.task_uuid == batch]
    assert (event["subject"], event["sequence"]) == (str(batch), "0000000001")
    assert event["data"] == await house.look.batch(TENANT, batch)


async def test_a_subscription_that_was_answered_misses_no_batch(house: House, pool: Pool) -> None:
    """Creating one waits for an announcement under way, which may not have seen it."""
    batch = await ended(house)
    wire, made = Wire(pool), []

    async def subscribe(_conn: object) -> None:
        made.append(asyncio.create_task(subscribed(house, ["batch.*"])))
        await blocked(pool)

    wire.after["live_subscriptions"] = subscribe
    assert await make_house(wire.pool).conclude.run_once() == 1
    await made[0]
    assert len(await announced(pool, batch)) == 1
    later = await ended(house)
    await house.conclude.run_once()
    out = "SELECT task_uuid FROM callboard.deliveries WHERE subscription_id = $1"
    assert [r["task_uuid"] for r in await pool.fetch(out, made[0].result())] == [later]


async def test_the_end_of_a_task_wakes_the_finisher_only_for_batches(
    house: House, pool: Pool
) -> None:
    alone = await one(house)
    batch = await gathered(house, submission())
    (name,) = await tasks_of(pool, batch)
    bell = house.wake._topics[Topic.BATCHES]
    await house.tell(alone, DONE)
    assert not bell.is_set()
    await house.tell(name, DONE)
    assert bell.is_set()
