"""`CALLBACK_CONFIRM`: callbacks that anybody may have sent count only once the upstream says the same."""

import pytest

from service.core.fault import Fault
from service.core.inputs import ReadNothing, Report, Source
from service.core.states import CallbackOutcome as Outcome
from service.core.states import State
from service.core.task import Video
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import call_back, processing, task, told
from tests.support.house import House, make_house
from tests.support.stored import lawful

DONE = Report(Source.POLL, videos=(Video("v1", "https://videos.example/v1.mp4"),))
BROKE = Report(Source.POLL, faults=(Fault("broken", "The upstream gave up."),))


@pytest.fixture
def house(pool: Pool) -> House:
    """Put all flows together, with Runware's callbacks confirmed."""
    return make_house(pool, confirm=("runware",))


async def look(house: House) -> int:
    """Do what is due; gives how many tasks."""
    claimed = await house.reconcile.claim(100)
    for each in claimed:
        await house.reconcile.work(each)
    return len(claimed)


async def test_a_success_counts_when_the_poll_that_is_due_at_once_says_it_too(
    house: House, pool: Pool
) -> None:
    name = await processing(house)
    assert await call_back(house, (name, said("v1"))) == [Outcome.APPLIED]
    assert await told(pool, name) == ["task.processing"]
    house.providers["runware"].readings = [DONE]
    assert await look(house) == 1
    assert await told(pool, name) == ["task.processing", "video.completed", "task.completed"]
    assert await call_back(house, (name, said("v1"))) == [Outcome.DUPLICATE]
    await lawful(pool)


async def test_a_forged_success_ends_nothing(house: House, pool: Pool) -> None:
    name = await processing(house)
    await call_back(house, (name, said("forged")))
    house.providers["runware"].readings = [ReadNothing()]
    assert await look(house) == 1
    assert (await task(pool, name)).state is State.PROCESSING
    assert await look(house) == 0


async def test_a_forged_failure_does_not_end_a_paid_task(house: House, pool: Pool) -> None:
    name = await processing(house)
    assert await call_back(house, (name, said(faults=("forged",)))) == [Outcome.APPLIED]
    house.providers["runware"].readings = [DONE]
    await look(house)
    assert (await task(pool, name)).state is State.COMPLETED


async def test_a_true_failure_is_told_by_the_poll(house: House, pool: Pool) -> None:
    name = await processing(house)
    await call_back(house, (name, said(faults=("broken",))))
    house.providers["runware"].readings = [BROKE]
    await look(house)
    assert await told(pool, name) == ["task.processing", "video.failed", "task.failed"]


async def test_a_callback_before_the_submit_answers_is_asked_about_too(
    house: House, pool: Pool
) -> None:
    name = await processing(house, numberResults=2)
    assert await call_back(house, (name, said("v1")), (name, said("v2"))) == [Outcome.APPLIED] * 2
    assert [r.state.value for r in (await task(pool, name)).results] == ["pending", "pending"]


async def test_other_providers_are_believed(house: House, pool: Pool) -> None:
    name = await processing(house, provider="sync")
    assert await call_back(house, (name, said("v1")), provider="sync") == [Outcome.APPLIED]
    assert (await task(pool, name)).state is State.COMPLETED


async def test_a_good_signature_needs_no_confirmation(house: House, pool: Pool) -> None:
    name = await processing(house)
    await call_back(house, (name, said("v1")), sync_signature="good")
    assert (await task(pool, name)).state is State.COMPLETED


async def test_what_waited_in_the_inbox_is_confirmed_all_the_same(house: House, pool: Pool) -> None:
    name = await processing(house)
    async with pool.acquire() as other, other.transaction():
        await other.execute("SELECT FROM callboard.tasks FOR UPDATE")
        assert await call_back(house, (name, said("v1"))) == [Outcome.PENDING]
    assert await house.pending.run_once() == 1
    assert await told(pool, name) == ["task.processing"]
