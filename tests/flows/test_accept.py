"""Accepting: durable before the answer, all or none, and nothing of it changed on the way."""

import asyncio
import json
from uuid import UUID, uuid4

import asyncpg
import pytest

from service.core.errors import Conflict, Invalid
from service.core.states import ResultState, State
from service.flows.look import task_filter
from service.store.pool import Pool
from tests.support.flows import TENANT, accepted, blocked, elsewhere, key, one, submission, task
from tests.support.house import House

ODD: dict[str, object] = {
    "big": 2**200,
    "small": -(2**64),
    "float": 0.1,
    "text": "ü 漢 🎬 \u0000 \\u0000 \u2028 </script>",
    "": [None, True, {}],
}


async def count(pool: Pool, table: str) -> int:
    found: int = await pool.fetchval(f"SELECT count(*) FROM callboard.{table}")  # noqa: S608 - our own names
    return found


async def test_what_was_answered_is_there_for_everybody_at_once(house: House, dsn: str) -> None:
    task_uuid = await one(house, numberResults=3)
    async with elsewhere(dsn) as other:
        row = await other.fetchrow(
            "SELECT state, look_again_at <= clock_timestamp() AS due FROM callboard.tasks"
            " WHERE task_uuid = $1",
            task_uuid,
        )
        assert (row["state"], row["due"]) == ("queued", True)
        results = "SELECT count(*) FROM callboard.results WHERE task_uuid = $1"
        assert await other.fetchval(results, task_uuid) == 3


async def test_an_array_is_stored_in_its_order(house: House, pool: Pool) -> None:
    stored = await accepted(house, *[submission() for _ in range(20)])
    rows = await pool.fetch("SELECT task_uuid FROM callboard.tasks ORDER BY seq")
    assert [r["task_uuid"] for r in rows] == stored


async def test_one_taken_uuid_stores_nothing_of_an_array(house: House, pool: Pool) -> None:
    taken = await one(house)
    given = [submission(), submission(task_uuid=taken), submission()]
    with pytest.raises(Conflict) as caught:
        await accepted(house, *given)
    assert [e.pointer for e in caught.value.errors] == ["/1/taskUUID"]
    assert [await count(pool, t) for t in ("tasks", "task_payloads", "results")] == [1, 1, 1]


async def test_one_bad_submission_stores_nothing_of_an_array(house: House, pool: Pool) -> None:
    with pytest.raises(Invalid) as caught:
        await accepted(house, submission(), submission(bad=1), submission(model=None))
    assert [e.pointer for e in caught.value.errors] == ["/1/request/bad", "/2/request/model"]
    assert await count(pool, "tasks") == 0


async def test_a_uuid_twice_in_an_array_is_a_fault_of_the_second(house: House) -> None:
    twin = uuid4()
    with pytest.raises(Invalid) as caught:
        await accepted(house, submission(task_uuid=twin), submission(task_uuid=twin))
    assert [e.pointer for e in caught.value.errors] == ["/1/taskUUID"]


async def test_a_uuid_that_a_rival_is_just_storing_is_taken(
    house: House, pool: Pool, dsn: str
) -> None:
    rival = uuid4()
    async with elsewhere(dsn) as other:
        await _insert(other, rival)
        trying = asyncio.create_task(one(house, task_uuid=rival))
        await blocked(pool)
        await other.execute("COMMIT")
        with pytest.raises(Conflict):
            await trying


async def test_two_arrays_that_wait_for_each_other_are_not_a_fault_of_the_caller(
    house: House, pool: Pool, dsn: str
) -> None:
    first, second = uuid4(), uuid4()
    async with elsewhere(dsn) as other:
        await other.execute("SET LOCAL deadlock_timeout = '1min'")
        await _insert(other, second)
        given = [submission(task_uuid=first), submission(task_uuid=second)]
        trying = asyncio.create_task(accepted(house, *given))
        await blocked(pool)
        await _insert(other, first)
        await other.execute("COMMIT")
        with pytest.raises(Conflict) as caught:
            await trying
    assert [e.pointer for e in caught.value.errors] == ["/0/taskUUID", "/1/taskUUID"]


async def _insert(conn: asyncpg.Connection, task_uuid: UUID) -> None:
    await conn.execute(
        "INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, results_expected,"
        " created_at, start_by, deadline_seconds, look_again_at)"
        " VALUES ($1, 'default', 'runware', 'm', 'queued', 1, now(), now(), 60, now())",
        task_uuid,
    )


async def test_request_and_metadata_come_back_untouched(house: House) -> None:
    task_uuid = await one(house, metadata=ODD, odd=ODD)
    shown = json.loads(await house.look.task(TENANT, task_uuid))
    assert shown["metadata"] == ODD
    assert shown["request"] == {"model": "sync:3@0", "odd": ODD}


async def test_metadata_comes_untouched_with_events(house: House, pool: Pool) -> None:
    task_uuid = await one(house, metadata=ODD)
    await house.operate.cancel(TENANT, task_uuid)
    data = await pool.fetchval("SELECT data FROM callboard.events WHERE task_uuid = $1", task_uuid)
    assert json.loads(data)["metadata"] == ODD


async def test_labels_that_look_like_escapes_are_stored_as_they_are(house: House) -> None:
    labels = {"path": "C:\\u0000\\new", "quote": '"\\', "u": "\\\\u0000"}
    task_uuid = await one(house, labels=labels)
    assert json.loads(await house.look.task(TENANT, task_uuid))["labels"] == labels


async def test_tasks_are_found_by_all_of_their_labels(house: House) -> None:
    both = await one(house, labels={"a": "1", "b": "2"})
    await one(house, labels={"a": "1"})
    await one(house, labels={"b": "2", "a": "other"})
    assert await _found(house, ("a", "1"), ("b", "2")) == [both]
    assert await _found(house, ("a", "1"), ("a", "1"), ("b", "2")) == [both]
    assert await _found(house, ("a", "nobody")) == []


async def _found(house: House, *labels: tuple[str, str]) -> list[UUID]:
    page = await house.look.tasks(TENANT, task_filter(labels=labels), None, 10)
    return [UUID(json.loads(item)["taskUUID"]) for item in page.items]


async def test_a_retry_is_a_copy_of_its_own(house: House, pool: Pool) -> None:
    first = await one(
        house, labels={"a": "1"}, metadata=ODD, priority=7, webhookURL="https://a.b/c"
    )
    await house.operate.cancel(TENANT, first)
    answer = await house.operate.retry(TENANT, first, again=False, force=False, scope=None)
    copied = UUID(json.loads(answer.body)["taskUUID"])
    assert copied != first
    assert (await task(pool, copied)).state is State.QUEUED
    assert [r.state for r in (await task(pool, copied)).results] == [ResultState.PENDING]
    rows = await pool.fetch(
        "SELECT request, metadata, labels, notify_url FROM callboard.task_payloads"
    )
    assert len(rows) == 2
    assert rows[0] == rows[1]
    priorities = await pool.fetch("SELECT priority FROM callboard.tasks")
    assert [r["priority"] for r in priorities] == [7, 7]


async def test_two_retries_at_once_make_one_task(house: House, pool: Pool, dsn: str) -> None:
    first = await one(house)
    await house.operate.cancel(TENANT, first)
    async with elsewhere(dsn) as other:
        await other.fetch("SELECT 1 FROM callboard.tasks WHERE task_uuid = $1 FOR UPDATE", first)
        both = [
            asyncio.create_task(
                house.operate.retry(TENANT, first, again=False, force=False, scope=key(name))
            )
            for name in ("one", "two")
        ]
        await blocked(pool, 2)
        await other.execute("COMMIT")
        answers = await asyncio.gather(*both)
    assert sorted(a.status for a in answers) == [200, 202]
    assert await count(pool, "tasks") == 2
