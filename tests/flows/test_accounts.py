"""Accounts: pauses with one that goes ahead, a rate that all share, several accounts, and why a task waits."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from service.core.errors import Conflict, Invalid, NotFound
from service.core.inputs import Answer, TryLater
from service.core.states import State
from service.store.accounts import Limits, Name
from service.store.pool import Pool
from tests.support.accounts import waiting
from tests.support.fakes import said
from tests.support.flows import TENANT, accepted, call_back, one, pass_time, submission, task
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BUSY

DEFAULT = Name(TENANT, "runware", "default")
SECOND = Name(TENANT, "runware", "second")
BROKE = TryLater(BUSY, 1, account=True)


async def answer_next(house: House, answer: Callable[[int], Answer]) -> UUID:
    """Send one queued task and have it answered."""
    (claimed,) = await house.submit.claim(1)
    house.providers["runware"].answers = [answer(claimed.lease_no)]
    await house.submit.work(claimed)
    return claimed.task_uuid


def at_fault(lease_no: int) -> Answer:
    return TryLater(BUSY, lease_no, account=True)


async def taken(pool: Pool) -> int:
    found: int = await pool.fetchval(
        "SELECT count(*) FROM callboard.slots WHERE task_uuid IS NOT NULL"
    )
    return found


async def test_a_fault_of_the_account_pauses_the_account_and_no_task_of_it_is_sent(
    pool: Pool,
) -> None:
    house = make_house(pool)
    first, second = await accepted(house, submission(), submission())
    assert await answer_next(house, at_fault) == first
    assert await house.submit.claim(10) == []
    assert [await waiting(house, u) for u in (first, second)] == ["account_paused"] * 2
    assert (await task(pool, first)).state is State.QUEUED
    assert await taken(pool) == 0
    row = await house.accounts.show(DEFAULT)
    assert (row["pauses"], json.loads(row["paused_for"])["code"]) == (1, BUSY.code)
    await lawful(pool)


async def test_after_a_pause_one_goes_ahead_and_the_others_follow_when_it_is_taken(
    pool: Pool,
) -> None:
    house = make_house(pool)
    names = await accepted(house, *[submission() for _ in range(4)])
    await answer_next(house, at_fault)
    await pass_time(pool, 400)
    (ahead,) = await house.submit.claim(10)
    assert ahead.task_uuid == names[0]
    assert await house.submit.claim(10) == []
    await house.submit.work(ahead)
    assert (await house.accounts.show(DEFAULT))["pauses"] == 0
    assert [t.task_uuid for t in await house.submit.claim(10)] == names[1:]


async def test_one_that_went_ahead_and_died_lets_another_go_ahead(pool: Pool) -> None:
    house = make_house(pool)
    await accepted(house, *[submission() for _ in range(2)])
    await answer_next(house, at_fault)
    await pass_time(pool, 400)
    assert len(await house.submit.claim(10)) == 1
    await pass_time(pool, 61)
    assert len(await house.submit.claim(10)) == 1


async def test_many_answers_of_one_outage_are_one_pause(pool: Pool) -> None:
    house = make_house(pool)
    await accepted(house, *[submission() for _ in range(5)])
    claimed = await house.submit.claim(10)
    provider = house.providers["runware"]
    provider.answers = [at_fault(t.lease_no) for t in claimed]
    provider.hold.clear()
    async with asyncio.TaskGroup() as group:
        for t in claimed:
            group.create_task(house.submit.work(t))
        while len(provider.sent) < len(claimed):  # noqa: ASYNC110 - no event comes from the fake
            await asyncio.sleep(0)
        provider.hold.set()
    assert (await house.accounts.show(DEFAULT))["pauses"] == 1
    assert await taken(pool) == 0


async def test_an_operator_pauses_and_resumes_whatever_the_upstream_says(pool: Pool) -> None:
    house = make_house(pool)
    held, other = await accepted(house, submission(), submission(provider="sync"))
    await house.accounts.ready()
    assert (await house.accounts.hold(DEFAULT, "The bill is not paid."))["held_for"]
    assert await waiting(house, held) == "account_paused"
    assert [t.task_uuid for t in await house.submit.claim(10)] == [other]
    assert (await house.accounts.resume(DEFAULT))["held_for"] is None
    assert [t.task_uuid for t in await house.submit.claim(10)] == [held]
    with pytest.raises(NotFound):
        await house.accounts.hold(SECOND, "There is none.")


async def test_resuming_ends_the_pause_of_a_fault_too(pool: Pool) -> None:
    house = make_house(pool)
    await accepted(house, submission(), submission())
    await answer_next(house, at_fault)
    await house.accounts.resume(DEFAULT)
    assert len(await house.submit.claim(10)) == 2


async def test_the_rate_is_shared_by_all_processes(pool: Pool) -> None:
    """Twenty a minute: two at once, then one every 3.2 s."""
    first, second = make_house(pool, per_minute=20), make_house(pool, per_minute=20)
    names = await accepted(first, *[submission() for _ in range(10)])
    claimed = [*await first.submit.claim(10), *await second.submit.claim(10)]
    assert [t.task_uuid for t in claimed] == names[:2]
    assert await waiting(first, names[5]) == "rate"
    await pass_time(pool, 10)
    assert len(await second.submit.claim(10)) == 2


async def test_a_task_that_waits_for_a_place_says_so(pool: Pool) -> None:
    house = make_house(pool, concurrency=1)
    first, second = await accepted(house, submission(), submission())
    assert await waiting(house, second) is None
    await house.send_queued()
    assert await waiting(house, second) == "slot"
    await call_back(house, (first, said("v1")))
    assert await waiting(house, second) is None


async def test_tasks_go_by_any_account_unless_they_name_one(pool: Pool) -> None:
    house = make_house(pool, concurrency=1)
    await house.accounts.ready()
    await house.accounts.keep(SECOND, Limits(1), weight=1, key="key-2")
    named = await one(house, account="second")
    free = await accepted(house, submission(), submission())
    claimed = {t.task_uuid: t.account for t in await house.submit.claim(10)}
    assert claimed == {named: "second", free[0]: "default"}
    for t in await house.submit.claim(10):
        raise AssertionError(t)
    assert await waiting(house, free[1]) == "slot"


async def test_while_one_account_is_paused_its_tasks_go_by_the_other(pool: Pool) -> None:
    house = make_house(pool)
    await house.accounts.ready()
    await house.accounts.keep(SECOND, Limits(5), weight=1, key="key-2")
    task_uuid = await one(house)
    named = await one(house, account="second")
    await house.accounts.hold(SECOND, "First the other.")
    assert await answer_next(house, at_fault) == task_uuid
    assert await waiting(house, task_uuid) == "account_paused"
    await house.accounts.resume(SECOND)
    assert await waiting(house, task_uuid) is None
    await house.send_queued()
    for u in (task_uuid, named):
        sent = await task(pool, u)
        assert (sent.state, sent.account) == (State.PROCESSING, "second")
    sends = house.providers["runware"].sent
    assert [(s.account, s.key_hint) for s in sends[1:]] == [("second", "key-2")] * 2


async def test_an_account_that_nobody_knows_is_refused_with_those_that_are_known(
    pool: Pool,
) -> None:
    house = make_house(pool)
    with pytest.raises(Invalid) as caught:
        await one(house, account="third")
    (fault,) = caught.value.errors
    assert fault.pointer == "/0/account"
    assert "default" in fault.detail


async def test_keys_are_kept_sealed_and_another_process_learns_of_them(pool: Pool) -> None:
    house, other = make_house(pool), make_house(pool)
    await house.accounts.keep(SECOND, Limits(5), weight=3, key="a-key-that-is-secret")
    kept = await pool.fetchval(
        "SELECT credentials FROM callboard.accounts WHERE account = 'second'"
    )
    assert b"a-key-that-is-secret" not in kept
    assert other.upstreams["runware"].accounts == ["default"]
    await other.accounts.refresh()
    assert other.upstreams["runware"].accounts == ["default", "second"]
    await house.accounts.remove(SECOND)
    await other.accounts.refresh()
    assert other.upstreams["runware"].accounts == ["default"]


async def test_an_account_is_not_removed_while_tasks_are_upstream_by_it(pool: Pool) -> None:
    house = make_house(pool)
    await house.accounts.keep(SECOND, Limits(5), weight=1, key="key-2")
    task_uuid = await one(house, account="second")
    await house.send_queued()
    with pytest.raises(Conflict):
        await house.accounts.remove(SECOND)
    await call_back(house, (task_uuid, said("v1")))
    await house.accounts.remove(SECOND)
    with pytest.raises(NotFound):
        await house.accounts.show(SECOND)


async def test_fewer_places_than_before_take_nothing_away_and_give_nothing_new(pool: Pool) -> None:
    house = make_house(pool, concurrency=3)
    names = await accepted(house, *[submission() for _ in range(5)])
    await house.send_queued()
    await house.accounts.keep(DEFAULT, Limits(1), weight=None, key=None)
    await call_back(house, *[(u, said(f"v-{u}")) for u in names[1:3]])
    assert await house.submit.claim(10) == []
    await call_back(house, (names[0], said("v-first")))
    assert len(await house.submit.claim(10)) == 1


async def test_weights_share_out_what_comes_one_by_one(pool: Pool) -> None:
    from service.clock import SystemDice  # noqa: PLC0415 - the real ones, for once

    house = make_house(pool, dice=SystemDice())
    await house.accounts.ready()
    await house.accounts.keep(SECOND, Limits(5), weight=4, key="key-2")
    await house.accounts.refresh()
    first = [house.accounts.in_turn()[0] for _ in range(2000)]
    runware = [n.account for n in first if n.provider == "runware"]
    assert runware.count("second") > 2 * runware.count("default")


async def test_a_claim_that_was_never_sent_gives_its_place_back_when_its_lease_ends(
    pool: Pool,
) -> None:
    house = make_house(pool, concurrency=1)
    names = await accepted(house, submission(), submission(priority=5))
    (claimed,) = await house.submit.claim(10)
    assert claimed.task_uuid == names[1]
    await house.operate.cancel(TENANT, claimed.task_uuid)
    assert await taken(pool) == 0
    assert [t.task_uuid for t in await house.submit.claim(10)] == names[:1]
    await pass_time(pool, 61)
    assert [t.task_uuid for t in await house.submit.claim(10)] == names[:1]
    assert await taken(pool) == 1


async def test_a_claim_by_another_account_gives_up_the_place_of_the_first(pool: Pool) -> None:
    house = make_house(pool)
    await house.accounts.keep(SECOND, Limits(5), weight=1, key="key-2")
    task_uuid = await one(house)
    assert [t.account for t in await house.submit.claim(10)] == ["default"]
    await pass_time(pool, 61)
    await house.accounts.ready()
    await house.accounts.hold(DEFAULT, "Now the other.")
    assert [t.account for t in await house.submit.claim(10)] == ["second"]
    rows = await pool.fetch(
        "SELECT account, task_uuid FROM callboard.slots WHERE task_uuid IS NOT NULL"
    )
    assert [tuple(r) for r in rows] == [("second", task_uuid)]


async def test_reads_take_turns_and_one_whose_turn_is_far_off_is_left(pool: Pool) -> None:
    house = make_house(pool, reads_per_minute=20)
    await house.accounts.ready()
    sent = await task(pool, await one(house))
    assert [await house.accounts.read_turn(sent) for _ in range(2)] == [True, True]
    ahead = timedelta(minutes=1)
    await pool.execute("UPDATE callboard.accounts SET read_at = read_at + $1", ahead)
    assert not await house.accounts.read_turn(sent)
