"""Cancel of a whole batch, in chunks; and storing one while its names are being taken."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Unavailable
from service.core.inputs import Accepted, Report, SendStarted, Source
from service.flows import operate
from service.store.pool import Pool
from tests.support.batches import gathered, tasks_of
from tests.support.flows import TENANT, Wire, blocked, cut, elsewhere, submission
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import video

DONE = Report(Source.POLL, videos=(video(),))


async def counts(house: House, batch: UUID) -> dict[str, int]:
    """Say how many tasks are in each state that any is in."""
    view: Any = await house.look.batch(TENANT, batch)
    return {state: n for state, n in view["counts"].items() if n}


async def test_a_cancel_ends_what_is_open_in_chunks_and_leaves_the_rest(
    house: House, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operate, "CANCEL_CHUNK", 2)
    batch = await gathered(house, *[submission()] * 7)
    names = await tasks_of(pool, batch)
    await house.tell(names[0], DONE)
    (claimed,) = [t for t in await house.submit.claim(7) if t.task_uuid == names[1]]
    await house.tell(claimed.task_uuid, SendStarted(claimed.lease_no))
    await house.tell(claimed.task_uuid, Accepted("up-1"))
    view = await house.operate.cancel_batch(TENANT, batch)

    assert view["canceledNow"] == 6
    assert (await house.operate.cancel_batch(TENANT, batch))["canceledNow"] == 0
    # What runs upstream keeps its place until it is known to have ended, as with a single cancel.
    held = "SELECT task_uuid FROM callboard.tasks WHERE slot_since IS NOT NULL"
    assert await pool.fetchval(held) == names[1]
    assert await house.conclude.run_once() == 1
    assert await counts(house, batch) == {"completed": 1, "canceled": 6}
    await lawful(pool)


async def test_a_cancel_that_is_cut_off_goes_on_when_it_is_asked_again(
    house: House, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operate, "CANCEL_CHUNK", 2)
    batch = await gathered(house, *[submission()] * 5)
    wire = Wire(pool)

    async def second_chunk(_conn: object) -> None:
        async def gone(conn: Any) -> None:
            wire.down = True
            await cut(conn)

        wire.before["open_tasks_of_batch"] = gone

    wire.after["open_tasks_of_batch"] = second_chunk
    with pytest.raises(Unavailable):
        await make_house(wire.pool).operate.cancel_batch(TENANT, batch)
    assert await counts(house, batch) == {"canceled": 2, "queued": 3}
    assert (await house.operate.cancel_batch(TENANT, batch))["canceledNow"] == 3


async def test_a_task_that_ends_while_its_batch_is_canceled_stays_as_it_ended(
    house: House, pool: Pool
) -> None:
    batch = await gathered(house, *[submission()] * 2)
    names = await tasks_of(pool, batch)
    wire = Wire(pool)

    async def ends(_conn: object) -> None:
        await house.tell(names[0], DONE)

    wire.before["lock_tasks"] = ends
    view = await make_house(wire.pool).operate.cancel_batch(TENANT, batch)
    assert view["canceledNow"] == 1
    assert await counts(house, batch) == {"completed": 1, "canceled": 1}


async def test_a_batch_whose_names_are_being_taken_is_stored_or_refused_as_a_whole(
    house: House, pool: Pool, dsn: str
) -> None:
    taken = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")
    rival = make_house(pool)
    (new,) = rival.accept.check([submission(task_uuid=taken)], many=False)
    async with elsewhere(dsn) as conn:
        await rival.accept.insert(conn, TENANT, [new], many=False)
        storing = asyncio.create_task(
            gathered(house, submission(), submission(task_uuid=taken), submission())
        )
        await blocked(pool)
        await conn.execute("ROLLBACK")
        batch = await storing
    assert len(await tasks_of(pool, batch)) == 3
