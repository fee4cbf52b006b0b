"""The cap: never more under way upstream than its concurrency, whatever happens in between."""

import asyncio

import pytest

from service.core.errors import Unavailable
from service.core.inputs import SubmitUnknown, TryLater
from service.core.states import State
from service.core.task import Task
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import TENANT, Wire, accepted, call_back, cut, one, submission, task, until
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BUSY, SILENCE

CAP = 3


@pytest.fixture
def house(pool: Pool) -> House:
    return make_house(pool, concurrency=CAP)


async def test_never_more_than_the_concurrency_is_under_way(house: House, pool: Pool) -> None:
    provider = house.providers["runware"]
    provider.hold.clear()
    names = await accepted(house, *[submission() for _ in range(4 * CAP)])
    most = 0
    async with asyncio.TaskGroup() as group:
        for _ in range(CAP + 2):
            for claimed in await house.submit.claim(100):
                group.create_task(house.submit.work(claimed))
        await until(lambda: _is(len(provider.sent) == CAP))
        provider.hold.set()
    for _ in range(len(names)):
        most = max(most, await _under_way(pool))
        for ended in await pool.fetch(
            "SELECT task_uuid FROM callboard.tasks WHERE slot_since IS NOT NULL LIMIT 1"
        ):
            await call_back(house, (ended["task_uuid"], said(f"v-{ended['task_uuid']}")))
        await house.send_queued()
    assert most == CAP
    assert len(provider.sent) == len(names)
    states = {(await task(pool, u)).state for u in names}
    assert states == {State.COMPLETED}
    await lawful(pool)


async def test_claims_that_have_not_begun_take_their_place(house: House) -> None:
    await accepted(house, *[submission() for _ in range(2 * CAP)])
    claimed = await house.submit.claim(100)
    assert len(claimed) == CAP
    assert await house.submit.claim(100) == []
    await house.submit.release(claimed)
    assert len(await house.submit.claim(100)) == CAP


async def test_a_send_that_begins_while_another_claims_keeps_its_place(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool, concurrency=CAP)
    house.providers["runware"].hold.clear()
    await accepted(house, *[submission() for _ in range(2 * CAP)])
    claimed = await house.submit.claim(1)
    async with asyncio.TaskGroup() as group:

        async def begin(_conn: object) -> None:
            group.create_task(house.submit.work(claimed[0]))
            await until(lambda: _is(len(house.providers["runware"].sent) == 1))

        wire.after["free_slots"] = begin
        claimed += await house.submit.claim(100)
        assert len(claimed) <= CAP
        house.providers["runware"].hold.set()


async def test_a_claim_that_breaks_off_takes_neither_task_nor_place(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool, concurrency=CAP)
    await accepted(house, *[submission() for _ in range(CAP)])
    wire.before["take_slots"] = cut
    with pytest.raises(Unavailable):
        await house.submit.claim(100)
    claimed: list[Task] = []

    async def all_claimed() -> bool:
        # The server may not have noticed yet that the first one hung up: its locks are skipped until then.
        claimed.extend(await house.submit.claim(100))
        return len(claimed) >= CAP

    await until(all_claimed)
    assert len({t.task_uuid for t in claimed}) == len(claimed) == CAP


async def test_what_was_claimed_before_a_claim_broke_off_is_sent(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool, concurrency=CAP)
    await accepted(house, submission(), submission(provider="sync"))
    await house.accounts.ready()

    async def cut_the_next(_conn: object) -> None:
        wire.before["take_turn"] = cut

    wire.after["take_slots"] = cut_the_next
    assert len(await house.submit.claim(100)) == 1
    assert len(await house.submit.claim(100)) == 1


async def test_a_canceled_task_keeps_its_place_until_the_upstream_ended_it(
    house: House, pool: Pool
) -> None:
    names = await accepted(house, *[submission() for _ in range(CAP + 1)])
    await house.send_queued()
    await house.operate.cancel(TENANT, names[0])
    assert await house.submit.claim(10) == []
    await call_back(house, (names[0], said("v1")))
    assert [t.task_uuid for t in await house.submit.claim(10)] == names[-1:]
    assert (await task(pool, names[0])).state is State.CANCELED


async def test_an_unknown_outcome_keeps_its_place_and_try_later_gives_it_back(
    house: House, pool: Pool
) -> None:
    names = await accepted(house, *[submission() for _ in range(CAP + 1)])
    first, second, third = await house.submit.claim(10)
    house.providers["runware"].answers = [
        SubmitUnknown(SILENCE, first.lease_no),
        TryLater(BUSY, second.lease_no),
    ]
    for claimed in (first, second, third):
        await house.submit.work(claimed)
    assert [t.task_uuid for t in await house.submit.claim(10)] == names[-1:]
    assert await _under_way(pool) == 2


async def test_each_provider_has_its_own_cap(house: House) -> None:
    await accepted(house, *[submission() for _ in range(CAP + 1)])
    await accepted(house, *[submission(provider="sync") for _ in range(CAP + 1)])
    claimed = await house.submit.claim(100)
    assert sorted(t.provider for t in claimed) == ["runware"] * CAP + ["sync"] * CAP


async def test_nothing_is_claimed_for_a_provider_that_is_off(pool: Pool) -> None:
    on = make_house(pool)
    await one(on)
    off = make_house(pool, off={"runware": "It has no key."})
    assert await off.submit.claim(10) == []
    assert len(await on.submit.claim(10)) == 1


async def _is(value: bool) -> bool:
    return value


async def _under_way(pool: Pool) -> int:
    found: int = await pool.fetchval(
        "SELECT count(*) FROM callboard.tasks WHERE slot_since IS NOT NULL"
    )
    return found
