"""The body of a batch: faults name their line, limits hold, and what is not whole is not stored."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from service.flows import gather
from service.store.pool import Pool
from service.web.deps import Limits
from tests.support.batches import NDJSON, as_lines, send, stored
from tests.support.fakes import said
from tests.support.house import API_KEY
from tests.support.web import Api, serving, submission

GOOD = as_lines(submission())


@pytest.fixture(autouse=True)
async def nothing_is_stored(pool: Pool) -> AsyncIterator[None]:
    before = (await stored(pool))[0]
    yield
    assert (await stored(pool))[0] == before


async def test_every_fault_of_every_line_names_its_line(api: Api) -> None:
    bad = submission(priority="x", request={"model": "m", "bad1": 1})
    reply = await send(api, b"\n" + GOOD + b" \r\n" + as_lines(bad) + b"{\n[1]\nnull\n" + GOOD)

    problem = reply.problem(422, "invalid")
    assert [f.pointer for f in problem.errors] == [
        *("/line/4/priority", "/line/4/request/bad1"),
        *("/line/5", "/line/6", "/line/7"),
    ]
    assert "The line is not JSON" in problem.errors[2].detail
    assert "nothing was stored" in problem.detail


async def test_faults_beyond_those_that_are_listed_are_counted(api: Api) -> None:
    reply = await send(api, as_lines(*[submission(priority="x")] * (gather.MOST_FAULTS + 23)))

    problem = reply.problem(422, "invalid")
    assert len(problem.errors) == gather.MOST_FAULTS
    assert "23 more faults are not listed" in problem.detail


async def test_a_name_that_stands_twice_is_told_with_both_lines(api: Api) -> None:
    name = str(uuid4())
    twice = submission(taskUUID=name)
    reply = await send(api, as_lines(twice, submission(), twice, submission(priority="x"), twice))

    assert [(f.pointer, f.detail) for f in reply.problem(422, "invalid").errors] == [
        ("/line/3/taskUUID", "Line 1 has the same taskUUID."),
        ("/line/4/priority", reply.json["errors"][1]["detail"]),
        ("/line/5/taskUUID", "Line 1 has the same taskUUID."),
    ]


async def test_taken_names_are_told_with_their_lines_in_every_chunk(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "CHUNK", 2)
    taken, free = [str(await api.made()) for _ in range(2)], str(uuid4())
    names = [free, taken[0], str(uuid4()), str(uuid4()), taken[1]]
    before = await stored(pool)
    reply = await send(api, b"\n" + as_lines(*[submission(taskUUID=n) for n in names]))

    problem = reply.problem(409, "conflict")
    assert [f.pointer for f in problem.errors] == ["/line/3/taskUUID", "/line/6/taskUUID"]
    assert await stored(pool) == before
    (await api.get(f"/v1/tasks/{free}")).problem(404, "not_found")


@pytest.mark.parametrize("body", [b"", b"\n\r\n  \n"])
async def test_a_batch_without_a_submission_is_invalid(api: Api, body: bytes) -> None:
    assert (await send(api, body)).pointers() == [""]


async def test_a_compressed_batch_is_refused(api: Api) -> None:
    reply = await send(api, gzip.compress(GOOD), Content_Encoding="gzip")

    reply.problem(415, "unsupported_media_type")


@pytest.mark.parametrize("media", ["application/json", "text/plain", "multipart/form-data"])
async def test_other_media_types_are_refused_and_the_right_one_is_named(
    api: Api, media: str
) -> None:
    problem = (await send(api, GOOD, Content_Type=media)).problem(415, "unsupported_media_type")

    assert "application/x-ndjson" in problem.detail


@pytest.mark.parametrize(
    ("limits", "body", "named"),
    [
        (Limits(batch_bytes=1000), GOOD * 100, "at most 1000 bytes"),
        (Limits(batch_line_bytes=200), GOOD + b"x" * 201 + b"\n" + GOOD, "Line 2 is longer"),
        (Limits(batch_line_bytes=200), GOOD + b"\n" + b" " * 201, "Line 3 is longer"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_what_is_too_large_is_413(
    pool: Pool, limits: Limits, body: bytes, named: str, chunked: bool
) -> None:
    async with serving(pool, limits=limits) as api:
        reply = await send(api, _in_parts(body) if chunked else body)
        assert named in reply.problem(413, "too_large").detail


async def _in_parts(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 70):
        yield body[start : start + 70]


@pytest.mark.parametrize(
    "limits", [Limits(body_s=0.05), Limits(batch_s=0.05)], ids=["a pause", "too long"]
)
async def test_a_body_that_comes_too_slowly_is_408(pool: Pool, limits: Limits) -> None:
    async def stuck() -> AsyncIterator[bytes]:
        yield GOOD
        await never.wait()

    never = asyncio.Event()
    async with serving(pool, limits=limits) as api:
        (await send(api, stuck())).problem(408, "request_timeout")


async def test_a_caller_that_goes_away_leaves_nothing_behind(api: Api, pool: Pool) -> None:
    before = await stored(pool)
    _, writer = await asyncio.open_connection("127.0.0.1", api.running.port)
    writer.write(_head(len(GOOD) * 3) + GOOD * 2)
    await writer.drain()
    await _reading(api, 1)
    writer.close()
    await writer.wait_closed()
    await _reading(api, 0)

    assert await stored(pool) == before


async def test_more_batches_at_once_than_fit_are_asked_to_come_later(api: Api, pool: Pool) -> None:
    writers = []
    for _ in range(gather.MOST_AT_ONCE):
        _, writer = await asyncio.open_connection("127.0.0.1", api.running.port)
        writer.write(_head(1000))
        writers.append(writer)
    await _reading(api, gather.MOST_AT_ONCE)
    reply = await send(api, GOOD)
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    await _reading(api, 0)

    reply.problem(503, "unavailable")
    assert reply.headers["Retry-After"] == "1"


async def test_callbacks_are_answered_while_a_body_is_read(api: Api) -> None:
    """While the lines of a body are read that is there already, others get their turn between any two."""
    task_uuid = await api.made()
    reading = asyncio.create_task(send(api, as_lines(*[submission(priority="x")] * 3000)))
    await _reading(api, 1)
    called = await api.call_back(task_uuid, said("v1"))

    assert called.status == 200
    assert not reading.done()
    (await reading).problem(422, "invalid")


def _head(length: int) -> bytes:
    head = {"Host": "x", "Authorization": f"Bearer {API_KEY}", **NDJSON, "Content-Length": length}
    lines = ["POST /v1/batches HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
    return "\r\n".join([*lines, "", ""]).encode()


async def _reading(api: Api, batches: int) -> None:
    async with asyncio.timeout(5):
        while api.house.gather._reading != batches:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.002)


async def test_a_line_may_come_in_any_pieces(api: Api) -> None:
    body = as_lines(submission(priority="x"), submission(), submission(priority="y"))

    async def byte_by_byte() -> AsyncIterator[bytes]:
        for n in range(len(body)):
            yield body[n : n + 1]

    reply = await send(api, byte_by_byte())
    whole = await send(api, body)
    assert reply.pointers() == ["/line/1/priority", "/line/3/priority"]
    assert json.loads(whole.raw)["errors"] == reply.json["errors"]
