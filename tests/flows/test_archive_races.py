"""Kept videos when things go wrong in the middle: rivals, lost leases, dead processes, erased tasks, full retention."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Unavailable
from service.core.fault import Fault, FaultKind
from service.core.media import ArchiveState, folder
from service.flows.archive import Keeping
from service.flows.takeover import Taken, Takeover
from service.ports import PlaceError
from service.store import workers
from service.store.pool import Pool
from service.store.workers import Worker
from tests.support.archiving import Keep, archiving_of, make_keep
from tests.support.erasure import left_of, places_of
from tests.support.flows import TENANT, Wire, pass_time, task, told
from tests.support.house import WORKER, House
from tests.support.stored import lawful

FAULT = Fault("not_writable", "Nobody may write there.", FaultKind.TRANSIENT)
ARCHIVED = ["task.processing", "video.completed", "task.completed", "video.archived"]


@pytest.fixture
async def keep(house: House, tmp_path: Path) -> AsyncIterator[Keep]:
    made = make_keep(house, tmp_path / "media")
    yield made
    await made.places.close()


async def arrived(keep: Keep, **archive: Any) -> UUID:
    """Have the video of a task come."""
    task_uuid = await keep.task(**archive)
    await keep.done(task_uuid)
    return task_uuid


async def test_of_two_processes_one_fetches(keep: Keep, pool: Pool) -> None:
    names = [await arrived(keep) for _ in range(6)]
    claims = await asyncio.gather(*(keep.another().claim(4) for _ in range(3)))
    claimed = [c.task_uuid for claim in claims for c in claim]
    assert sorted(claimed) == sorted(names)


async def test_a_claim_that_was_given_back_is_anybodys(keep: Keep) -> None:
    task_uuid = await arrived(keep)
    claimed = await keep.archiving.claim(5)
    assert await keep.archiving.claim(5) == []
    await keep.archiving.release(claimed)
    assert await keep.run() == 1
    assert (await keep.row(task_uuid))["attempts"] == 1


async def test_what_a_drain_cut_off_is_anybodys_and_what_others_are_at_stays_theirs(
    keep: Keep, pool: Pool
) -> None:
    for _ in range(2):
        await arrived(keep)
    other = keep.another(worker=UUID(int=7))
    (mine,) = await keep.archiving.claim(1)
    (theirs,) = await other.claim(1)
    await keep.archiving.let_go()
    assert [c.id for c in await other.claim(2)] == [mine.id]
    assert theirs.id != mine.id


async def test_a_rival_that_took_over_keeps_it_and_the_late_one_changes_nothing(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await arrived(keep)
    (slow,) = await keep.archiving.claim(1)

    async def overtaken() -> None:
        await pass_time(pool, 61)
        other = keep.another()
        (again,) = await other.claim(1)
        await other.work(again)

    keep.fetcher.meanwhile = overtaken
    await keep.archiving.work(slow)
    assert len(keep.fetcher.fetched) == 2
    assert await told(pool, task_uuid) == ARCHIVED
    assert keep.files() == keep.visible() == [(await keep.row(task_uuid))["location"]]
    await lawful(pool)


async def test_a_download_whose_lease_is_lost_is_stopped(keep: Keep, pool: Pool) -> None:
    task_uuid = await arrived(keep)
    quick = keep.another(lease_s=0.3)
    (claimed,) = await quick.claim(1)
    stopped = asyncio.Event()

    async def endless() -> None:
        await pool.execute("UPDATE callboard.archives SET lease_no = lease_no + 1")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    keep.fetcher.meanwhile = endless
    await quick.work(claimed)
    assert stopped.is_set()
    assert keep.files() == []
    assert (await told(pool, task_uuid)) == ARCHIVED[:3]


async def test_a_download_that_takes_long_keeps_its_lease(keep: Keep, pool: Pool) -> None:
    task_uuid = await arrived(keep)
    quick = keep.another(lease_s=0.3)
    (claimed,) = await quick.claim(1)

    async def long() -> None:
        began = await pool.fetchval("SELECT clock_timestamp()")
        while await pool.fetchval("SELECT clock_timestamp() < $1", began + timedelta(seconds=0.5)):
            assert await keep.another().claim(1) == []

    keep.fetcher.meanwhile = long
    await quick.work(claimed)
    assert await told(pool, task_uuid) == ARCHIVED


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_who_dies_between_keeping_and_writing_it_down_costs_one_more_download(
    keep: Keep, pool: Pool, moment: str
) -> None:
    task_uuid = await arrived(keep)
    wire = Wire(pool)
    dying = archiving_of(keep.house, keep.fetcher, keep.places, keep.root)
    dying._pool = wire.pool
    dying._keeper._pool = wire.pool

    async def die(_: object) -> None:
        raise ProcessLookupError

    (wire.before if moment == "before" else wire.after)["commit"] = die
    (claimed,) = await dying.claim(1)
    with pytest.raises(Unavailable):
        await dying.work(claimed)
    assert len(keep.visible()) == 1
    await pass_time(pool, 61)
    assert await keep.run() == (1 if moment == "before" else 0)
    assert await told(pool, task_uuid) == ARCHIVED
    assert keep.files() == [(await keep.row(task_uuid))["location"]]
    await lawful(pool)


async def test_what_a_dead_process_was_fetching_goes_on_at_once(keep: Keep, pool: Pool) -> None:
    task_uuid = await arrived(keep)
    await keep.archiving.claim(1)
    assert await keep.archiving.claim(1) == []
    async with pool.acquire() as conn:
        await workers.beat(conn, Worker(WORKER, "boot/1/here", "here", 4711, 99, (), "1"))
    me = Worker(UUID(int=7), "boot/1/here", "here", 4712, 100, (), "1")
    assert await Takeover(pool, me, lambda _: True).run_once() == Taken(workers=1, archives=1)
    assert await keep.run() == 1
    assert await told(pool, task_uuid) == ARCHIVED


async def test_an_erased_task_leaves_no_file(keep: Keep, pool: Pool) -> None:
    task_uuid, other = await arrived(keep), await arrived(keep)
    await keep.run()
    await keep.house.erase.task(TENANT, task_uuid)
    assert await left_of(pool, task_uuid) == {"archives": 1, "erased_tasks": 1, "events": 4}
    await keep.run()
    assert keep.files() == [(await keep.row(other))["location"]]
    assert await left_of(pool, task_uuid) == {"erased_tasks": 1, "events": 4}
    assert "archives.location" not in await places_of(pool, str(task_uuid))


async def test_what_was_left_by_a_dead_process_goes_with_the_task(keep: Keep) -> None:
    task_uuid = await arrived(keep)
    orphan = keep.root / folder(TENANT, task_uuid) / "0-abc.mp4"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    await keep.house.erase.task(TENANT, task_uuid)
    await keep.run()
    assert keep.files() == []
    assert await keep.row(task_uuid) is None


async def test_a_task_that_is_erased_during_the_download_leaves_no_file(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await arrived(keep)

    async def erased() -> None:
        await keep.house.erase.task(TENANT, task_uuid)
        assert await keep.run() == 0

    keep.fetcher.meanwhile = erased
    await keep.run()
    assert keep.files() == []
    # Its row stays until nobody can be keeping it any more.
    await pass_time(pool, 61)
    assert await keep.run() == 1
    assert await left_of(pool, task_uuid) == {"erased_tasks": 1, "events": 3}


async def test_a_file_goes_when_its_time_is_over_and_its_result_says_so(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await arrived(keep, keep_days=2)
    await keep.run()
    assert await keep.archiving.expire() == 0
    await pass_time(pool, 2 * 86_400 + 1)
    assert await keep.archiving.expire() == 1
    assert await keep.run() == 1
    assert keep.files() == []
    archive = (await task(pool, task_uuid)).results[0].archive
    assert archive is not None
    assert (archive.state, archive.url) == (ArchiveState.DELETED, None)
    assert await told(pool, task_uuid) == ARCHIVED
    assert await keep.row(task_uuid) is None
    await lawful(pool)


async def test_labels_say_how_long_a_file_is_kept(house: House, tmp_path: Path, pool: Pool) -> None:
    keeping = Keeping(timedelta(hours=1), days=30, rules=(("project", "x", 7),))
    keep = make_keep(house, tmp_path, keeping=keeping)
    await arrived(keep)
    await keep.run()
    days = "SELECT extract(day FROM expires_at - kept_at)::int FROM callboard.archives"
    assert await pool.fetchval(days) == 30
    await keep.places.close()


async def test_a_file_that_cannot_be_deleted_is_tried_again(
    keep: Keep, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_uuid = await arrived(keep, keep_days=1)
    await keep.run()
    await pass_time(pool, 86_401)
    await keep.archiving.expire()

    async def refuse(*_: object) -> None:
        raise PlaceError(FAULT)

    with monkeypatch.context() as patched:
        patched.setattr(type(keep.places._disk), "delete", refuse)
        await keep.run()
    row = await keep.row(task_uuid)
    assert (row["state"], row["error"]) == ("deleting", FAULT.code)
    assert len(keep.files()) == 1
    await pass_time(pool, 60)
    await keep.run()
    assert keep.files() == []
