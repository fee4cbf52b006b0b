"""Whoever acts on what was true before: workers that wake after minutes, lists that are old, claims that ended."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

import pytest

from service.core.inputs import (
    Accepted,
    Answer,
    ReadNothing,
    Refused,
    Report,
    Source,
    SubmitUnknown,
    TryLater,
)
from service.core.states import CallbackOutcome, State
from service.store.accounts import Name
from service.store.pool import Pool, Record
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    accepted,
    blocked,
    call_back,
    elsewhere,
    one,
    pass_time,
    submission,
    task,
    told,
    until,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BUSY, REFUSAL, SILENCE, poll, video

ALL = ["task.processing", "video.completed", "task.completed"]
RUNNING = Report(Source.POLL, running=True)
DEFAULT = Name(TENANT, "runware", "default")
TAKEN = "SELECT count(*) FROM callboard.slots WHERE task_uuid IS NOT NULL"


async def begun(house: House) -> tuple[UUID, asyncio.Task[None]]:
    """Begin to send one task; its answer comes when the upstream is let go."""
    provider = house.providers["runware"]
    provider.hold.clear()
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)
    sending = asyncio.create_task(house.submit.work(claimed))

    async def left() -> bool:
        return bool(provider.sent)

    await until(left)
    return task_uuid, sending


async def look(house: House, pool: Pool, *readings: Report | ReadNothing, times: int = 1) -> None:
    """Do what is due a minute later, so many times; what a dead sender left is first called unknown, then read."""
    house.providers["runware"].readings = list(readings)
    for _ in range(times):
        await pass_time(pool, 65)
        for claimed in await house.reconcile.claim(5):
            await house.reconcile.work(claimed)


STALE: Mapping[str, Answer] = {
    "refused": Refused(REFUSAL, 1),
    "try later": TryLater(BUSY, 1),
    "unknown": SubmitUnknown(SILENCE, 1),
    "accepted": Accepted(),
}


@pytest.mark.parametrize("answer", STALE)
async def test_an_answer_that_comes_minutes_after_the_takeover_changes_nothing(
    house: House, pool: Pool, answer: str
) -> None:
    other = make_house(pool)
    task_uuid, sending = await begun(house)
    await look(other, pool, RUNNING, times=2)
    await pass_time(pool, 300)
    before = await task(pool, task_uuid)
    assert before.state is State.PROCESSING
    house.providers["runware"].answers = [STALE[answer]]
    house.providers["runware"].hold.set()
    await sending
    assert await task(pool, task_uuid) == before
    assert await pool.fetchval(TAKEN) == 1
    assert other.providers["runware"].sent == []
    await lawful(pool)


@pytest.mark.parametrize("fate", ["dies", "wakes"])
@pytest.mark.parametrize("read_first", [False, True])
async def test_a_callback_for_a_worker_without_an_answer_is_the_one_end_of_one_generation(
    house: House, pool: Pool, fate: str, *, read_first: bool
) -> None:
    other = make_house(pool)
    task_uuid, sending = await begun(house)
    if fate == "dies":
        sending.cancel()
        await asyncio.wait([sending])
    if read_first:
        await look(other, pool, ReadNothing(), times=2)
        assert len(other.providers["runware"].reads) == 1
    call = (task_uuid, said("v1", upstream_id="up-1"))
    assert await call_back(other, call) == [CallbackOutcome.APPLIED]
    before = await task(pool, task_uuid)
    if fate == "wakes":
        house.providers["runware"].answers = [Accepted("up-1")]
        house.providers["runware"].hold.set()
        await sending
    await look(other, pool, times=3)
    assert await other.send_queued() == 0
    assert len(house.providers["runware"].sent + other.providers["runware"].sent) == 1
    after = await task(pool, task_uuid)
    assert (after.state, after.results) == (before.state, before.results)
    assert await told(pool, task_uuid) == ALL
    await lawful(pool)


@pytest.mark.parametrize("during", ["between", "during", "after"])
async def test_a_callback_of_an_earlier_send_is_the_tasks_own(
    house: House, pool: Pool, during: str
) -> None:
    provider = house.providers["runware"]
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)
    provider.answers = [SubmitUnknown(SILENCE, claimed.lease_no, answered=True)]
    await house.submit.work(claimed)
    await look(house, pool, ReadNothing())
    call = (task_uuid, said("v1"))
    if during == "between":
        assert await call_back(house, call) == [CallbackOutcome.APPLIED]
        await look(house, pool)
        assert len(provider.sent) == 1
    else:
        provider.hold.clear()
        resending = asyncio.create_task(look(house, pool))

        async def left() -> bool:
            return len(provider.sent) == 2

        await until(left)
        if during == "during":
            assert await call_back(house, call) == [CallbackOutcome.APPLIED]
        provider.hold.set()
        await resending
        outcome = CallbackOutcome.DUPLICATE if during == "during" else CallbackOutcome.APPLIED
        assert await call_back(house, call) == [outcome]
    assert await told(pool, task_uuid) == ALL
    await lawful(pool)


async def canceled(house: House, task_uuid: UUID) -> None:
    await house.operate.cancel(TENANT, task_uuid)


async def called_back(house: House, task_uuid: UUID) -> None:
    await call_back(house, (task_uuid, said("v1")))


async def expired(house: House, _: UUID) -> None:
    await house.reconcile.expire()


MEANWHILE: Mapping[str, tuple[Callable[[House, UUID], Awaitable[None]], list[str]]] = {
    "canceled": (canceled, ["task.canceled"]),
    "called back": (called_back, ALL),
    "expired": (expired, ["video.failed", "task.timed_out"]),
}


@pytest.mark.parametrize("what", MEANWHILE)
async def test_a_list_of_what_was_never_sent_is_looked_at_again_under_the_lock(
    pool: Pool, what: str
) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    task_uuid = await one(other, start_within_s=20)
    await pass_time(pool, 21)
    act, expected = MEANWHILE[what]

    async def meanwhile(_conn: object) -> None:
        await act(other, task_uuid)

    wire.after["list_never_started"] = meanwhile
    await house.reconcile.expire()
    assert await told(pool, task_uuid) == expected
    await lawful(pool)


async def test_a_deadline_falls_once_under_many_processes(pool: Pool) -> None:
    houses = [make_house(pool) for _ in range(4)]
    late = await accepted(houses[0], *[submission(start_within_s=20) for _ in range(5)])
    await pass_time(pool, 21)
    await asyncio.gather(*[h.reconcile.expire() for h in houses])
    for task_uuid in late:
        assert await told(pool, task_uuid) == ["video.failed", "task.timed_out"]
    await lawful(pool)


async def test_a_pause_that_is_being_written_wins_over_a_claim(pool: Pool, dsn: str) -> None:
    house = make_house(pool)
    await one(house)
    await house.accounts.ready()
    async with elsewhere(dsn) as other:
        await other.execute("UPDATE callboard.accounts SET held_for = 'Stop.'")
        assert await house.submit.claim(10) == []
        await other.execute("COMMIT")
    assert await house.submit.claim(10) == []


async def test_a_pause_waits_for_the_claim_that_looked_before_it_and_then_holds(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool, concurrency=1), make_house(pool)
    await accepted(house, submission(), submission())
    await house.accounts.ready()
    pausing: list[asyncio.Task[Record]] = []

    async def pause(_conn: object) -> None:
        pausing.append(asyncio.create_task(other.accounts.hold(DEFAULT, "Stop.")))
        await blocked(pool)

    wire.after["take_turn"] = pause
    claimed = await house.submit.claim(10)
    await pausing[0]
    assert len(claimed) == 1
    await house.submit.release(claimed)
    assert await house.submit.claim(10) == []


async def test_a_stale_release_takes_no_place_from_who_claimed_after_it(pool: Pool) -> None:
    house, other = make_house(pool, concurrency=1), make_house(pool, concurrency=1)
    await accepted(house, submission(), submission())
    stale = await house.submit.claim(10)
    await pass_time(pool, 61)
    (present,) = await other.submit.claim(10)
    assert [t.task_uuid for t in stale] == [present.task_uuid]
    await house.submit.release(stale)
    assert await pool.fetchval(TAKEN) == 1
    assert await house.submit.claim(10) == []
    await other.submit.work(present)
    assert await house.submit.claim(10) == []
    await lawful(pool)


async def test_a_place_comes_back_once_however_often_the_end_is_told(pool: Pool) -> None:
    house = make_house(pool, concurrency=1)
    first, second = await accepted(house, submission(), submission())
    await house.send_queued()
    await house.operate.cancel(TENANT, first)
    await call_back(house, (first, said("v1")))
    assert await house.send_queued() == 1
    await call_back(house, (first, said("v1")))
    await call_back(house, (first, said("v2")))
    await house.tell(first, poll(video()))
    held = await pool.fetch("SELECT task_uuid FROM callboard.slots WHERE task_uuid IS NOT NULL")
    assert [r["task_uuid"] for r in held] == [second]
    await lawful(pool)
