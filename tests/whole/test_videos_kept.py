"""Videos are kept by real processes: one is killed while it fetches, and one that only fetches hears of work at once."""

import asyncio
import hashlib
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.support.embedded import open_home
from tests.support.file_watcher import is_whole, visible, watching
from tests.support.fleet import REQUEST, Fleet, Member, accepts, client, sends, shown, submit
from tests.support.flows import until
from tests.support.media_server import MediaServer, large_video, serving
from tests.support.receiver import Receiver, receiving
from tests.support.stub_upstream import running_stub

TASKS = 30
MEGABYTES = 2.5
"""More than what is gathered before anything is written: half of it is on the disk."""
AT_ONCE = 8
KEPT_BEFORE = 5
PATIENCE_S = 50.0
KEEPS = {
    "CALLBOARD_ARCHIVE": "disk",
    "CALLBOARD_ARCHIVE_BEFORE_COMPLETED": "true",
    "CALLBOARD_ARCHIVE_CONCURRENCY": str(AT_ONCE),
    "CALLBOARD_RUNWARE_CONCURRENCY": str(TASKS),
    "CALLBOARD_LEASE_SECONDS": "4",
    "CALLBOARD_RESEND_MARGIN_SECONDS": "1",
    "CALLBOARD_SUBMIT_TIMEOUT_SECONDS": "3",
}


def name_of(task_uuid: str, index: int) -> str:
    """Name the video of a result at its server."""
    return f"{task_uuid}-{index}.mp4"


async def seen(condition: Callable[[], bool], about: Member) -> None:
    """Wait for something that a process does."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - no event comes from there
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"it did not happen:\n{about.process.tail()}") from None


async def submit_all(session: aiohttp.ClientSession, url: str) -> dict[str, int]:
    """Submit tasks with one, two and three results; gives how many by taskUUID."""
    given = [
        {"provider": "runware", "request": {**REQUEST, "numberResults": 1 + n % 3}}
        for n in range(TASKS)
    ]
    async with session.post(f"{url}/v1/tasks", json=given) as answer:
        assert answer.status == 202, await answer.text()
        return {t["taskUUID"]: t["resultsExpected"] for t in (await answer.json())["items"]}


async def call_back(session: aiohttp.ClientSession, sent: dict[str, Any], media: str) -> None:
    """Be the upstream that says that all videos of a task are done."""
    task_uuid = sent["taskUUID"]
    rows = [
        {
            "taskType": "videoInference",
            "taskUUID": task_uuid,
            "status": "success",
            "videoUUID": f"v-{task_uuid}-{n}",
            "videoURL": f"{media}/{name_of(task_uuid, n)}",
            "cost": 0.5,
        }
        for n in range(sent.get("numberResults", 1))
    ]
    async with session.post(sent["webhookURL"], json={"data": rows}) as answer:
        assert answer.status == 200, await answer.text()


async def subscribe(session: aiohttp.ClientSession, url: str, receiver: Receiver) -> None:
    """Subscribe the receiver to everything."""
    async with session.post(f"{url}/v1/subscriptions", json={"url": receiver.url}) as answer:
        assert answer.status == 201, await answer.text()
        receiver.secret = (await answer.json())["secret"]


def check_task(task: dict[str, Any], results: int, types: list[str], folder: Path) -> set[Path]:
    """Hold one task against the promise; gives its files."""
    assert task["state"] == "completed"
    told = Counter(types)
    assert told["video.archived"] == results, types
    assert told["video.completed"] == results, types
    assert told["video.archive_failed"] == 0, types
    assert types[-1] == "task.completed", types
    assert told["task.completed"] == 1, types
    files = set()
    for result in task["results"]:
        media = result["media"]
        assert result["archive"] == {"state": "kept", "error": None}
        (file,) = folder.rglob(f"{task['taskUUID']}/{result['index']}-*")
        content = file.read_bytes()
        assert hashlib.sha256(content).hexdigest() == media["sha256"]
        assert content == large_video(name_of(task["taskUUID"], result["index"]), MEGABYTES)
        assert media["bytes"] == len(content)
        assert is_whole(file)
        files.add(file)
    assert len(files) == results
    return files


async def killed_in_the_middle(media: MediaServer, member: Member, folder: Path) -> None:
    """Kill who fetches files when some are kept and the next ones are at their half."""
    await seen(lambda: len(visible(folder)) == KEPT_BEFORE, member)
    await seen(lambda: media.at_half.total() == AT_ONCE, member)

    def halves() -> list[int]:
        return [p.stat().st_size for p in (folder / ".tmp").iterdir()]

    await seen(lambda: any(halves()), member)
    member.process.kill()
    assert len(halves()) >= AT_ONCE
    assert len(visible(folder)) == KEPT_BEFORE
    media.go_on.set()
    member.process.start()
    await member.ready()


async def test_a_process_killed_while_it_fetches_keeps_every_video_once_after_all(dsn: str) -> None:
    with open_home() as home:
        folder = home / "media"
        async with (
            running_stub() as stub,
            serving(MediaServer(MEGABYTES)) as media,
            receiving() as receiver,
            client() as session,
        ):
            stub.will(accepts)
            media.unheld = KEPT_BEFORE
            media.go_on.clear()
            fleet = Fleet(home, dsn, stub.url)
            more = KEEPS | {"CALLBOARD_MEDIA_DIR": str(folder)}
            with watching(folder) as watcher, fleet.member("one", **more) as one:
                await one.ready()
                await subscribe(session, one.url, receiver)
                expected = await submit_all(session, one.url)
                for sent in await sends(stub, TASKS):
                    await call_back(session, sent, media.url)
                await killed_in_the_middle(media, one, folder)

                def ended() -> bool:
                    return all("task.completed" in receiver.types(u) for u in expected)

                await seen(ended, one)
                tasks = {u: await shown(session, one, u) for u in expected}
            files: set[Path] = set()
            for task_uuid, results in expected.items():
                types = receiver.types(task_uuid)
                files |= check_task(tasks[task_uuid], results, types, folder)
        assert set(visible(folder)) == files
        assert len(files) == sum(expected.values())
        assert watcher.broken == []
        assert watcher.seen >= len(files)
        again = [name for name, many in media.asked.items() if many > 1]
        assert set(again) >= set(media.at_half)
        assert not receiver.refused


async def drained_in_the_middle(media: MediaServer, archive: Member, dsn: str) -> None:
    """End who fetches while a file is at its half: what it was at is anybody's, though its lease is not over."""
    media.go_on.clear()
    await seen(lambda: media.at_half.total() == 1, archive)
    archive.process.signal(signal.SIGTERM)
    assert await asyncio.to_thread(archive.process.wait) == 0
    conn = await asyncpg.connect(dsn)
    try:
        rows = await conn.fetch("SELECT state, lease_until FROM callboard.archives ORDER BY id")
    finally:
        await conn.close()
    assert [tuple(r) for r in rows] == [("kept", None), ("pending", None)]


async def test_a_process_that_only_fetches_hears_at_once_of_a_video_to_keep_and_gives_up_its_own(
    dsn: str,
) -> None:
    # Only notices can be in time: by itself each process would look once a minute.
    more = KEEPS | {"CALLBOARD_LOOP_POLL_SECONDS": "60", "CALLBOARD_DRAIN_SECONDS": "0.5"}
    with open_home() as home:
        folder = home / "media"
        more["CALLBOARD_MEDIA_DIR"] = str(folder)
        async with (
            running_stub() as stub,
            serving(MediaServer(MEGABYTES)) as media,
            client() as session,
        ):
            stub.will(accepts)
            fleet = Fleet(home, dsn, stub.url)
            with (
                fleet.member("rest", role="api,submit,deliver,reconcile", **more) as rest,
                # Who keeps a video names the address that lasts, which is one that others serve.
                fleet.member(
                    "archive", role="archive", CALLBOARD_PUBLIC_URL=rest.url, **more
                ) as archive,
            ):
                await rest.ready()

                async def hear() -> bool:
                    return rest.logged("others.heard") and archive.logged("others.heard")

                await until(hear)
                (task_uuid,) = await submit(session, rest)
                (sent,) = await sends(stub)
                url = f"{rest.url}/v1/tasks/{task_uuid}"
                async with asyncio.timeout(20):
                    waiting = asyncio.ensure_future(session.get(f"{url}?wait=60"))
                    await call_back(session, sent, media.url)
                    async with await waiting as answer:
                        task = await answer.json()
                assert task["state"] == "completed"
                assert archive.logged("archive.kept")
                assert not rest.logged("archive.kept")
                (result,) = task["results"]
                async with session.get(result["media"]["url"]) as answer:
                    assert answer.status == 200, await answer.text()
                    content = await answer.read()
                assert content == large_video(name_of(task_uuid, 0), MEGABYTES)
                await submit(session, rest)
                await call_back(session, (await sends(stub, 2))[-1], media.url)
                await drained_in_the_middle(media, archive, dsn)
