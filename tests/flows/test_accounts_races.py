"""Accounts under races: a claim waits for nothing, a removal for every claim, a stale worker takes nobody's place."""

import asyncio
from uuid import UUID

import pytest

from service.core.errors import Conflict
from service.flows.accounts import named
from service.store.accounts import Limits, Name
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    Wire,
    accepted,
    blocked,
    call_back,
    elsewhere,
    one,
    pass_time,
    submission,
)
from tests.support.house import House, make_house

DEFAULT, SECOND = named("runware", "default"), named("runware", "second")


async def with_second(house: House, places: int = 5) -> House:
    await house.accounts.ready()
    await house.accounts.keep(SECOND, Limits(places), weight=1, key="key-2")
    return house


async def places(pool: Pool) -> dict[UUID, str]:
    """Say by which account each task that has a place has it."""
    rows = await pool.fetch(
        "SELECT account, task_uuid FROM callboard.slots WHERE task_uuid IS NOT NULL"
    )
    return {r["task_uuid"]: r["account"] for r in rows}


async def only(house: House, name: Name, limit: int) -> list[UUID]:
    """Claim by one account."""
    return [t.task_uuid for t in await house.submit._claim_of(name, limit)]


async def test_two_claims_that_take_over_each_others_unsent_tasks_do_not_wait_for_each_other(
    pool: Pool,
) -> None:
    """Each account claims, alone, what the other had claimed: their old places are given back by both at once."""
    wire = Wire(pool)
    first = await with_second(make_house(wire.pool))
    second = await with_second(make_house(pool))
    a, b = await accepted(first, submission(), submission())
    assert (await only(first, DEFAULT, 1), await only(first, SECOND, 1)) == ([a], [b])
    await pass_time(pool, 61)
    by_second: list[UUID] = []

    async def meanwhile(_conn: object) -> None:
        # The default account has found its places and is about to claim.
        async with asyncio.timeout(5):
            by_second.extend(await only(second, SECOND, 2))

    wire.after["free_slots"] = meanwhile
    by_default = await only(first, DEFAULT, 2)
    assert sorted([*by_default, *by_second]) == sorted([a, b])
    assert set(by_default).isdisjoint(by_second)
    held = dict.fromkeys(by_default, "default") | dict.fromkeys(by_second, "second")
    assert await places(pool) == held


async def test_a_place_of_a_task_that_somebody_works_on_is_not_given_back(
    pool: Pool, dsn: str
) -> None:
    """A process stood still between its locks and its commit: past its lease the place is still its own."""
    house = await with_second(make_house(pool, concurrency=1))
    a, _ = await accepted(house, submission(), submission())
    assert await only(house, DEFAULT, 1) == [a]
    await pass_time(pool, 61)
    async with elsewhere(dsn) as conn:
        await conn.fetch("SELECT FROM callboard.tasks WHERE task_uuid = $1 FOR NO KEY UPDATE", a)
        assert await only(house, DEFAULT, 1) == []
        assert await places(pool) == {a: "default"}
    assert await only(house, DEFAULT, 1) == [a]


async def test_a_release_of_a_claim_that_was_taken_over_leaves_the_new_one_its_place(
    pool: Pool,
) -> None:
    house = await with_second(make_house(pool, concurrency=1))
    a = await one(house)
    stale = await house.submit._claim_of(DEFAULT, 1)
    await pass_time(pool, 61)
    assert await only(house, SECOND, 1) == [a]
    await house.submit.release(stale)
    assert await places(pool) == {a: "second"}


async def test_an_account_is_not_removed_under_a_claim_that_is_about_to_commit(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = await with_second(make_house(wire.pool)), await with_second(make_house(pool))
    a = await one(house)
    removal: list[asyncio.Task[int]] = []

    async def remove(_conn: object) -> None:
        removal.append(asyncio.create_task(other.accounts.remove(SECOND)))
        await blocked(pool)

    wire.before["commit"] = remove
    assert await only(house, SECOND, 1) == [a]
    with pytest.raises(Conflict):
        await removal[0]
    assert await places(pool) == {a: "second"}


async def test_an_account_whose_claims_ended_unsent_can_be_removed(pool: Pool) -> None:
    house = await with_second(make_house(pool))
    a = await one(house, account="second")
    assert await only(house, SECOND, 1) == [a]
    await pass_time(pool, 61)
    assert await house.accounts.remove(SECOND) == 1
    assert await places(pool) == {}


async def test_after_fewer_places_nothing_new_goes_until_those_beyond_have_ended(
    pool: Pool,
) -> None:
    house = make_house(pool, concurrency=3)
    names = await accepted(house, *[submission() for _ in range(5)])
    await house.send_queued()
    await house.accounts.keep(DEFAULT, Limits(1), weight=None, key=None)
    await call_back(house, (names[0], said("v-0")))
    assert await house.submit.claim(10) == []
    await call_back(house, (names[1], said("v-1")))
    assert await house.submit.claim(10) == []
    await call_back(house, (names[2], said("v-2")))
    assert len(await house.submit.claim(10)) == 1
