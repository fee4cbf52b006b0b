"""Around every request: ids, the log, problems for what nobody foresaw; and the server's own manners."""

import asyncio
from uuid import uuid4

import pytest
import structlog
from structlog.testing import capture_logs
from yarl import URL

from schemas.api.problem import Problem
from service.store.pool import Pool
from service.web.server import LINE_BYTES, ServerLog
from tests.support.fakes import said
from tests.support.house import API_KEY
from tests.support.web import PUBLIC, Api, serving


async def test_a_request_id_is_made_or_taken_and_given_back(api: Api) -> None:
    given = await api.get("/livez", **{"X-Request-Id": "caller-1:a.b_c"})
    made = await api.get("/livez")
    other = await api.get("/livez")
    refused = await api.get("/livez", **{"X-Request-Id": "two words"})

    assert given.headers["X-Request-Id"] == "caller-1:a.b_c"
    ids = {reply.headers["X-Request-Id"] for reply in (made, other, refused)}
    assert len(ids) == 3
    assert all(len(request_id) == 32 for request_id in ids)


async def test_each_request_is_one_line_that_names_its_route_and_no_token(api: Api) -> None:
    task_uuid = await api.made()
    path = api.callback_path(task_uuid)
    with capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        await api.call_back(task_uuid, said("v1"))
        await api.call("POST", f"{path}x", headers=PUBLIC)
        await api.call("PUT", path, headers=PUBLIC)
        await api.call("POST", f"{path}/more", headers=PUBLIC)

    about = [line for line in lines if line["event"] == "http.request"]
    route = "/callbacks/{provider}/{task}/{token}"
    assert [(line["method"], line["route"], line["status"]) for line in about] == [
        ("POST", route, 200),
        ("POST", route, 401),
        ("PUT", "unmatched", 405),
        ("POST", "unmatched", 404),
    ]
    assert all(line["duration_ms"] >= 0 and line["request_id"] for line in about)
    assert path.rsplit("/", 1)[1] not in repr(lines)


async def test_probes_are_no_noise_in_the_log(api: Api) -> None:
    with capture_logs() as lines:
        await api.get("/livez")
        await api.get("/readyz")

    assert [line["log_level"] for line in lines] == ["debug", "debug"]


async def test_what_nobody_foresaw_tells_nothing_but_is_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("the password is secret")

    monkeypatch.setattr(type(api.house.look), "task", broken)
    with capture_logs() as lines:
        reply = await api.get(f"/v1/tasks/{uuid4()}")

    problem = reply.problem(500, "internal")
    assert "password" not in reply.raw.decode()
    assert problem.detail
    assert [line["event"] for line in lines] == ["http.failed", "http.request"]
    assert (await api.get("/livez")).status == 200


async def test_bytes_that_are_no_http_are_noted_without_being_quoted(api: Api) -> None:
    with capture_logs() as lines:
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(api))
        writer.write(b"GET /callbacks/runware/x/secret\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"400 Bad Request" in await reader.read()
        writer.close()
        await writer.wait_closed()

    assert [line["event"] for line in lines] == ["http.unreadable"]
    assert "secret" not in repr(lines)


def test_a_fault_of_the_server_itself_is_an_error_in_the_log() -> None:
    with capture_logs() as lines:
        ServerLog().exception("Unhandled exception", exc_info=RuntimeError())
        ServerLog().debug("noise", exc_info=None)

    assert [(line["event"], line["log_level"]) for line in lines] == [("http.broke", "error")]


async def test_what_breaks_off_is_no_error_of_ours(api: Api, pool: Pool) -> None:
    task_uuid = await api.made()
    with capture_logs() as lines:
        _, writer = await asyncio.open_connection("127.0.0.1", _port(api))
        head = f"POST {api.callback_path(task_uuid)} HTTP/1.1\r\nHost: x\r\n"
        writer.write(f"{head}Content-Length: 100\r\n\r\nhalf".encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(5):
            while not lines:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.005)

    assert [line["status"] for line in lines if line["event"] == "http.request"] == [400]
    found = "SELECT count(*) FROM callboard.callbacks WHERE task_uuid = $1"
    assert await pool.fetchval(found, task_uuid) == 0


async def test_a_stop_lets_a_handler_finish(pool: Pool) -> None:
    async with serving(pool) as api:
        task_uuid = await api.made()
        waiting = asyncio.create_task(api.get(f"/v1/tasks/{task_uuid}?wait=1"))
        async with asyncio.timeout(5):
            while not api.house.wake._tasks:  # noqa: ASYNC110 - nothing signals it
                await asyncio.sleep(0.005)
        stopping = asyncio.create_task(api.running.stop())
        assert (await waiting).status == 200
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", _port(api))


async def test_many_requests_go_over_one_connection(api: Api) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", _port(api))
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
    for _ in range(3):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()


def _port(api: Api) -> int:
    return api.running.port


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /v1/tasks?secret=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/tasks?secret=" + b"x" * LINE_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/tasks HTTP/1.1\r\nsecret: " + b"x" * 10_000 + b"\r\n\r\n",
        b"secret\r\n\r\n",
    ],
    ids=["bytes", "long line", "long header", "no http"],
)
async def test_bytes_that_are_no_http_are_answered_with_a_problem(api: Api, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", _port(api))
    writer.write(raw)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()

    assert head.partition(b" ")[2].startswith(b"400 ")
    assert b"Content-Type: application/problem+json" in head
    problem = Problem.model_validate_json(body)
    assert (problem.status, problem.code) == (400, "malformed")
    assert b"secret" not in head + body


async def test_a_long_query_is_read(api: Api) -> None:
    labels = "&".join(f"label={'%F0%9F%98%80' * 64}:{'%F0%9F%98%80' * 256}" for _ in range(16))
    async with api.session.get(
        URL(f"{api.base}/v1/tasks?{labels}", encoded=True),
        headers={"Authorization": f"Bearer {API_KEY}"},
    ) as answer:
        assert answer.status == 200
