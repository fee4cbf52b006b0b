"""Idempotency keys: one effect a key, in the transaction of the effect."""

import asyncio
from uuid import uuid4

import pytest

from service.core.errors import Conflict, IdempotencyMismatch, Unavailable
from service.flows.idempotent import Answer, canonical_hash, once
from service.store import keys
from service.store.pool import Conn, Pool
from tests.support.flows import TENANT, Wire, blocked, cut, elsewhere, key, submission
from tests.support.house import House

DONE = Answer(202, "/v1/tasks/1", b'{"a": 1}')


async def test_the_first_answer_is_replayed_byte_by_byte(house: House, pool: Pool) -> None:
    first = await _submit(house, {"a": 1})
    again = await _submit(house, {"a": 1})
    assert (again.status, again.location, again.body) == (first.status, first.location, first.body)
    assert (first.replayed, again.replayed) == (False, True)
    assert await _tasks(pool) == 1


async def test_another_body_is_refused_and_changes_nothing(house: House, pool: Pool) -> None:
    first = await _submit(house, {"a": 1})
    with pytest.raises(IdempotencyMismatch):
        await _submit(house, {"a": 2})
    assert (await _submit(house, {"a": 1})).body == first.body
    assert await _tasks(pool) == 1


async def test_a_rival_under_way_is_waited_for_and_replayed(pool: Pool, dsn: str) -> None:
    async with elsewhere(dsn) as rival:
        await keys.take(rival, key(), _hash())
        waiting = asyncio.create_task(once(pool, key(), 1, _never))
        await blocked(pool)
        await keys.answer(rival, key(), DONE.status, DONE.location, DONE.body)
        await rival.execute("COMMIT")
        answer = await waiting
    assert (answer.body, answer.replayed) == (DONE.body, True)


async def test_after_a_rival_that_rolls_back_the_effect_is_had(pool: Pool, dsn: str) -> None:
    async with elsewhere(dsn) as rival:
        await keys.take(rival, key(), _hash())
        waiting = asyncio.create_task(once(pool, key(), 1, _done))
        await blocked(pool)
        await rival.execute("ROLLBACK")
        answer = await waiting
    assert (answer.body, answer.replayed) == (DONE.body, False)
    assert (await once(pool, key(), 1, _never)).replayed


async def test_a_rival_that_takes_too_long_is_a_conflict(
    pool: Pool, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.flows.idempotent.RIVAL_WAIT_S", 0.05)
    async with elsewhere(dsn) as rival:
        await keys.take(rival, key(), _hash())
        with pytest.raises(Conflict):
            await once(pool, key(), 1, _never)


async def test_an_error_keeps_nothing(house: House, pool: Pool) -> None:
    taken = uuid4()
    await house.accept.submit(
        TENANT, [submission(task_uuid=taken)], many=False, scope=None, body=None
    )
    given = [submission(task_uuid=taken)]
    with pytest.raises(Conflict):
        await house.accept.submit(TENANT, given, many=False, scope=key(), body=1)
    assert await pool.fetchval("SELECT count(*) FROM callboard.idempotency_keys") == 0
    answer = await _submit(house, 2)
    assert not answer.replayed


async def test_an_effect_that_is_cut_off_keeps_neither_key_nor_effect(pool: Pool) -> None:
    wire = Wire(pool)
    wire.before["answer_idempotency_key"] = cut
    with pytest.raises(Unavailable):
        await once(wire.pool, key(), 1, _insert_tenant)
    assert await pool.fetchval("SELECT count(*) FROM callboard.tenants") == 1
    assert not (await once(pool, key(), 1, _done)).replayed


async def test_eight_twins_at_once_have_one_effect(house: House, pool: Pool) -> None:
    answers = await asyncio.gather(*[_submit(house, 1) for _ in range(8)])
    assert len({a.body for a in answers}) == 1
    assert sum(not a.replayed for a in answers) == 1
    assert await _tasks(pool) == 1


async def _submit(house: House, body: object) -> Answer:
    return await house.accept.submit(TENANT, [submission()], many=False, scope=key(), body=body)


async def _tasks(pool: Pool) -> int:
    found: int = await pool.fetchval("SELECT count(*) FROM callboard.tasks")
    return found


def _hash() -> bytes:
    return canonical_hash(1)


async def _done(_conn: Conn) -> Answer:
    return DONE


async def _insert_tenant(conn: Conn) -> Answer:
    await conn.execute("INSERT INTO callboard.tenants (tenant) VALUES ('other')")
    return DONE


async def _never(_conn: Conn) -> Answer:
    raise AssertionError("the effect was had twice")
