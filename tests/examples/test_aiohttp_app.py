"""The aiohttp example on a real socket, with the sink of production calling it."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import aiohttp
import pytest

from service.ports import Outgoing
from tests.examples.conftest import Load
from tests.support import deliveries
from tests.support.deliveries import STYLES, outgoing, send, serving, video_completed


@pytest.fixture
def app(example: Load) -> ModuleType:
    return example("aiohttp_app/app.py")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "videos.sqlite"


@pytest.fixture
async def url(app: ModuleType, database: Path) -> AsyncIterator[str]:
    async with serving(app.make_app([deliveries.SECRET], database)) as running:
        yield running


def rows(database: Path, table: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(database)) as db:
        return list(db.execute(f"SELECT * FROM {table}"))  # noqa: S608 - our own names


# A `standard` body is no CloudEvent, so it fits no model: this example wants one of the others.
@pytest.mark.parametrize("style", [style for style in STYLES if style != "standard"])
async def test_a_video_is_written_once_however_often_its_event_comes(
    url: str, database: Path, style: str
) -> None:
    event = outgoing(video_completed({}, "https://video.example/0.mp4"), style)
    for _ in range(2):
        sent = await send(url, event)
        assert (sent.ok, sent.status) == (True, 204)
    task = str(deliveries.TASK)
    assert rows(database, "videos") == [(task, "https://video.example/0.mp4", "spring")]
    assert rows(database, "seen") == [(str(event.event_id),)]


async def test_a_standard_body_is_taken_as_plain_and_writes_no_row(
    url: str, database: Path
) -> None:
    assert (await send(url, outgoing(video_completed({}), "standard"))).status == 204
    assert rows(database, "videos") == []


async def test_failures_are_written_and_other_types_are_welcome(url: str, database: Path) -> None:
    for name in ("task.failed", "task.completed", "task.processing"):
        assert (await send(url, outgoing(video_completed({}, name=name)))).status == 204
    assert rows(database, "failures") == [(str(deliveries.TASK), "task.failed")]
    assert len(rows(database, "seen")) == 3


async def test_an_effect_that_cannot_be_written_leaves_no_id_and_comes_again(
    url: str, database: Path, app: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = outgoing(video_completed({}))

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(app, "write", fail)
        assert (await send(url, event)).status == 500
    assert rows(database, "seen") == []
    assert (await send(url, event)).status == 204
    assert len(rows(database, "videos")) == 1


async def test_what_is_not_signed_now_and_by_us_is_refused_and_writes_nothing(
    url: str, database: Path
) -> None:
    bad = await deliveries.hostile(video_completed({}))
    async with aiohttp.ClientSession() as session:
        for what, came in bad.items():
            headers = {n: v for n, v in came.headers if n.lower() not in {"host", "content-length"}}
            async with session.post(url, data=came.body, headers=headers) as answer:
                assert (answer.status, what) == (401, what)
    assert rows(database, "seen") == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
async def test_what_is_signed_and_unreadable_is_a_400(url: str, body: bytes) -> None:
    broken: Outgoing = outgoing(video_completed({}), body=body)
    assert (await send(url, broken)).status == 400


# aiohttp warns the sink of bodies of more than 1 MiB that are not files.
async def test_a_large_delivery_is_taken(url: str, database: Path) -> None:
    event = video_completed({"note": "x" * 3_000_000})
    assert (await send(url, outgoing(event))).status == 204
    assert len(rows(database, "videos")) == 1
