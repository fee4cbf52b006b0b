"""The erasure of a task: all of it goes at once or not at all, and nothing brings it back."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.core.errors import Conflict, Erased, NotFound, StillRunning, Unavailable
from service.core.inputs import CancelAsked
from service.core.states import CallbackOutcome as Outcome
from service.ports import Sent
from service.store.keys import Scope
from service.store.pool import Pool
from tests.support.batches import gathered, tasks_of
from tests.support.erasure import DONE, ended, left_of
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    accepted,
    call_back,
    key,
    one,
    pass_time,
    processing,
    submission,
    subscribed,
    task,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful

ALL = ["task.processing", "video.completed", "task.completed"]


async def feed(house: House) -> tuple[list[Any], list[str]]:
    """Read the feed a page an event; gives the events and the cursors between them."""
    events: list[Any] = []
    cursors: list[str] = []
    cursor: str | None = None
    while True:
        page = await house.feed.page(TENANT, cursor, None, None, 1)
        if not page.items or page.next_cursor is None:
            return events, cursors
        events += [json.loads(item) for item in page.items]
        cursors.append(cursor := page.next_cursor)


async def test_of_a_task_only_its_name_and_tombstones_are_left(house: House, pool: Pool) -> None:
    await subscribed(house)
    other, task_uuid = await ended(house), await ended(house, labels={"a": "b"})
    before, cursors = await feed(house)
    await house.erase.task(TENANT, task_uuid)
    assert await left_of(pool, task_uuid) == {"erased_tasks": 1, "events": 3, "deliveries": 3}
    after, same = await feed(house)
    assert same == cursors
    for was, now in zip(before, after, strict=True):
        erased = was["subject"] == str(task_uuid)
        data = {"taskUUID": str(task_uuid), "erased": True} if erased else was["data"]
        assert now == was | {"data": data}
    with pytest.raises(NotFound):
        await house.look.task(TENANT, task_uuid)
    with pytest.raises(NotFound):
        await house.look.timeline(TENANT, task_uuid, None, 10)
    assert (await house.look.callbacks(TENANT, task_uuid, None, None, 10)).items == []
    assert (await task(pool, other)).final
    await lawful(pool)


async def test_an_erasure_may_be_repeated_and_an_unknown_task_is_not_found(house: House) -> None:
    task_uuid = await ended(house)
    with pytest.raises(NotFound):
        await house.erase.task("other", task_uuid)
    for _ in range(2):
        await house.erase.task(TENANT, task_uuid)
    for tenant, name in ((TENANT, uuid4()), ("other", task_uuid)):
        with pytest.raises(NotFound):
            await house.erase.task(tenant, name)


async def test_a_task_that_is_not_final_is_not_erased(house: House, pool: Pool) -> None:
    waiting = await one(house)
    with pytest.raises(Conflict, match="cancel it first"):
        await house.erase.task(TENANT, waiting, force=True)
    assert not (await task(pool, waiting)).final


async def test_what_may_still_run_upstream_is_erased_by_force_and_its_place_is_free(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await house.tell(task_uuid, CancelAsked())
    taken = "SELECT count(*) FROM callboard.slots WHERE task_uuid IS NOT NULL"
    with pytest.raises(StillRunning, match="force=true"):
        await house.erase.task(TENANT, task_uuid)
    assert await pool.fetchval(taken) == 1
    await house.erase.task(TENANT, task_uuid, force=True)
    assert await pool.fetchval(taken) == 0
    await pass_time(pool, 3600)
    assert await house.reconcile.claim(10) == []


async def test_a_watch_that_was_claimed_before_an_erasure_by_force_goes_without_a_trace(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await house.tell(task_uuid, CancelAsked())
    await pass_time(pool, 3600)
    (claimed,) = await house.reconcile.claim(10)
    await house.erase.task(TENANT, task_uuid, force=True)
    await house.reconcile.work(claimed)
    assert await left_of(pool, task_uuid) == {"erased_tasks": 1, "events": 2}


async def test_the_name_of_an_erased_task_stays_taken(house: House, pool: Pool) -> None:
    live, gone = await ended(house), await ended(house)
    await house.erase.task(TENANT, gone)
    with pytest.raises(Conflict) as single:
        await one(house, task_uuid=gone)
    assert [e.pointer for e in single.value.errors] == ["/0/taskUUID"]
    given = [submission(), submission(task_uuid=gone), submission(task_uuid=live)]
    with pytest.raises(Conflict) as many:
        await accepted(house, *given)
    assert [e.pointer for e in many.value.errors] == ["/1/taskUUID", "/2/taskUUID"]
    with pytest.raises(Conflict) as batch:
        await gathered(house, *given)
    assert [e.pointer for e in batch.value.errors] == ["/line/2/taskUUID", "/line/3/taskUUID"]
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == 1


async def test_an_answer_that_showed_an_erased_task_is_gone_and_nothing_is_done_again(
    house: House, pool: Pool
) -> None:
    async def submit(name: str, size: int) -> list[UUID]:
        given = [submission()] * size
        answer = await house.accept.submit(TENANT, given, many=size > 1, scope=key(name), body=size)
        shown = json.loads(answer.body)
        return [UUID(i["taskUUID"]) for i in (shown["items"] if size > 1 else [shown])]

    async def retry(name: UUID, body_key: str) -> UUID:
        scope = Scope(TENANT, "POST", f"/v1/tasks/{name}/retry", body_key)
        answer = await house.operate.retry(TENANT, name, again=False, force=False, scope=scope)
        return UUID(json.loads(answer.body)["taskUUID"])

    (alone,), (_, second, _) = await submit("alone", 1), await submit("array", 3)
    await house.tell(alone, DONE)
    again = await retry(alone, "first")
    assert await retry(alone, "second") == again
    for name in (second, again):
        await house.tell(name, DONE)
        await house.erase.task(TENANT, name)
    assert await submit("alone", 1) == [alone]
    count = await pool.fetchval("SELECT count(*) FROM callboard.tasks")
    for call in (
        submit("array", 3),
        submit("array", 2),
        retry(alone, "first"),
        retry(alone, "second"),
    ):
        with pytest.raises(Erased):
            await call
    await house.erase.task(TENANT, alone)
    with pytest.raises(Erased):
        await submit("alone", 1)
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == count - 1


async def test_a_batch_goes_on_without_an_erased_task_and_concludes(
    house: House, pool: Pool
) -> None:
    batch = await gathered(house, *[submission()] * 3)
    first, second, third = await tasks_of(pool, batch)
    await house.tell(first, DONE)
    await house.erase.task(TENANT, first)
    assert await house.conclude.run_once() == 0
    for name in (second, third):
        await house.tell(name, DONE)
    await house.erase.task(TENANT, third)
    assert await house.conclude.run_once() == 1
    await house.erase.task(TENANT, second)
    (data,) = [e["data"] for e in (await feed(house))[0] if e["type"] == "batch.completed"]
    assert (data["total"], data["counts"]["completed"]) == (3, 1)
    shown = await house.look.batch(TENANT, batch)
    assert (shown["state"], shown["total"], shown["cost"]) == ("completed", 3, None)


@pytest.mark.parametrize("body", [said("v1"), said("v1", other=True), b"not json"])
async def test_a_later_callback_is_counted_and_not_kept(
    house: House, pool: Pool, body: bytes
) -> None:
    task_uuid, live = await ended(house), await processing(house)
    await house.erase.task(TENANT, task_uuid)
    outcomes = await call_back(house, (task_uuid, body), (live, said("v1")), (task_uuid, body))
    assert outcomes == [Outcome.ERASED, Outcome.APPLIED, Outcome.ERASED]
    assert house.receive.outcomes["runware", "erased"] == 2
    assert "callbacks" not in await left_of(pool, task_uuid)


async def test_what_was_not_delivered_is_canceled_and_nothing_more_is_sent(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    task_uuid = await ended(house, webhookURL="https://app.example/told")
    house.sink.answers = [Sent(ok=True, status=200), Sent(ok=False, status=500, error="failed")]
    assert await house.deliver_due() == 2
    await house.erase.task(TENANT, task_uuid)
    await pass_time(pool, 3600)
    assert await house.deliver_due() == 0
    states = await pool.fetch("SELECT state FROM callboard.deliveries ORDER BY id")
    assert sorted({r["state"] for r in states}) == ["canceled", "delivered"]


async def test_an_erasure_that_is_cut_off_at_any_moment_leaves_all_or_nothing(pool: Pool) -> None:
    wire = Wire(pool)
    house, doomed = make_house(pool), make_house(wire.pool)
    await subscribed(house)
    moment = 0
    through = False
    while not through:
        moment += 1
        task_uuid = await ended(house)
        whole = await left_of(pool, task_uuid)
        wire.passed, wire.cut_at, wire.down = 0, moment, False
        try:
            await doomed.erase.task(TENANT, task_uuid)
        except Unavailable:
            assert wire.down
        through = not wire.down
        left = await left_of(pool, task_uuid)
        gone = {"erased_tasks": 1, "events": 3, "deliveries": 3}
        assert left in ([gone] if through else [whole, gone])
        await house.erase.task(TENANT, task_uuid)
        assert await left_of(pool, task_uuid) == gone
    assert moment > 20
