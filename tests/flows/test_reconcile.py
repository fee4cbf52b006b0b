"""Asking the upstream: what is lost is found, what fails changes nothing, and time ends the rest."""

from uuid import UUID

import pytest

from service.core.inputs import ReadFailed, Reading, ReadNothing, Report, Source, SubmitUnknown
from service.core.states import State
from service.core.task import FirstSend, Task, Video
from service.store.pool import Pool
from tests.support.fakes import FakeProvider
from tests.support.flows import (
    TENANT,
    Wire,
    accepted,
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
from tests.support.tasks import BUSY, SILENCE

ALL = ["task.processing", "video.completed", "task.completed"]
DONE = Report(Source.POLL, videos=(Video("v1", "https://videos.example/v1.mp4"),))
RUNNING = Report(Source.POLL, running=True)


async def look(house: House, *readings: Reading) -> int:
    """Do once what is due; gives how many tasks were."""
    house.providers["runware"].readings = list(readings)
    claimed = await house.reconcile.claim(10)
    for piece in claimed:
        await house.reconcile.work(piece)
    return len(claimed)


async def code(pool: Pool, task_uuid: UUID) -> tuple[State, str | None]:
    """Give the state of a task, and why."""
    found = await task(pool, task_uuid)
    return found.state, found.error.code if found.error else None


async def test_a_lost_callback_is_found_by_a_poll(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 50)
    assert await look(house, DONE) == 0
    await pass_time(pool, 20)
    assert await look(house, DONE) == 1
    assert await told(pool, task_uuid) == ALL
    assert (await task(pool, task_uuid)).look_again_at is None
    await lawful(pool)


async def test_a_poll_is_made_with_the_bytes_that_were_sent(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 70)
    await look(house, RUNNING)
    ((read_of, send),) = house.providers["runware"].reads
    assert read_of == task_uuid
    assert send == house.providers["runware"].sent[0]


async def test_polls_back_off_while_it_still_runs(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    waits = []
    for _ in range(4):
        await pass_time(pool, 601)
        assert await look(house, RUNNING) == 1
        found = await task(pool, task_uuid)
        now = await pool.fetchval("SELECT clock_timestamp()")
        assert found.look_again_at is not None
        assert found.lease_until is None
        waits.append((found.look_again_at - now).total_seconds())
    assert waits == sorted(waits)
    assert waits[-1] > waits[0] * 2
    assert await told(pool, task_uuid) == ["task.processing"]


async def test_a_failed_read_never_fails_a_task(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    for _ in range(5):
        await pass_time(pool, 601)
        assert await look(house, ReadFailed(BUSY)) == 1
        assert (await task(pool, task_uuid)).state is State.PROCESSING
    await look(house)
    await pass_time(pool, 601)
    await look(house, DONE)
    assert await told(pool, task_uuid) == ALL


async def test_a_read_that_breaks_its_word_and_raises_is_a_failed_read(
    house: House, pool: Pool
) -> None:
    class Broken(FakeProvider):
        async def read(self, task: Task, send: FirstSend) -> Reading:
            raise RuntimeError(task.task_uuid, send.url)

    settle_in(house, Broken())
    task_uuid = await processing(house)
    await pass_time(pool, 70)
    assert await look(house) == 1
    found = await task(pool, task_uuid)
    assert (found.state, found.lease_until, found.polls) == (State.PROCESSING, None, 1)


async def test_at_the_deadline_a_last_poll_still_brings_the_video(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 3700)
    assert await look(house, DONE) == 1
    assert await told(pool, task_uuid) == ALL


async def test_at_the_deadline_a_task_that_still_runs_has_timed_out_and_is_watched(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 3700)
    assert await look(house, RUNNING) == 1
    assert await code(pool, task_uuid) == (State.TIMED_OUT, "deadline")
    assert await told(pool, task_uuid) == ["task.processing", "video.failed", "task.timed_out"]
    found = await task(pool, task_uuid)
    assert found.slot_since is not None
    assert found.look_again_at is not None
    await lawful(pool)


async def test_an_upstream_that_does_not_answer_in_the_grace_ends_the_task_all_the_same(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 3601)
    assert await look(house, ReadFailed(BUSY)) == 1
    assert (await task(pool, task_uuid)).state is State.PROCESSING
    await pass_time(pool, 300)
    assert await look(house, ReadFailed(BUSY)) == 1
    assert await code(pool, task_uuid) == (State.TIMED_OUT, "upstream_unreachable")
    await lawful(pool)


async def test_a_task_never_sent_in_time_ends_without_a_call(house: House, pool: Pool) -> None:
    late, fine = await accepted(house, submission(start_within_s=20), submission())
    assert await house.reconcile.expire() == 0
    await pass_time(pool, 21)
    assert await house.reconcile.expire() == 1
    assert await house.reconcile.expire() == 0
    assert await code(pool, late) == (State.TIMED_OUT, "never_started")
    assert (await task(pool, fine)).state is State.QUEUED
    assert house.providers["runware"].sent == []
    await lawful(pool)


async def test_a_canceled_task_is_watched_until_the_upstream_ended_it(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await house.operate.cancel(TENANT, task_uuid)
    for _ in range(3):
        await pass_time(pool, 601)
        assert await look(house, RUNNING) == 1
        assert (await task(pool, task_uuid)).slot_since is not None
    await pass_time(pool, 601)
    assert await look(house, DONE) == 1
    found = await task(pool, task_uuid)
    assert (found.state, found.slot_since, found.look_again_at) == (State.CANCELED, None, None)
    assert await told(pool, task_uuid) == ["task.processing", "task.canceled", "video.late"]
    await lawful(pool)


async def test_a_place_is_not_held_longer_than_its_time(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    await house.operate.cancel(TENANT, task_uuid)
    await pass_time(pool, 86_400)
    assert await look(house) == 1
    found = await task(pool, task_uuid)
    assert (found.slot_since, found.look_again_at, found.lease_until) == (None, None, None)
    assert house.providers["runware"].reads == []


async def test_what_one_process_looks_at_another_leaves_alone(house: House, pool: Pool) -> None:
    await processing(house)
    await processing(house)
    await pass_time(pool, 70)
    other = make_house(pool)
    assert len(await house.reconcile.claim(1)) == 1
    assert len(await other.reconcile.claim(10)) == 1
    assert await other.reconcile.claim(10) == []
    await pass_time(pool, 61)
    assert len(await other.reconcile.claim(10)) == 2


async def test_an_unknown_submit_is_sent_again_only_after_a_read_that_found_nothing(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    await _unknown(house)
    provider = house.providers["runware"]
    for reading in (ReadFailed(BUSY), ReadFailed(BUSY)):
        await pass_time(pool, 60)
        assert await look(house, reading) == 1
        assert len(provider.sent) == 1
    await pass_time(pool, 60)
    assert await look(house, ReadNothing()) == 1
    assert len(provider.sent) == 1
    await pass_time(pool, 60)
    assert await look(house) == 1
    assert len(provider.sent) == 2
    assert (await task(pool, task_uuid)).state is State.PROCESSING
    await lawful(pool)


async def test_an_unknown_submit_that_is_read_is_not_sent_again(house: House, pool: Pool) -> None:
    task_uuid = await one(house)
    await _unknown(house)
    await pass_time(pool, 60)
    assert await look(house, DONE) == 1
    assert len(house.providers["runware"].sent) == 1
    assert await told(pool, task_uuid) == ALL


async def test_past_the_resend_window_it_is_only_read_and_ends_as_unknown(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    await _unknown(house)
    await pass_time(pool, 601)
    for _ in range(3):
        assert await look(house, ReadNothing()) == 1
        await pass_time(pool, 601)
    await pass_time(pool, 3600)
    await look(house, ReadNothing())
    assert await code(pool, task_uuid) == (State.TIMED_OUT, "submit_unknown")
    assert len(house.providers["runware"].sent) == 1
    await lawful(pool)


async def test_nothing_is_sent_again_to_a_provider_that_was_turned_off(pool: Pool) -> None:
    on = make_house(pool)
    task_uuid = await one(on)
    await _unknown(on)
    await pass_time(pool, 60)
    await look(on, ReadNothing())
    off = make_house(pool, off={"runware": "It has no key."})
    for _ in range(3):
        await pass_time(pool, 60)
        assert await look(off) == 1
    assert off.providers["runware"].sent == []
    assert off.providers["runware"].reads == []
    assert (await task(pool, task_uuid)).state is State.SUBMITTING
    await pass_time(pool, 4000)
    await look(off)
    assert (await task(pool, task_uuid)).final
    await lawful(pool)


async def test_a_resend_from_a_stale_claim_is_refused(house: House, pool: Pool) -> None:
    await one(house)
    await _unknown(house)
    await pass_time(pool, 60)
    await look(house, ReadNothing())
    await pass_time(pool, 60)
    (stale,) = await house.reconcile.claim(5)
    await pass_time(pool, 61)
    assert await look(house) == 1
    await house.reconcile.work(stale)
    assert len(house.providers["runware"].sent) == 2
    await lawful(pool)


@pytest.mark.parametrize("reading", [RUNNING, DONE, ReadNothing(), ReadFailed(BUSY)])
async def test_a_read_is_on_the_timeline(house: House, pool: Pool, reading: Reading) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 70)
    await look(house, reading)
    rows = (await house.look.timeline(TENANT, task_uuid, None, 50)).items
    assert [r["name"] for r in rows if r["kind"] == "upstream"] == ["submit", "read"]


async def test_one_task_that_cannot_be_expired_holds_up_no_other(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    sick, *well = await accepted(house, *[submission(start_within_s=20) for _ in range(3)])
    await pool.execute("DELETE FROM callboard.task_payloads WHERE task_uuid = $1", sick)
    await pass_time(pool, 21)
    await house.reconcile.expire()
    assert {(await task(pool, u)).state for u in well} == {State.TIMED_OUT}


async def _unknown(house: House) -> None:
    """Send what is queued, and let the answer be a 5xx."""
    (claimed,) = await house.submit.claim(5)
    answer = SubmitUnknown(SILENCE, claimed.lease_no, answered=True)
    house.providers["runware"].answers = [answer]
    await house.submit.work(claimed)
