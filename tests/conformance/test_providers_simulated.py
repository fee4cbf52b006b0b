"""Both providers against the simulator, which shares no code with them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import aiohttp
import pytest
from aiohttp import web

from service.core.inputs import (
    Accepted,
    Reading,
    ReadNothing,
    Refused,
    Report,
    SubmitUnknown,
    TryLater,
)
from service.core.task import Task
from service.ports import OpenedCallback, Provider, RawCallback
from service.providers.runware.client import Runware
from service.providers.sync_so.client import SyncSo
from service.simulator.app import Simulator
from tests.support.samples import sent_task

SECRET = "whsec_test_0123456789abcdef"
TOKEN = "t0ken-T0KEN_abcdefghijklmnopqrst"
AUDIO = "https://cdn.example/a.wav"


@dataclass
class Board:
    """A provider, the simulator it talks to, and what was called back."""

    provider: Provider
    simulator: Simulator
    base: str
    called: list[OpenedCallback] = field(default_factory=list)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert request.match_info["token"] == TOKEN
        call = RawCallback(UUID(request.match_info["task"]), await request.read(), headers)
        async with self._news:
            self.called.append(self.provider.open_callback(call))
            self._news.notify_all()
        return web.Response()

    async def callbacks(self, number: int) -> list[OpenedCallback]:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.called) >= number)
        return self.called

    def prepare(self, scenario: str, results: int = 1) -> tuple[Task, Any]:
        video = f"https://cdn.example/v.mp4?simulate={scenario}"
        name = self.provider.name
        request: dict[str, Any] = {"model": "sync:3@0", "numberResults": results}
        request["inputs"] = {"video": video, "audio": AUDIO}
        if name == "sync":
            media = [{"type": "video", "url": video}, {"type": "audio", "url": AUDIO}]
            request = {"model": "sync-3", "input": media, "options": {"temperature": 0.2}}
        task = replace(sent_task(name), results_expected=results)
        checked = self.provider.check(request)
        hook = f"{self.base}/callbacks/{name}/{task.task_uuid}/{TOKEN}"
        return task, self.provider.first_send(task, checked.request, hook)

    async def read_until(
        self, task: Task, send: Any, condition: Callable[[Reading], bool]
    ) -> Reading:
        async with asyncio.timeout(10):
            while not condition(got := await self.provider.read(task, send)):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.02)
        return got


@pytest.fixture(params=["runware", "sync"])
async def board(request: pytest.FixtureRequest) -> AsyncIterator[Board]:
    async with AsyncExitStack() as owned:
        session = await owned.enter_async_context(aiohttp.ClientSession())
        simulator = Simulator(generation_seconds=0.1, sync_webhook_secret=SECRET)
        url = await simulator.start()
        owned.push_async_callback(simulator.stop)
        provider: Provider = Runware(session, api_key="any", url=f"{url}/v1", timeout_s=5)
        if request.param == "sync":
            provider = SyncSo(
                session, api_key="any", url=url, webhook_secrets=(SECRET,), timeout_s=5
            )
        board = Board(provider, simulator, "")
        app = web.Application()
        app.router.add_post("/callbacks/{provider}/{task}/{token}", board.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        owned.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        board.base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield board


def has_video(got: Reading) -> bool:
    return isinstance(got, Report) and bool(got.videos)


async def test_a_callback_and_a_read_tell_of_the_same_video(board: Board) -> None:
    task, send = board.prepare("ok")
    answer = await board.provider.submit(task, send)
    assert isinstance(answer, Accepted)
    [call] = await board.callbacks(1)
    assert call.report is not None
    assert call.verified is (True if board.provider.name == "sync" else None)
    task = replace(task, upstream_id=answer.upstream_id)
    got = await board.provider.read(task, send)
    assert isinstance(got, Report)
    assert got.videos == call.report.videos
    assert got.videos[0].url is not None


async def test_what_was_accepted_without_an_answer_is_found_by_reading(board: Board) -> None:
    task, send = board.prepare("drop")
    answer = await board.provider.submit(task, send)
    assert isinstance(answer, SubmitUnknown)
    assert not answer.answered
    got = await board.read_until(replace(task, unknown=True), send, has_video)
    assert isinstance(got, Report)
    assert (got.upstream_id is None) == (board.provider.name == "runware")
    assert len(board.simulator.billed) == 1


async def test_the_same_bytes_sent_again_are_not_billed_again(board: Board) -> None:
    task, send = board.prepare("drop,lag:0.5")
    assert isinstance(await board.provider.submit(task, send), SubmitUnknown)
    assert await board.provider.read(task, send) == ReadNothing()
    again = replace(task, unknown=True, attempts=2)
    answer = await board.provider.submit(again, send)
    if board.provider.name == "sync":
        assert isinstance(answer, Accepted)
        again = replace(again, upstream_id=answer.upstream_id)
    else:
        assert isinstance(answer, SubmitUnknown)
        assert answer.fault.code == "conflictTaskUUID"
        again = replace(again, error=answer.fault)
    assert has_video(await board.read_until(again, send, has_video))
    assert len(board.simulator.billed) == 1


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ("reject", Refused),
        ("401", TryLater),
        ("402", TryLater),
        ("429", TryLater),
        ("busy", TryLater),
        ("500", SubmitUnknown),
        ("503", SubmitUnknown),
        ("504", SubmitUnknown),
        ("html", SubmitUnknown),
        ("reset", SubmitUnknown),
    ],
)
async def test_what_was_not_accepted_is_never_billed(
    board: Board, scenario: str, kind: type
) -> None:
    task, send = board.prepare(scenario)
    assert type(await board.provider.submit(task, send)) is kind
    assert await board.provider.read(task, send) == ReadNothing()
    assert board.simulator.billed == []


@pytest.mark.parametrize("scenario", ["fail", "noreason", "flat,fail", "nostatus,fail", "rejected"])
async def test_a_failure_is_told_by_callback_and_by_read(board: Board, scenario: str) -> None:
    task, send = board.prepare(scenario)
    answer = await board.provider.submit(task, send)
    assert isinstance(answer, Accepted)
    [call] = await board.callbacks(1)
    got = await board.provider.read(replace(task, upstream_id=answer.upstream_id), send)
    assert isinstance(got, Report)
    assert call.report is not None
    assert (call.report.faults, call.report.rejected) == (got.faults, got.rejected)
    assert got.vague is call.report.vague is (scenario == "noreason")
    assert got.says_ended


async def test_a_callback_of_an_unknown_shape_is_left_to_a_read(board: Board) -> None:
    task, send = board.prepare("garbage")
    await board.provider.submit(task, send)
    [call] = await board.callbacks(1)
    assert call.report is None


@pytest.mark.parametrize("board", ["runware"], indirect=True)
async def test_several_results_come_one_by_one(board: Board) -> None:
    task, send = board.prepare("partial,nostatus", results=4)
    await board.provider.submit(task, send)
    calls = [call.report for call in await board.callbacks(4)]
    assert [(len(r.videos), len(r.faults)) for r in calls if r] == [(1, 0), (0, 1)] * 2
    got = await board.provider.read(task, send)
    assert isinstance(got, Report)
    assert (len(got.videos), len(got.faults), got.running) == (2, 2, False)
    assert len({video.video_uuid for video in got.videos}) == 2


async def test_an_expired_url_is_had_anew_by_reading(board: Board) -> None:
    task, send = board.prepare("expire403:1")
    answer = await board.provider.submit(task, send)
    assert isinstance(answer, Accepted)
    [call] = await board.callbacks(1)
    assert call.report is not None
    [told] = call.report.videos
    assert told.url is not None
    async with aiohttp.ClientSession() as session, asyncio.timeout(10):
        while (await session.head(told.url)).status != 403:
            pass
        got = await board.provider.read(replace(task, upstream_id=answer.upstream_id), send)
        assert isinstance(got, Report)
        [fresh] = got.videos
        assert fresh.url is not None
        assert (fresh.video_uuid, fresh.url != told.url) == (told.video_uuid, True)
        assert (await session.head(fresh.url)).status == 200
