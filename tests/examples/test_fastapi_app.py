"""The FastAPI example by ASGI, its work by real downloads: kept, answered, worked on, also after a restart."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.examples.conftest import Load
from tests.support import deliveries
from tests.support.deliveries import (
    STYLES,
    Arrived,
    arrived,
    hostile,
    outgoing,
    serving,
    video_completed,
)
from tests.support.flows import until

VIDEO = b"\x00\x01video" * 1000
NAME = f"{deliveries.TASK}-0.mp4"


class Storage:
    """Where the videos are: counts who asks, and may be out of order."""

    def __init__(self) -> None:
        self.asked = 0
        self.broken = False
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=503) if self.broken else web.Response(body=VIDEO)


@pytest.fixture
async def storage() -> AsyncIterator[Storage]:
    made = Storage()
    async with serving(made.answer) as made.url:
        yield made


@pytest.fixture
def app(example: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give the module; its applications share a folder, as one does with itself after a restart."""
    monkeypatch.setenv("VIDEOS", str(tmp_path))
    module = example("fastapi_app/app.py")
    monkeypatch.setattr(module, "AGAIN_S", 0.01)
    return module


async def post(app: Any, *came: Arrived) -> list[int]:
    """Bring deliveries to the application, whether it works or not."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        answers = [
            await client.post("/hooks", content=c.body, headers=list(c.headers)) for c in came
        ]
    return [answer.status_code for answer in answers]


@asynccontextmanager
async def working(app: Any) -> AsyncIterator[None]:
    """Let the application run, from its start to its end."""
    async with app.router.lifespan_context(app):
        yield


async def there(path: Path) -> None:
    async def is_there() -> bool:
        return await asyncio.to_thread(path.exists)

    await until(is_there)


# A `standard` body is no CloudEvent, so it fits no model: this example wants one of the others.
@pytest.mark.parametrize("style", [style for style in STYLES if style != "standard"])
async def test_a_video_is_downloaded_once_however_often_its_event_comes(
    app: Any, storage: Storage, tmp_path: Path, style: str
) -> None:
    event = video_completed({}, storage.url)
    made = app.make_app()
    async with working(made):
        twice = [await arrived(outgoing(event, style)) for _ in range(2)]
        assert await post(made, *twice) == [204, 204]
        await there(tmp_path / NAME)
        other = await arrived(outgoing(video_completed({}, name="task.completed"), style))
        assert await post(made, *twice, other) == [204, 204, 204]
    assert (tmp_path / NAME).read_bytes() == VIDEO
    assert storage.asked == 1


async def test_what_was_answered_before_a_crash_is_worked_on_after_the_restart(
    app: Any, storage: Storage, tmp_path: Path
) -> None:
    dies = app.make_app()
    assert await post(dies, await arrived(outgoing(video_completed({}, storage.url)))) == [204]
    assert storage.asked == 0
    async with working(app.make_app()):
        await there(tmp_path / NAME)


async def test_what_fails_is_tried_again_and_holds_up_nothing(
    app: Any, storage: Storage, tmp_path: Path
) -> None:
    storage.broken = True
    made = app.make_app()

    async def tried_twice() -> bool:
        return storage.asked >= 2

    async with working(made):
        assert await post(made, await arrived(outgoing(video_completed({}, storage.url)))) == [204]
        await until(tried_twice)
        assert not (tmp_path / NAME).exists()
        storage.broken = False
        await there(tmp_path / NAME)


@pytest.mark.parametrize("steps", range(5))
async def test_regression_an_event_at_the_very_end_does_not_keep_it_from_stopping(
    app: Any, tmp_path: Path, steps: int
) -> None:
    inbox, arrived = app.Inbox(tmp_path / "inbox.sqlite"), asyncio.Event()
    app.AGAIN_S = 30

    async def waits() -> bool:
        return bool(arrived._waiters)

    working = asyncio.create_task(app.work_on(inbox, tmp_path, arrived))
    await until(waits)
    arrived.set()
    for _ in range(steps):  # of the loop, between the event and the end
        await asyncio.sleep(0)
    working.cancel()
    ended, _ = await asyncio.wait([working], timeout=10)
    assert ended
    assert working.cancelled()


async def test_what_is_not_signed_now_and_by_us_is_refused_and_keeps_nothing(
    app: Any, tmp_path: Path
) -> None:
    made = app.make_app()
    bad = await hostile(video_completed({}))
    answers = await post(made, *bad.values())
    assert dict(zip(bad, answers, strict=True)) == dict.fromkeys(bad, 401)
    assert app.Inbox(tmp_path / "inbox.sqlite").unfinished() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
async def test_what_is_signed_and_unreadable_is_a_400(app: Any, body: bytes) -> None:
    broken = outgoing(video_completed({}), body=body)
    assert await post(app.make_app(), await arrived(broken)) == [400]
