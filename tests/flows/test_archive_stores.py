"""Videos kept in an object store, and put to addresses of their owners: the whole flow, with the real clients."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from service.egress import Egress
from service.media.places.disk import Disk
from service.media.places.put import Put
from service.media.places.table import Places
from service.store.pool import Pool
from tests.support.archiving import CONTENT, FakeFetcher, Keep, archiving_of, no_store
from tests.support.fetching import LOOPBACK
from tests.support.flows import pass_time, task, told
from tests.support.house import House

ARCHIVED = ["task.processing", "video.completed", "task.completed", "video.archived"]


class Owner:
    """Takes what is put to it; `answers` are its next statuses."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.answers: list[int] = []
        self.url = ""

    async def put(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.answers:
            return web.Response(status=self.answers.pop(0))
        assert request.headers["Content-Type"] == "video/mp4"
        self.files[request.path_qs] = body
        return web.Response()


@pytest.fixture
async def owner() -> AsyncIterator[Owner]:
    """Run somebody's store."""
    made = Owner()
    app = web.Application()
    app.router.add_put("/{name}", made.put)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def keep(house: House, tmp_path: Path) -> AsyncIterator[Keep]:
    fetcher, egress = FakeFetcher(), Egress(LOOPBACK)
    places = Places(Disk(tmp_path), Put(egress), no_store)
    yield Keep(house, archiving_of(house, fetcher, places, tmp_path), fetcher, places, tmp_path)
    await places.close()
    await egress.close()


async def test_each_video_is_put_to_the_address_it_was_given(
    keep: Keep, owner: Owner, pool: Pool
) -> None:
    to = tuple(f"{owner.url}/{n}.mp4?X-Amz-Signature=secret{n}" for n in range(2))
    task_uuid = await keep.task(results=2, to=to, keep_days=1)
    await keep.done(task_uuid, 1, 2)
    await keep.run()
    assert owner.files == {f"/{n}.mp4?X-Amz-Signature=secret{n}": CONTENT for n in range(2)}
    urls = [r.archive.url for r in (await task(pool, task_uuid)).results if r.archive]
    assert urls == [f"{owner.url}/{n}.mp4" for n in range(2)]
    data = await pool.fetch("SELECT data FROM callboard.events")
    assert not any(b"secret" in row["data"] for row in data)
    assert keep.files() == []
    await pass_time(pool, 100_000)
    assert await keep.archiving.expire() == 0


async def test_a_store_that_is_busy_is_tried_again_and_one_that_refuses_is_not(
    keep: Keep, owner: Owner, pool: Pool
) -> None:
    task_uuid = await keep.task(to=(f"{owner.url}/a.mp4?sig=1",))
    await keep.done(task_uuid)
    owner.answers = [503]
    await keep.run()
    assert (await keep.row(task_uuid))["state"] == "pending"
    await pass_time(pool, 120)
    await keep.run()
    assert await told(pool, task_uuid) == ARCHIVED
    refused = await keep.task(to=(f"{owner.url}/b.mp4?sig=1",))
    await keep.done(refused)
    owner.answers = [403]
    await keep.run()
    assert (await told(pool, refused))[-1] == "video.archive_failed"


async def test_an_erased_task_leaves_what_was_put_to_its_owner(
    keep: Keep, owner: Owner, pool: Pool
) -> None:
    task_uuid = await keep.task(to=(f"{owner.url}/a.mp4",))
    await keep.done(task_uuid)
    await keep.run()
    await keep.house.erase.task("default", task_uuid)
    await keep.run()
    assert await keep.row(task_uuid) is None
    assert owner.files == {"/a.mp4": CONTENT}
