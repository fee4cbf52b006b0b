"""Beats keep the leases of long reads, tell what was lost, and never move a task."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from service.core.inputs import Reading as CoreReading
from service.core.inputs import ReadNothing, Report, Source
from service.core.states import State
from service.core.task import FirstSend, Task
from service.flows.heartbeat import Fitness, Heartbeat, Held
from service.flows.reconcile import Reconcile
from service.store.pool import Pool
from service.store.workers import Worker
from tests.support.fakes import FakeProvider
from tests.support.flows import Wire, elsewhere, pass_time, processing, settle_in, task
from tests.support.house import WORKER, House
from tests.support.stored import lawful
from tests.support.tasks import video
from tests.support.virtual_time import in_no_time

LEASE_S = 60.0
ME = Worker(WORKER, "boot/1/here", "here", 4711, 99, ("submit",), "1")


def heart(pool: Pool, held: Held) -> Heartbeat:
    return Heartbeat(pool, ME, Fitness(LEASE_S / 2), held, lease_s=LEASE_S)


class Slow(FakeProvider):
    """An upstream whose reads take as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.says: CoreReading = ReadNothing()

    async def read(self, task: Task, send: FirstSend) -> CoreReading:
        self.asked.set()
        await self.go.wait()
        return self.says


class Reading:
    """A read that is under way, with the leases that beats keep."""

    def __init__(self, house: House) -> None:
        self.held = Held()
        self.slow = Slow()
        settle_in(house, self.slow)
        self.reconcile = Reconcile(
            house.pool,
            house.apply,
            house.submit,
            house.upstreams,
            house.accounts,
            worker=WORKER,
            lease_s=LEASE_S,
            held=self.held,
        )
        self.under_way: asyncio.Task[None] | None = None

    async def begin(self) -> UUID:
        (claimed,) = await self.reconcile.claim(10)
        self.under_way = asyncio.create_task(self.reconcile.work(claimed))
        await self.slow.asked.wait()
        return claimed[0].task_uuid

    async def end(self) -> None:
        self.slow.go.set()
        assert self.under_way is not None
        await self.under_way


async def overdue(house: House, pool: Pool) -> UUID:
    task_uuid = await processing(house)
    await pass_time(pool, 600)
    return task_uuid


async def test_beats_keep_the_lease_of_a_read_that_is_longer_than_it(
    house: House, pool: Pool
) -> None:
    await overdue(house, pool)
    reading = Reading(house)
    task_uuid = await reading.begin()
    for _ in range(3):
        await pass_time(pool, 0.7 * LEASE_S)
        assert await heart(pool, reading.held).beat() == 1
        assert await house.reconcile.claim(10) == []
    await reading.end()
    assert (await task(pool, task_uuid)).polls == 1
    assert reading.held.leases() == []
    await lawful(pool)


async def test_what_was_lost_is_told_and_a_read_that_found_nothing_is_dropped_then(
    house: House, pool: Pool
) -> None:
    await overdue(house, pool)
    reading = Reading(house)
    task_uuid = await reading.begin()
    await pass_time(pool, 2 * LEASE_S)
    assert len(await house.reconcile.claim(10)) == 1
    before = await task(pool, task_uuid)
    assert await heart(pool, reading.held).beat() == 0
    assert reading.held.leases() == []
    await reading.end()
    assert await task(pool, task_uuid) == before


async def test_what_a_read_did_find_counts_also_when_its_lease_was_lost(
    house: House, pool: Pool
) -> None:
    await overdue(house, pool)
    reading = Reading(house)
    reading.slow.says = Report(Source.POLL, videos=(video(),))
    task_uuid = await reading.begin()
    await pass_time(pool, 2 * LEASE_S)
    await house.reconcile.claim(10)
    await heart(pool, reading.held).beat()
    await reading.end()
    assert (await task(pool, task_uuid)).state is State.COMPLETED
    await lawful(pool)


def test_what_nothing_kept_for_a_whole_lease_counts_as_lost() -> None:
    async def main() -> list[bool]:
        held, loop = Held(), asyncio.get_running_loop()
        with held.keep(kept := (uuid4(), 1)), held.keep(other := (uuid4(), 1)):
            await asyncio.sleep(40)
            held.beaten([kept], (), loop.time())
            await asyncio.sleep(40)
            return [held.lost(lease, LEASE_S) for lease in (kept, other)]

    assert in_no_time(main()) == [False, True]


async def test_a_beat_never_moves_a_task(house: House, pool: Pool) -> None:
    held = Held()
    await overdue(house, pool)
    ((claimed, _),) = await house.reconcile.claim(10)
    before = dict((await pool.fetch("SELECT * FROM callboard.tasks"))[0])
    with held.keep((claimed.task_uuid, claimed.lease_no)):
        await heart(pool, held).beat()
    after = dict((await pool.fetch("SELECT * FROM callboard.tasks"))[0])
    assert after.pop("lease_until") > before.pop("lease_until")
    assert after == before
    assert await pool.fetchval("SELECT count(*) FROM callboard.history WHERE kind = 'read'") == 0


async def test_a_send_that_is_under_way_is_kept_no_longer(house: House, pool: Pool) -> None:
    house.providers["runware"].hold.clear()
    submission = asyncio.create_task(processing(house))
    while not house.providers["runware"].sent:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    (row,) = await pool.fetch("SELECT * FROM callboard.tasks")
    held = Held()
    with held.keep((row["task_uuid"], row["lease_no"])):
        assert await heart(pool, held).beat() == 1
    (after,) = await pool.fetch("SELECT * FROM callboard.tasks")
    assert after["lease_until"] == row["lease_until"] == row["look_again_at"]
    house.providers["runware"].hold.set()
    assert (await task(pool, await submission)).state is State.PROCESSING


async def test_a_beat_waits_for_no_lock_and_loses_nothing_by_it(
    house: House, pool: Pool, dsn: str
) -> None:
    held = Held()
    await overdue(house, pool)
    ((claimed, _),) = await house.reconcile.claim(10)
    lease = (claimed.task_uuid, claimed.lease_no)
    with held.keep(lease), held.keep((uuid4(), 1)):
        async with elsewhere(dsn) as other:
            await other.execute("SELECT FROM callboard.tasks FOR NO KEY UPDATE")
            await heart(pool, held).beat()
        assert held.leases() == [lease]


def _only(conn: object) -> object:
    """Lend one connection, in whose transaction the counts are those of the test alone."""

    @asynccontextmanager
    async def acquire(*, timeout: float | None = None) -> AsyncIterator[object]:  # noqa: ASYNC109 - asyncpg's own
        yield conn

    return acquire


async def test_beats_are_hot(house: House, pool: Pool) -> None:
    held = Held()
    await overdue(house, pool)
    ((claimed, _),) = await house.reconcile.claim(10)
    heartbeat = heart(pool, held)
    await heartbeat.beat()
    count = (
        "SELECT relname, pg_stat_get_xact_tuples_updated(oid), pg_stat_get_xact_tuples_hot_updated(oid)"
        " FROM pg_class WHERE oid = ANY ('{callboard.tasks, callboard.workers}'::regclass[])"
    )
    async with pool.acquire() as conn:
        await conn.execute("BEGIN")
        before = {r[0]: (r[1], r[2]) for r in await conn.fetch(count)}
        with held.keep((claimed.task_uuid, claimed.lease_no)):
            wire = Wire(pool)
            wire.acquire = _only(conn)  # type: ignore[method-assign,assignment]
            for _ in range(5):
                await heart(wire.pool, held).beat()
        after = {r[0]: (r[1], r[2]) for r in await conn.fetch(count)}
        await conn.execute("ROLLBACK")
    for table in ("tasks", "workers"):
        assert [a - b for a, b in zip(after[table], before[table], strict=True)] == [5, 5]
    await heartbeat.leave()
