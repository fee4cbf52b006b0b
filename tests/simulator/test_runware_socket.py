"""The simulated Runware over WebSockets: authentication, sessions, pushes, breaks and silence."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

VIDEO = "https://cdn.example/v.mp4"
OTHER_MODEL = "klingai:5@3"
Dial = Callable[..., Awaitable["Line"]]


class Line:
    """One connection to a simulator."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, *tasks: Any) -> Any:
        await self.socket.send_json(list(tasks))
        return await self.heard()

    async def heard(self) -> Any:
        return await self.socket.receive_json(timeout=5)

    async def ended(self) -> int | None:
        """Return the code of the close; 1006 if there was none."""
        message = await self.socket.receive(timeout=5)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        return self.socket.close_code

    async def authenticate(self, key: str = "any", session: str | None = None) -> Any:
        more = {"connectionSessionUUID": session} if session else {}
        answer = await self.ask({"taskType": "authentication", "apiKey": key, **more})
        return answer["data"][0]["connectionSessionUUID"]


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    async with AsyncExitStack() as owned:

        async def connect(upstream: Any, query: str = "") -> Line:
            url = f"{upstream.base}/v1{query}"
            socket = await owned.enter_async_context(upstream.session.ws_connect(url))
            return Line(socket)

        yield connect


def a_task(simulate: str = "ok", **more: Any) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": str(uuid4()),
        "model": "sync:3@0",
        "inputs": {"video": f"{VIDEO}?simulate={simulate}", "audio": VIDEO},
        **more,
    }


def held(simulate: str = "ok", **more: Any) -> dict[str, Any]:
    """Make a task whose results are given on the connection it came by; sync-3 allows none."""
    return a_task(simulate, model=OTHER_MODEL, deliveryMethod="sync", **more)


def row(task: dict[str, Any], kind: str = "videoInference") -> dict[str, Any]:
    return {"taskType": kind, "taskUUID": task["taskUUID"]}


async def test_a_session_is_given_for_a_key_and_pings_are_answered(
    upstream: Any, dial: Dial
) -> None:
    line = await dial(upstream)
    assert await line.authenticate()
    pong = {"data": [{"taskType": "ping", "pong": True}]}
    assert await line.ask({"taskType": "ping", "ping": True}) == pong


@pytest.mark.parametrize(("key", "code"), [("bad-key", "invalidApiKey"), ("", "missingApiKey")])
async def test_a_bad_key_is_refused_by_an_error_about_the_authentication(
    upstream: Any, dial: Dial, key: str, code: str
) -> None:
    line = await dial(upstream)
    (error,) = (await line.ask({"taskType": "authentication", "apiKey": key}))["errors"]
    assert (error["code"], error["taskType"], error["parameter"]) == (
        code,
        "authentication",
        "apiKey",
    )
    assert (await line.ask(a_task()))["errors"][0]["code"] == "missingApiKey"
    assert upstream.simulator.billed == []


async def test_tasks_and_polls_are_answered_as_over_http(upstream: Any, dial: Dial) -> None:
    line, task = await dial(upstream), a_task("delay:30", numberResults=2)
    await line.authenticate()
    assert await line.ask(task) == {"data": [row(task)]}
    waiting = row(task) | {"status": "processing"}
    assert await line.ask(row(task, "getResponse")) == {"data": [waiting, waiting]}
    _, posted = await upstream.runware(row(task, "getTaskDetails"))
    assert await line.ask(row(task, "getTaskDetails")) == posted
    assert (await line.ask(a_task(shimmer=1)))["errors"][0]["code"] == "unsupportedParameter"
    assert await line.ask(row(a_task(), "getResponse")) == {"data": []}


async def test_each_task_of_a_frame_has_its_own_answer(upstream: Any, dial: Dial) -> None:
    line, good, bad = await dial(upstream), a_task("delay:30"), a_task("reject")
    await line.authenticate()
    assert await line.ask(good, bad) == {"data": [row(good)]}
    assert (await line.heard())["errors"][0]["taskUUID"] == bad["taskUUID"]
    await line.socket.send_str("no tasks")
    assert (await line.heard())["errors"][0]["code"] == "invalidRequest"


@pytest.mark.parametrize("task", [held("partial", numberResults=2), a_task("push")])
async def test_results_are_pushed_when_they_are_done(
    upstream: Any, dial: Dial, task: dict[str, Any]
) -> None:
    line = await dial(upstream)
    await line.authenticate()
    first = await line.ask(task)
    if "deliveryMethod" not in task:
        assert first == {"data": [row(task)]}
        first = await line.heard()
    assert first["data"][0]["videoURL"].startswith(upstream.base)
    if task.get("numberResults") == 2:
        assert (await line.heard())["errors"][0]["status"] == "error"


async def test_what_was_not_delivered_waits_for_the_session_to_come_back(
    upstream: Any, dial: Dial
) -> None:
    task, line = held("delay:0.2"), await dial(upstream)
    session = await line.authenticate()
    await line.socket.send_json([task])
    await line.ask({"taskType": "ping", "ping": True})
    await line.socket.close()
    again = await dial(upstream)
    assert await again.authenticate(session=session) == session
    assert (await again.heard())["data"][0]["taskUUID"] == task["taskUUID"]


async def test_a_session_is_another_one_after_too_long_or_with_another_key(
    start: Any, dial: Dial
) -> None:
    upstream = await start(socket_buffer_seconds=0)
    first = await dial(upstream)
    session = await first.authenticate()
    assert await (await dial(upstream)).authenticate("other", session) != session
    await first.socket.close()
    assert await (await dial(upstream)).authenticate(session=session) != session


@pytest.mark.parametrize(("simulate", "billed"), [("reset", 0), ("drop", 1), ("hang:0.01", 1)])
async def test_a_connection_breaks_before_or_after_a_task_is_accepted(
    upstream: Any, dial: Dial, simulate: str, billed: int
) -> None:
    line, task = await dial(upstream), a_task(simulate)
    await line.authenticate()
    await line.socket.send_json([task])
    assert await line.ended() == 1006
    assert len(upstream.simulator.billed) == billed
    again = await dial(upstream)
    await again.authenticate()
    answer = await again.ask(task)
    if billed:
        assert answer["errors"][0]["code"] == "conflictTaskUUID"
    else:
        assert answer == {"data": [row(task)]}


async def test_a_silent_connection_is_closed_properly(start: Any, dial: Dial) -> None:
    upstream = await start(socket_silence_seconds=0.1)
    line = await dial(upstream)
    await line.authenticate()
    assert await line.ended() == 1000


async def test_a_restart_breaks_all_connections_and_refuses_new_ones_for_a_while(
    upstream: Any, dial: Dial, until: Any
) -> None:
    line, bystander, task = await dial(upstream), await dial(upstream), a_task("restart:0.3")
    await line.authenticate()
    assert await line.ask(task) == {"data": [row(task)]}
    assert await bystander.ended() == 1006
    with pytest.raises(aiohttp.ClientError):
        await dial(upstream)
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.runware(row(task, "getResponse"))
    answers: list[Any] = []
    while not answers:
        try:
            answers.append(await upstream.runware(row(task, "getResponse")))
        except aiohttp.ClientConnectionError:
            continue
    assert answers[0][1]["data"][0]["taskUUID"] == task["taskUUID"]


async def test_a_dry_run_may_be_asked_for_in_the_address(upstream: Any, dial: Dial) -> None:
    line = await dial(upstream, "?sdk=js&dryRun=1")
    await line.authenticate()
    (item,) = (await line.ask(a_task(numberResults=2)))["data"]
    assert item["cost"] == 1.33
    assert upstream.simulator.billed == []


async def test_a_plain_get_is_told_to_post(upstream: Any) -> None:
    assert (await upstream.read("/v1"))[0] == 405
