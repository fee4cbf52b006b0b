"""Kept videos over HTTP: whole, in parts, on conditions, and what is said where there is none."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from service.core.fault import Fault, FaultKind
from service.core.media import Archive, ArchiveState
from service.flows.files import video_path
from service.store.pool import Pool
from service.web.deps import Limits
from tests.support.videos import Folder, Stored, came, given_away, keep, kept, media_of, row, tell
from tests.support.web import PUBLIC, Api, Reply, serving

CONTENT = bytes(n * 7 % 256 for n in range(1000))
KEPT_DATE, AFTER, BEFORE = (f"Sun, 01 Mar 2026 12:30:{s} GMT" for s in ("15", "16", "14"))
BUSY = Fault("away", "The bucket does not answer.", FaultKind.TRANSIENT)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a place for files."""
    return Folder(tmp_path)


@pytest.fixture
async def api(pool: Pool, folder: Folder) -> AsyncIterator[Api]:
    """Serve the web with a place."""
    async with serving(pool, places=folder) as running:
        yield running


@pytest.fixture
async def stored(pool: Pool, api: Api, folder: Folder) -> Stored:
    """Have a file kept."""
    return await kept(pool, api, folder, CONTENT)


async def get(api: Api, stored: Stored, query: str = "", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.get(stored.path + query, **named)


async def test_a_kept_file_is_given_whole_and_described(api: Api, stored: Stored) -> None:
    reply = await get(api, stored)
    assert (reply.status, reply.raw) == (200, CONTENT)
    expected = {
        "Content-Type": "video/mp4",
        "Content-Length": "1000",
        "ETag": f'"{stored.sha256}"',
        "Last-Modified": KEPT_DATE,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=3600, immutable",
        "Vary": "Authorization",
        "Content-Disposition": f'inline; filename="{stored.task_uuid}-0.mp4"',
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox",
    }
    assert {name: reply.headers.get(name) for name in expected} == expected
    assert "Access-Control-Allow-Origin" not in reply.headers
    saved = await get(api, stored, "?download=1")
    assert saved.headers["Content-Disposition"].startswith("attachment; ")
    shown = (await api.get(f"/v1/tasks/{stored.task_uuid}")).json["results"][0]
    assert shown["media"]["url"] == api.base + stored.path


async def test_head_says_the_same_without_the_file(
    api: Api, stored: Stored, folder: Folder
) -> None:
    whole, head = await get(api, stored), await api.call("HEAD", stored.path)
    own = {"Date", "X-Request-Id"}
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }
    assert (head.status, head.raw) == (200, b"")
    # Ranges are for GET.
    assert (await api.call("HEAD", stored.path, headers={"Range": "bytes=0-1"})).status == 200
    assert not folder.open


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("0-0", 0, 1),
        ("1-999", 1, 1000),
        ("990-5000", 990, 1000),
        ("400-", 400, 1000),
        ("-1", 999, 1000),
        ("-5000", 0, 1000),
    ],
)
async def test_a_range_is_that_part(
    api: Api, stored: Stored, asked: str, start: int, end: int
) -> None:
    reply = await get(api, stored, Range=f"bytes={asked}")
    assert (reply.status, reply.raw) == (206, CONTENT[start:end])
    assert reply.headers["Content-Range"] == f"bytes {start}-{end - 1}/1000"
    assert reply.headers["Content-Length"] == str(end - start)


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=7-2", "lines=0-1", "bytes=x"])
async def test_several_ranges_and_what_is_none_are_the_whole(
    api: Api, stored: Stored, asked: str
) -> None:
    reply = await get(api, stored, Range=asked)
    assert (reply.status, reply.raw) == (200, CONTENT)


@pytest.mark.parametrize("asked", ["1000-", "5000-6000", "-0"])
async def test_a_range_behind_the_end_is_416_and_says_how_long_the_file_is(
    api: Api, stored: Stored, asked: str
) -> None:
    reply = await get(api, stored, Range=f"bytes={asked}")
    reply.problem(416, "range_not_satisfiable")
    assert reply.headers["Content-Range"] == "bytes */1000"


async def test_conditions_are_judged_in_the_order_of_the_rfc(api: Api, stored: Stored) -> None:
    ours, other = f'"{stored.sha256}"', '"other"'
    weak = f"W/{ours}"
    for headers, status in (
        ({"If_None_Match": ours}, 304),
        ({"If_None_Match": f"{other}, {weak}"}, 304),
        ({"If_None_Match": "*"}, 304),
        ({"If_None_Match": other}, 200),
        ({"If_None_Match": other, "If_Modified_Since": AFTER}, 200),
        ({"If_Modified_Since": KEPT_DATE}, 304),
        ({"If_Modified_Since": BEFORE}, 200),
        ({"If_Modified_Since": "yesterday"}, 200),
        ({"If_Match": ours}, 200),
        ({"If_Match": "*"}, 200),
        ({"If_Match": ours, "If_Unmodified_Since": BEFORE}, 200),
        ({"If_Unmodified_Since": KEPT_DATE}, 200),
        ({"If_None_Match": ours, "Range": "bytes=0-1"}, 304),
        ({"Range": "bytes=0-1", "If_Range": ours}, 206),
        ({"Range": "bytes=0-1", "If_Range": KEPT_DATE}, 206),
        ({"Range": "bytes=0-1", "If_Range": weak}, 200),
        ({"Range": "bytes=0-1", "If_Range": other}, 200),
        ({"Range": "bytes=0-1", "If_Range": AFTER}, 200),
        ({"Range": "bytes=1000-", "If_Range": other}, 200),
    ):
        reply = await get(api, stored, **headers)
        assert reply.status == status, headers
        assert reply.headers["ETag"] == ours
        if status == 304:
            assert reply.raw == b""
    for headers in ({"If_Match": weak}, {"If_Match": other}, {"If_Unmodified_Since": BEFORE}):
        (await get(api, stored, **headers)).problem(412, "precondition_failed")


async def test_of_others_and_of_nobody_there_is_no_video(
    api: Api, pool: Pool, stored: Stored
) -> None:
    for path in (
        *(video_path(uuid4(), 0), video_path(stored.task_uuid, 1)),
        *(
            f"/v1/tasks/{stored.task_uuid}/results/{n}/video"
            for n in ("x", "-1", "00", "99999", "0.0")
        ),
        "/v1/tasks/nobody/results/0/video",
        video_path(await api.made(), 0),
    ):
        (await api.get(path)).problem(404, "no_video")
        (await api.post(path.removesuffix("video") + "link")).problem(404, "no_video")
    (await api.call("GET", stored.path, headers=PUBLIC)).problem(401, "unauthorized")
    await given_away(pool, stored.task_uuid)
    (await get(api, stored)).problem(404, "no_video")
    (await api.post(stored.path.removesuffix("video") + "link")).problem(404, "no_video")


async def test_before_it_is_kept_one_is_told_to_come_again(api: Api, pool: Pool) -> None:
    coming = await api.made(archive="disk")
    for task_uuid in (coming, await came(api)):
        for reply in (
            await api.get(video_path(task_uuid, 0)),
            await api.post(f"/v1/tasks/{task_uuid}/results/0/link"),
        ):
            reply.problem(409, "not_kept_yet")
            assert reply.headers["Retry-After"] == "5"
    await api.post(f"/v1/tasks/{coming}/cancel")
    (await api.get(video_path(coming, 0))).problem(404, "no_video")


async def test_what_could_not_be_kept_says_why(api: Api) -> None:
    task_uuid = await came(api)
    fault = Fault("too_large", "It has more than 2 GiB.", FaultKind.PERMANENT)
    await tell(api, task_uuid, 0, Archive(ArchiveState.FAILED, error=fault))
    problem = (await api.get(video_path(task_uuid, 0))).problem(404, "not_kept")
    assert "more than 2 GiB" in problem.detail


async def test_what_is_deleted_or_about_to_be_is_gone(api: Api, pool: Pool, folder: Folder) -> None:
    one, two, three = [await kept(pool, api, folder, CONTENT) for _ in range(3)]
    await row(pool, one.task_uuid, 0, "deleting", one.location)
    archive = Archive(ArchiveState.DELETED, media_of(CONTENT))
    await tell(api, two.task_uuid, 0, archive)
    await folder.delete(three.location)
    for stored in (one, two, three):
        (await get(api, stored)).problem(410, "video_deleted")


async def test_what_was_put_elsewhere_is_not_read_from_there(
    api: Api, pool: Pool, folder: Folder
) -> None:
    task_uuid = await came(api, to=["https://bucket.example/a.mp4?signature=secret"])
    where = "https://bucket.example/a.mp4"
    await row(pool, task_uuid, 0, "kept", where)
    await tell(api, task_uuid, 0, Archive(ArchiveState.KEPT, media_of(CONTENT), where))
    problem = (await api.get(video_path(task_uuid, 0))).problem(409, "kept_elsewhere")
    assert where in problem.detail


async def test_each_result_has_its_own_file(api: Api, pool: Pool, folder: Folder) -> None:
    task_uuid = await came(api, results=2)
    one = await keep(pool, api, folder, task_uuid, 0, b"one")
    two = await keep(pool, api, folder, task_uuid, 1, b"two")
    assert [(await get(api, s)).raw for s in (one, two)] == [b"one", b"two"]


async def test_a_place_that_is_away_is_503_before_anything_is_sent(
    api: Api, stored: Stored, folder: Folder
) -> None:
    folder.trouble = lambda _: BUSY
    reply = await get(api, stored)
    assert BUSY.message in reply.problem(503, "unavailable").detail
    assert reply.headers["Retry-After"]
    folder.trouble = lambda _: None
    (folder.root / stored.location).write_bytes(b"")
    (await get(api, stored)).problem(503, "unavailable")
    assert not folder.open


async def test_a_place_that_is_none_is_503(pool: Pool, stored: Stored) -> None:
    async with serving(pool) as api:
        (await get(api, stored)).problem(503, "unavailable")


async def test_a_file_that_became_shorter_is_never_a_whole_answer(
    api: Api, stored: Stored, folder: Folder
) -> None:
    (folder.root / stored.location).write_bytes(CONTENT[:-1])
    with pytest.raises(aiohttp.ClientPayloadError):
        await get(api, stored)
    assert not folder.open


async def test_there_are_only_so_many_downloads_at_once(
    pool: Pool, stored: Stored, folder: Folder
) -> None:
    limits = replace(Limits(), videos=0)
    async with serving(pool, places=folder, limits=limits) as api:
        (await get(api, stored)).problem(503, "unavailable")
        assert (await get(api, stored, If_None_Match="*")).status == 304


@pytest.mark.parametrize("query", ["?download=yes", "?download=1&download=1", "?t=10"])
async def test_a_query_that_is_none_of_its_own_is_refused(
    api: Api, stored: Stored, query: str
) -> None:
    (await get(api, stored, query)).problem(400, "malformed")
