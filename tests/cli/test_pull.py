"""`callboard pull`: what is kept comes checked and whole, what is not from the upstream, and again costs nothing."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from service.core.fault import Fault
from service.core.media import Archive, ArchiveState
from service.store.pool import Pool
from service.web.keys import COUNTS
from tests.support.house import API_KEY, PUBLIC_URL
from tests.support.upstream_video import Upstream, giving
from tests.support.videos import Folder, Stored, came, keep, kept, media_of, row, tell
from tests.support.web import PUBLIC, Api, serving

CONTENT = bytes(range(256)) * 8192
"""Two megabytes: four parts of a place."""
LIMIT_S = 30
AWAY = Fault("away", "The bucket does not answer.")


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    """Serve a video on loopback, as an upstream does."""
    async with giving(CONTENT) as stranger:
        yield stranger


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a place for files."""
    return Folder(tmp_path / "place")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Name a folder to download to."""
    return tmp_path / "out"


@pytest.fixture
async def api(pool: Pool, folder: Folder) -> AsyncIterator[Api]:
    """Serve the web with a place."""
    async with serving(pool, places=folder) as running:
        yield running


@dataclass(frozen=True)
class Ended:
    """How the command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def files(self) -> list[dict[str, Any]]:
        return list(json.loads(self.stdout)["files"])


@asynccontextmanager
async def pulling(api: Api, *args: object) -> AsyncIterator[asyncio.Future[Ended]]:
    """Run the command for as long as the block lasts."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("CALLBOARD_")}
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", "pull", *map(str, args)),
        env=env | {"CALLBOARD_URL": api.base, "CALLBOARD_API_KEY": API_KEY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )

    async def ended() -> Ended:
        told, wrong = await running.communicate()
        return Ended(running.returncode or 0, told.decode(), wrong.decode())

    try:
        yield asyncio.ensure_future(ended())
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()


async def pull(api: Api, *args: object) -> Ended:
    """Run the command to its end."""
    async with pulling(api, *args) as running:
        return await asyncio.wait_for(running, LIMIT_S)


def names(out: Path) -> list[str]:
    """Name what is in the folder."""
    return [path.name for path in out.iterdir()]


def only(out: Path, name: str) -> bytes:
    """Read the one file that is in the folder."""
    assert names(out) == [name]
    return (out / name).read_bytes()


async def test_what_is_kept_is_saved_checked_and_once(
    api: Api, pool: Pool, folder: Folder, out: Path
) -> None:
    stored = await kept(pool, api, folder, CONTENT)
    first = await pull(api, stored.task_uuid, "--out", out)
    path = out / f"{stored.task_uuid}-0.mp4"
    line = f"result 0: saved {path} (2,097,152 bytes, from the service, checked)\n"
    # No bar where nobody looks.
    assert first == Ended(0, line, "")
    assert only(out, path.name) == CONTENT
    given = folder.given_bytes
    again = await pull(api, stored.task_uuid, "--out", out, "--json")
    assert (again.code, folder.given_bytes) == (0, given)
    assert again.files == [
        {
            "index": 0,
            "state": "already_here",
            "source": None,
            "path": str(path),
            "bytes": len(CONTENT),
            "sha256": stored.sha256,
            "checked": True,
            "note": None,
        }
    ]


def put(path: Path, content: bytes) -> None:
    """Write a file to a new folder."""
    path.parent.mkdir()
    path.write_bytes(content)


def part_of(out: Path, stored: Stored, content: bytes) -> None:
    """Leave what a run before would that broke off."""
    put(out / f"{stored.task_uuid}-0.{stored.sha256}.part", content)


@pytest.mark.parametrize("there", [1, len(CONTENT) // 2, len(CONTENT)])
async def test_what_broke_off_is_gone_on_with(
    api: Api, pool: Pool, folder: Folder, out: Path, there: int
) -> None:
    stored = await kept(pool, api, folder, CONTENT)
    part_of(out, stored, CONTENT[:there])
    ended = await pull(api, stored.task_uuid, "--out", out)
    assert ended.code == 0, ended.stderr
    assert only(out, f"{stored.task_uuid}-0.mp4") == CONTENT
    assert folder.given_bytes == len(CONTENT) - there


@pytest.mark.parametrize("there", [1000, len(CONTENT), 2 * len(CONTENT)])
async def test_a_wrong_part_is_thrown_away_and_all_is_had_again(
    api: Api, pool: Pool, folder: Folder, out: Path, there: int
) -> None:
    stored = await kept(pool, api, folder, CONTENT)
    part_of(out, stored, b"x" * there)
    ended = await pull(api, stored.task_uuid, "--out", out)
    assert ended.code == 0, ended.stderr
    assert only(out, f"{stored.task_uuid}-0.mp4") == CONTENT


async def test_a_connection_that_is_cut_is_taken_up_again(
    api: Api, pool: Pool, folder: Folder, out: Path
) -> None:
    stored = await kept(pool, api, folder, CONTENT)
    cuts = iter([AWAY])
    folder.trouble = lambda given: next(cuts, None) if given == 2 else None
    ended = await pull(api, stored.task_uuid, "--out", out)
    assert ended.code == 0, ended.stderr
    assert only(out, f"{stored.task_uuid}-0.mp4") == CONTENT
    # What had come was not had again.
    assert folder.given_bytes < 2 * len(CONTENT)


async def test_what_is_not_kept_comes_from_the_upstream_without_our_key(
    api: Api, upstream: Upstream, out: Path
) -> None:
    upstream.etag, upstream.cuts = '"v1"', [700_000, 100]
    task_uuid = await came(api, to="none", url=upstream.url)
    ended = await pull(api, task_uuid, "--out", out)
    assert ended.code == 0, ended.stderr
    assert "from the upstream, not checked: nothing is kept of it" in ended.stdout
    assert only(out, f"{task_uuid}-0.webm") == CONTENT
    assert [asked.get("if-range") for asked in upstream.asked] == [None, '"v1"', '"v1"']
    assert all("authorization" not in asked for asked in upstream.asked)
    again = await pull(api, task_uuid, "--out", out)
    assert (again.code, len(upstream.asked)) == (0, 3)
    assert "already here" in again.stdout


async def test_what_was_put_elsewhere_comes_from_the_upstream_and_is_checked(
    api: Api, pool: Pool, upstream: Upstream, out: Path
) -> None:
    task_uuid = await came(api, to=["https://bucket.example/a"], url=upstream.url)
    await row(pool, task_uuid, 0, "kept", "https://bucket.example/a")
    archive = Archive(ArchiveState.KEPT, media_of(CONTENT), "https://bucket.example/a")
    await tell(api, task_uuid, 0, archive)
    upstream.content = CONTENT[::-1]
    ended = await pull(api, task_uuid, "--out", out)
    assert ended.code == 1
    assert "gave another file than the one that was kept" in ended.stderr
    assert names(out) == []
    upstream.content = CONTENT
    ended = await pull(api, task_uuid, "--out", out, "--json")
    (had,) = ended.files
    assert (ended.code, had["source"], had["checked"]) == (0, "upstream", True)
    assert only(out, f"{task_uuid}-0.mp4") == CONTENT


async def test_when_the_place_is_away_the_upstream_is_asked_and_it_says_so(
    api: Api, pool: Pool, folder: Folder, upstream: Upstream, out: Path
) -> None:
    stored = await kept(pool, api, folder, CONTENT, upstream.url)
    folder.trouble = lambda _: AWAY
    ended = await pull(api, stored.task_uuid, "--out", out)
    assert ended.code == 0, ended.stderr
    assert "from the upstream, checked; the service cannot be read: 503" in ended.stdout
    assert (out / f"{stored.task_uuid}-0.mp4").read_bytes() == CONTENT


async def test_what_cannot_be_had_is_told_and_the_rest_is_saved(
    api: Api, pool: Pool, folder: Folder, upstream: Upstream, out: Path
) -> None:
    upstream.status = 403
    task_uuid = await came(api, results=2, url=upstream.url)
    await keep(pool, api, folder, task_uuid, 1, CONTENT)
    ended = await pull(api, task_uuid, "--out", out)
    assert ended.code == 1
    assert "result 0: the upstream cannot be read: 403 Forbidden" in ended.stderr
    assert only(out, f"{task_uuid}-1.mp4") == CONTENT
    one = await pull(api, task_uuid, "--out", out, "--result", 1)
    assert one.code == 0
    none = await pull(api, task_uuid, "--out", out, "--result", 2)
    assert (none.code, "has no result 2" in none.stderr) == (2, True)
    assert (await pull(api, uuid4(), "--out", out)).code == 2


async def test_of_a_task_under_way_there_is_no_file_and_it_says_what_to_do(
    api: Api, out: Path
) -> None:
    ended = await pull(api, await api.made(), "--out", out)
    assert (ended.code, "--wait SECONDS" in ended.stderr) == (1, True)


async def test_it_waits_for_the_task_and_for_its_file(
    api: Api, pool: Pool, folder: Folder, out: Path
) -> None:
    task_uuid = await came(api)
    async with pulling(api, task_uuid, "--out", out, "--wait", LIMIT_S) as running:
        await asked_for(api, task_uuid, running)
        await keep(pool, api, folder, task_uuid, 0, CONTENT)
        ended = await asyncio.wait_for(running, LIMIT_S)
    assert ended.code == 0, ended.stderr
    assert only(out, f"{task_uuid}-0.mp4") == CONTENT


async def asked_for(api: Api, task_uuid: object, running: asyncio.Future[Ended]) -> None:
    """Wait until the command has looked at the task once."""
    key = ("GET", "/v1/tasks/{id}", "200")
    counts = api.running.runner.app[COUNTS]
    async with asyncio.timeout(LIMIT_S):
        while not counts.requests[key]:
            assert not running.done(), running.result()
            await asyncio.sleep(0.01)


async def test_another_file_of_its_name_is_left_alone(
    api: Api, pool: Pool, folder: Folder, out: Path
) -> None:
    stored = await kept(pool, api, folder, CONTENT)
    path = out / f"{stored.task_uuid}-0.mp4"
    put(path, b"mine")
    ended = await pull(api, stored.task_uuid, "--out", out)
    assert (ended.code, "is another file: move it away" in ended.stderr) == (1, True)
    assert path.read_bytes() == b"mine"
    ended = await pull(api, stored.task_uuid, "--out", path)
    assert (ended.code, str(path) in ended.stderr) == (1, True)


async def test_links_are_printed_for_people_without_a_key(
    api: Api, pool: Pool, folder: Folder
) -> None:
    task_uuid = await came(api, results=2)
    await keep(pool, api, folder, task_uuid, 0, CONTENT)
    ended = await pull(api, task_uuid, "--link")
    assert (ended.code, "result 1: 409 The video is not kept yet" in ended.stderr) == (1, True)
    path = ended.stdout.strip().removeprefix(PUBLIC_URL)
    reply = await api.call("GET", path, headers=PUBLIC)
    assert (reply.status, reply.raw) == (200, CONTENT)
    told = json.loads((await pull(api, task_uuid, "--link", "--json", "--result", 0)).stdout)
    assert set(told["links"][0]) == {"index", "url", "expiresAt", "note"}
