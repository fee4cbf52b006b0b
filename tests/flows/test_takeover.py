"""What a dead process left goes on at once; what a living one holds is left alone."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from service.bootstrap import host
from service.clock import SystemDice
from service.core.decide import Step
from service.core.inputs import Answer, ReadNothing
from service.core.states import State
from service.core.task import FirstSend, Task
from service.flows.takeover import Taken, Takeover
from service.store import workers
from service.store.pool import Pool
from service.store.workers import Worker
from tests.support.fakes import FakeProvider
from tests.support.flows import one, pass_time, processing, settle_in, subscribed, task, until
from tests.support.house import WORKER, House
from tests.support.stored import lawful

HOST = "boot/1/here"
DEAD = Worker(WORKER, HOST, "here", 4711, 99, (), "1")
ME = Worker(UUID(int=7), HOST, "here", 4712, 100, (), "1")


async def take_over(pool: Pool, *, me: Worker = ME) -> Taken:
    """Start a process to which all others are dead."""
    return await Takeover(pool, me, lambda _: True).run_once()


@pytest.fixture(autouse=True)
async def _known(pool: Pool) -> None:
    await pool.execute("DELETE FROM callboard.workers")
    async with pool.acquire() as conn:
        await workers.beat(conn, DEAD)


class Deaf(FakeProvider):
    """An upstream whose caller dies before it hears the answer."""

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        self.sent.append(send)
        raise ProcessLookupError


async def test_what_was_claimed_and_not_sent_is_sent_at_once(house: House, pool: Pool) -> None:
    task_uuid = await one(house)
    await house.submit.claim(10)
    assert await house.submit.claim(10) == []
    assert await take_over(pool) == Taken(workers=1, tasks=1)
    assert await house.send_queued() == 1
    assert (await task(pool, task_uuid)).state is State.PROCESSING
    await lawful(pool)


async def test_what_was_being_sent_is_of_unknown_outcome_at_once_and_is_not_sent_again_early(
    house: House, pool: Pool
) -> None:
    deaf = Deaf()
    settle_in(house, deaf)
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(10)
    with pytest.raises(ProcessLookupError):
        await house.submit.work(claimed)
    sent = await task(pool, task_uuid)
    assert await house.reconcile.claim(10) == []
    assert await take_over(pool) == Taken(workers=1, sends=1)
    ((due, step),) = await house.reconcile.claim(10)
    assert step is Step.TICK
    await house.reconcile.work((due, step))
    unknown = await task(pool, task_uuid)
    assert (unknown.state, unknown.unknown) == (State.SUBMITTING, True)
    policy = house.apply.policy("runware")
    assert sent.sent_at is not None
    assert unknown.resend_at == sent.sent_at + policy.call_limit + policy.resend_margin
    deaf.readings = [ReadNothing()]
    await pass_time(pool, policy.unknown_read_after.total_seconds() + 1)
    ((due, step),) = await house.reconcile.claim(10)
    assert step is Step.READ
    await house.reconcile.work((due, step))
    assert len(deaf.sent) == 1
    await lawful(pool)


async def test_a_read_that_was_under_way_is_made_again_at_once(house: House, pool: Pool) -> None:
    await processing(house)
    await pass_time(pool, 600)
    await house.reconcile.claim(10)
    assert await house.reconcile.claim(10) == []
    assert await take_over(pool) == Taken(workers=1, tasks=1)
    assert len(await house.reconcile.claim(10)) == 1


async def test_a_delivery_that_was_under_way_is_made_again_at_once(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await processing(house)
    house.deliver._worker = WORKER
    await house.deliver.claim(10)
    assert await house.deliver.claim(10) == []
    assert await take_over(pool) == Taken(workers=1, deliveries=1)
    assert await house.deliver_due() == 1


async def test_what_other_hosts_and_the_living_hold_is_left_alone(house: House, pool: Pool) -> None:
    await one(house)
    await house.submit.claim(10)
    assert await take_over(pool, me=replace(ME, host="boot/2/there")) == Taken()
    assert await take_over(pool, me=replace(ME, host=None)) == Taken()
    assert await take_over(pool, me=DEAD) == Taken()
    assert await Takeover(pool, ME, lambda _: False).run_once() == Taken()
    assert await house.submit.claim(10) == []


async def test_of_two_that_start_at_once_one_takes_over(house: House, pool: Pool) -> None:
    await one(house)
    await house.submit.claim(10)
    both = await asyncio.gather(take_over(pool), take_over(pool))
    assert sorted(both, key=lambda t: t.workers) == [Taken(), Taken(workers=1, tasks=1)]


async def test_what_is_taken_over_of_a_living_process_it_does_not_send(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(10)
    await take_over(pool)
    await house.submit.work(claimed)
    assert house.providers["runware"].sent == []
    assert (await task(pool, task_uuid)).state is State.QUEUED


async def test_a_drain_gives_back_looks_that_were_not_made(house: House, pool: Pool) -> None:
    await processing(house)
    await pass_time(pool, 600)
    claimed = await house.reconcile.claim(10)
    await house.reconcile.release(claimed)
    assert len(await house.reconcile.claim(10)) == 1
    # What somebody else has by now is theirs.
    await house.reconcile.release(claimed)
    assert await house.reconcile.claim(10) == []


async def test_a_drain_gives_back_deliveries_that_were_not_sent_and_that_was_no_attempt(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await processing(house)
    claimed = await house.deliver.claim(10)
    await house.deliver.release(claimed)
    assert not house.deliver._under_way
    assert await pool.fetchval("SELECT attempts FROM callboard.deliveries") == 0
    assert len(await house.deliver.claim(10)) == 1
    await house.deliver.release(claimed)
    assert await house.deliver.claim(10) == []


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """Run another process."""
    running = subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE)
    yield running
    running.kill()
    running.communicate()


def of(pid: int) -> Worker:
    """Say who a process is, as it would itself."""
    return Worker(uuid4(), host.identity(), "here", pid, host.started(pid), (), "1")


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has /proc")


@linux
async def test_a_living_and_a_frozen_process_are_not_dead_and_a_killed_one_is(
    child: subprocess.Popen[bytes],
) -> None:
    worker = of(child.pid)
    assert worker.process_start is not None
    assert not host.is_dead(worker)
    os.kill(child.pid, signal.SIGSTOP)
    assert not host.is_dead(worker)
    child.kill()

    async def a_zombie() -> bool:
        return host.started(child.pid) is None

    await until(a_zombie)
    assert host.is_dead(worker)
    child.wait(10)
    assert host.is_dead(worker)


@linux
def test_a_pid_that_was_given_anew_is_another_process(child: subprocess.Popen[bytes]) -> None:
    worker = of(child.pid)
    assert worker.process_start is not None
    assert host.is_dead(replace(worker, process_start=worker.process_start - 1))


@linux
def test_in_doubt_a_process_is_not_dead() -> None:
    gone = replace(of(os.getpid()), pid=2**22 + 1)
    assert host.is_dead(gone)
    assert not host.is_dead(replace(gone, host="another/boot/here"))
    assert not host.is_dead(replace(gone, host=None))
    assert not host.is_dead(replace(gone, process_start=None))
    assert not host.is_dead(host.myself(SystemDice(), ("api",)))


def test_where_nothing_tells_there_is_no_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(host, "PROC", tmp_path)
    assert host.myself(SystemDice(), ()).host is None
