"""Videos are kept: once, whole, told of exactly when they are there, and never in the way of the verdict."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.core.errors import Conflict, NoVideo
from service.core.inputs import CancelAsked, Report, Source
from service.core.media import ArchiveState
from service.core.states import ResultState, State
from service.core.task import Video
from service.flows.apply import Change
from service.flows.files import Files
from service.store.pool import Pool
from tests.support.archiving import AWAY, CONTENT, EXPIRED, FULL, KEEPING, NO_VIDEO, Keep, make_keep
from tests.support.flows import pass_time, task, told
from tests.support.house import PUBLIC_URL, House
from tests.support.stored import lawful

SHA = hashlib.sha256(CONTENT).hexdigest()
ALL_TOLD = ["task.processing", "video.completed", "task.completed", "video.archived"]


@pytest.fixture
async def keep(house: House, tmp_path: Path) -> AsyncIterator[Keep]:
    made = make_keep(house, tmp_path / "media")
    yield made
    await made.places.close()


async def look(house: House) -> int:
    """Do what is due about tasks; gives how much that was."""
    due = await house.reconcile.claim(10)
    for claimed in due:
        await house.reconcile.work(claimed)
    return len(due)


async def test_a_video_is_kept_under_its_hash_and_told_of_once(keep: Keep, pool: Pool) -> None:
    task_uuid = await keep.task()
    await keep.done(task_uuid)
    assert await told(pool, task_uuid) == ALL_TOLD[:3]
    assert await keep.run() == 1
    assert await keep.run() == 0
    assert await told(pool, task_uuid) == ALL_TOLD
    name = f"default/{task_uuid.hex[:2]}/{task_uuid}/0-{SHA}.mp4"
    assert keep.files() == [name]
    archive = (await task(pool, task_uuid)).results[0].archive
    assert archive is not None
    assert archive.state is ArchiveState.KEPT
    assert archive.url == f"{PUBLIC_URL}/v1/tasks/{task_uuid}/results/0/video"
    row = await keep.row(task_uuid)
    assert (row["state"], row["location"], row["bytes"]) == ("kept", name, len(CONTENT))
    assert row["expires_at"] is None
    await lawful(pool)


async def test_nothing_is_fetched_where_nothing_is_to_be_kept(keep: Keep, pool: Pool) -> None:
    task_uuid = await keep.task(to="none")
    await keep.done(task_uuid)
    assert await keep.run() == 0
    assert (await task(pool, task_uuid)).results[0].archive is None


async def test_what_waits_for_its_file_is_told_of_with_it_and_its_place_is_free(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await keep.task(before_completed=True)
    await keep.done(task_uuid)
    waiting = await task(pool, task_uuid)
    assert (waiting.state, waiting.slot_since) == (State.PROCESSING, None)
    assert waiting.results[0].state is ResultState.ARCHIVING
    assert (
        await pool.fetchval("SELECT count(*) FROM callboard.slots WHERE task_uuid IS NOT NULL") == 0
    )
    await lawful(pool)
    await keep.run()
    assert await told(pool, task_uuid) == [
        *("task.processing", "video.archived", "video.completed", "task.completed"),
    ]
    await lawful(pool)


async def test_a_wait_that_is_too_long_ends_without_the_file(keep: Keep, pool: Pool) -> None:
    task_uuid = await keep.task(before_completed=True)
    await keep.done(task_uuid)
    keep.fetcher.failures = [AWAY]
    await keep.run()
    assert await look(keep.house) == 0
    await pass_time(pool, 601)
    assert await look(keep.house) == 1
    assert await told(pool, task_uuid) == ALL_TOLD[:3]
    await keep.run()
    assert await told(pool, task_uuid) == ALL_TOLD
    await lawful(pool)


async def test_what_fails_for_now_is_tried_again_later(keep: Keep, pool: Pool) -> None:
    task_uuid = await keep.task()
    await keep.done(task_uuid)
    keep.fetcher.failures = [AWAY, AWAY]
    await keep.run()
    row = await keep.row(task_uuid)
    assert (row["state"], row["attempts"], row["error"]) == ("pending", 1, "connect")
    assert keep.files() == []
    assert await keep.run() == 0
    for _ in range(2):
        await pass_time(pool, 30)
        assert await keep.run() == 1
    assert await told(pool, task_uuid) == ALL_TOLD
    entries = await pool.fetch("SELECT detail FROM callboard.history WHERE name = 'fetch'")
    assert len(entries) == 2
    assert '"connect"' in entries[0]["detail"]


@pytest.mark.parametrize("waits", [False, True])
async def test_what_can_never_be_kept_is_told_of_and_fails_no_task(
    keep: Keep, pool: Pool, waits: bool
) -> None:
    task_uuid = await keep.task(before_completed=waits)
    await keep.done(task_uuid)
    keep.fetcher.failures = [NO_VIDEO]
    await keep.run()
    assert sorted(await told(pool, task_uuid)) == sorted([*ALL_TOLD[:3], "video.archive_failed"])
    found = await task(pool, task_uuid)
    assert (found.state, found.error) == (State.COMPLETED, None)
    archive = found.results[0].archive
    assert archive is not None
    assert archive.error == NO_VIDEO.fault
    assert (await keep.row(task_uuid))["state"] == "failed"
    await lawful(pool)


async def test_after_its_time_a_file_is_given_up_and_may_be_tried_by_hand(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await keep.task()
    await keep.done(task_uuid)
    keep.fetcher.failures = [AWAY]
    await pass_time(pool, KEEPING.give_up.total_seconds() + 1)
    await keep.run()
    assert (await told(pool, task_uuid))[-1] == "video.archive_failed"
    files = Files(pool, keep.house.wake, keep.places, (b"k" * 32,), public_url="", link_s=1)
    with pytest.raises(NoVideo):
        await files.again("somebody", task_uuid, 0)
    await files.again("default", task_uuid, 0)
    with pytest.raises(Conflict, match="pending"):
        await files.again("default", task_uuid, 0)
    await keep.run()
    assert (await told(pool, task_uuid))[-2:] == ["video.archive_failed", "video.archived"]
    with pytest.raises(Conflict, match="kept"):
        await files.again("default", task_uuid, 0)
    with pytest.raises(NoVideo):
        await files.again("default", task_uuid, 1)
    await lawful(pool)


async def test_an_expired_url_is_asked_for_anew_and_what_was_announced_stays(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await keep.task()
    await keep.done(task_uuid)
    old, fresh = "https://videos.example/v-1.mp4", "https://videos.example/fresh.mp4"
    keep.fetcher.broken[old] = EXPIRED
    upstream = keep.house.providers["runware"]
    upstream.readings = [Report(Source.POLL, videos=(Video("v-9", "x"), Video("v-1", fresh)))]
    await keep.run()
    assert keep.fetcher.fetched == [old, fresh]
    result = (await task(pool, task_uuid)).results[0]
    assert result.video is not None
    assert result.video.url == old
    assert await told(pool, task_uuid) == ALL_TOLD


@pytest.mark.parametrize(
    "videos", [(), (Video("v-1", None),), (Video("v-1", "https://videos.example/v-1.mp4"),)]
)
async def test_without_a_fresh_url_it_is_tried_again(keep: Keep, videos: tuple[Video, ...]) -> None:
    task_uuid = await keep.task()
    await keep.done(task_uuid)
    keep.fetcher.broken["https://videos.example/v-1.mp4"] = EXPIRED
    keep.house.providers["runware"].readings = [Report(Source.POLL, videos=videos)]
    await keep.run()
    row = await keep.row(task_uuid)
    assert (row["state"], row["error"]) == ("pending", EXPIRED.fault.code)
    assert len(keep.fetcher.fetched) == 1


async def test_a_place_that_takes_nothing_rests_and_no_attempt_is_lost(
    keep: Keep, pool: Pool
) -> None:
    names = [await keep.task() for _ in range(3)]
    for name in names:
        await keep.done(name)
    keep.fetcher.failures = [FULL]
    await keep.run()
    assert len(keep.fetcher.fetched) == 1
    rows = [await keep.row(name) for name in names]
    assert sorted(row["attempts"] for row in rows) == [0, 0, 1]
    assert {row["state"] for row in rows} == {"pending"}
    # Another process knows nothing of that.
    await pass_time(pool, 120)
    other = keep.another()
    for claimed in await other.claim(10):
        await other.work(claimed)
    assert len(keep.files()) == 3


async def test_a_late_video_is_kept_too(keep: Keep, pool: Pool) -> None:
    task_uuid = await keep.task(before_completed=True)
    await keep.house.apply.run([Change(task_uuid, CancelAsked(), "operator")])
    await keep.done(task_uuid)
    await keep.run()
    assert (await told(pool, task_uuid))[-2:] == ["video.late", "video.archived"]
    await lawful(pool)


async def test_each_result_goes_to_the_address_it_was_given(keep: Keep, pool: Pool) -> None:
    # Private addresses are refused, and an address too few is the caller's fault.
    task_uuid = await keep.task(results=1, to=("http://10.0.0.1/a?secret=1",))
    await keep.done(task_uuid, 1, 2)
    await keep.run()
    first, second = (await task(pool, task_uuid)).results
    assert first.archive is not None
    assert second.archive is not None
    assert first.archive.error is not None
    assert first.archive.error.code == "refused_address"
    assert second.archive.error is not None
    assert second.archive.error.code == "no_url"
    texts = await pool.fetch("SELECT detail::text AS text FROM callboard.history")
    assert not any("secret" in row["text"] for row in texts)


async def test_what_breaks_unexpectedly_counts_as_an_attempt_and_is_given_up_in_the_end(
    keep: Keep, pool: Pool
) -> None:
    task_uuid = await keep.task()
    await keep.done(task_uuid)

    async def breaks() -> None:
        raise ZeroDivisionError

    keep.fetcher.meanwhile = breaks
    await keep.run()
    row = await keep.row(task_uuid)
    assert (row["state"], row["attempts"], row["error"]) == ("pending", 1, "internal")
    assert row["lease_until"] is None
    assert keep.files() == []
    await pass_time(pool, KEEPING.give_up.total_seconds() + 1)
    keep.fetcher.meanwhile = breaks
    await keep.run()
    assert (await told(pool, task_uuid))[-1] == "video.archive_failed"
