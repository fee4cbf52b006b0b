"""Runware's rarer answers and callbacks, as the simulator gives them, read by our provider."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from service.core.inputs import Accepted, ReadFailed, Reading, ReadNothing, Report, TryLater
from service.core.task import FirstSend, Task
from service.ports import OpenedCallback, RawCallback
from service.providers.runware.client import Runware
from service.simulator.app import Simulator
from tests.support.samples import sent_task

AUDIO = "https://cdn.example/a.wav"


@dataclass
class Bench:
    """Our provider, and the simulator it talks to."""

    provider: Runware
    simulator: Simulator

    def prepare(
        self, simulate: str, task: Task | None = None, hook: str | None = None
    ) -> tuple[Task, FirstSend]:
        video = f"https://cdn.example/v.mp4?simulate={simulate}"
        request = {"model": "sync:3@0", "inputs": {"video": video, "audio": AUDIO}}
        task = task or sent_task("runware")
        return task, self.provider.first_send(task, self.provider.check(request).request, hook)

    async def submitted(self, simulate: str) -> tuple[Task, FirstSend]:
        task, send = self.prepare(simulate)
        assert isinstance(await self.provider.submit(task, send), Accepted)
        return task, send

    async def read_until(
        self, task: Task, send: FirstSend, condition: Callable[[Reading], bool]
    ) -> Reading:
        async with asyncio.timeout(10):
            while not condition(got := await self.provider.read(task, send)):  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.02)
        return got


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as owned:
        session = await owned.enter_async_context(aiohttp.ClientSession())
        simulator = Simulator(generation_seconds=0.05)
        url = await simulator.start()
        owned.push_async_callback(simulator.stop)
        provider = Runware(session, api_key="any", url=f"{url}/v1", timeout_s=5)
        yield Bench(provider, simulator)


def has_video(got: Reading) -> bool:
    return isinstance(got, Report) and bool(got.videos)


async def test_what_polls_do_not_show_any_more_is_found_in_the_archive(bench: Bench) -> None:
    task, send = await bench.submitted("archived")
    assert has_video(await bench.read_until(task, send, has_video))


async def test_an_error_inside_of_the_data_is_a_failure(bench: Bench) -> None:
    task, send = await bench.submitted("inline,early,fail:timeoutProvider")
    got = await bench.provider.read(task, send)
    assert isinstance(got, Report)
    assert [fault.code for fault in got.faults] == ["timeoutProvider"]
    assert got.says_ended


@pytest.mark.parametrize("simulate", ["progress,delay:30", "onerow,delay:30"])
async def test_what_is_under_way_is_running(bench: Bench, simulate: str) -> None:
    got = await bench.provider.read(*await bench.submitted(simulate))
    assert isinstance(got, Report)
    assert (got.running, got.says_ended) == (True, False)


async def test_a_poll_that_knows_no_such_task_proves_nothing(bench: Bench) -> None:
    task, send = await bench.submitted("early,notfound:0.3")
    assert await bench.provider.read(task, send) == ReadNothing()
    assert has_video(await bench.read_until(task, send, has_video))


async def test_a_refused_read_says_nothing_of_the_task(bench: Bench) -> None:
    task, send = await bench.submitted("early,blind:1")
    assert isinstance(await bench.provider.read(task, send), ReadFailed)
    assert has_video(await bench.provider.read(task, send))


async def test_a_restart_is_outlived_by_the_task(bench: Bench) -> None:
    task, send = await bench.submitted("restart:0.3")
    assert isinstance(await bench.provider.read(task, send), ReadFailed)
    assert has_video(await bench.read_until(task, send, has_video))
    assert len(bench.simulator.billed) == 1


async def test_the_wait_that_a_throttle_names_is_kept(bench: Bench) -> None:
    answer = await bench.provider.submit(*bench.prepare("429,retryafter:7"))
    assert isinstance(answer, TryLater)
    assert answer.retry_after is not None
    assert answer.retry_after.total_seconds() == 7


@pytest.mark.parametrize(("simulate", "failed"), [("bare", False), ("singular,fail", True)])
async def test_rarer_callbacks_are_read(
    bench: Bench, receiver: Any, simulate: str, failed: bool
) -> None:
    called: list[OpenedCallback] = []
    task = sent_task("runware")

    async def take(request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = RawCallback(task.task_uuid, await request.read(), headers)
        called.append(bench.provider.open_callback(call))
        return web.Response()

    async with receiver(take) as hook:
        await bench.provider.submit(*bench.prepare(f"early,{simulate}", task, hook))
    assert called[0].report is not None
    assert (len(called[0].report.videos), len(called[0].report.faults)) == (
        (0, 1) if failed else (1, 0)
    )
