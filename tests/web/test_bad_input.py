"""What bad input gets: each a 4xx problem that names the place, and nothing is stored."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from uuid import UUID, uuid4

import pytest

from service.store.pool import Pool
from service.web.deps import Limits
from tests.support.web import Api, serving, submission

JSON = {"Content-Type": "application/json"}


@pytest.fixture(autouse=True)
async def nothing_is_stored(pool: Pool) -> AsyncIterator[None]:
    before = await pool.fetchval("SELECT count(*) FROM callboard.tasks")
    yield
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == before


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        (b"", "line 1 column 1"),
        (b"{", "line 1 column"),
        (b'{\n  "provider": runware}', "line 2 column"),
        (b'{"provider": "runware"} x', "line 1 column"),
        (b'{"a": NaN}', "line 1 column"),
        (b'{"a": Infinity}', "line 1 column"),
        (b'{"a": -Infinity}', "line 1 column"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[" * 5_000 + b"]" * 5_000, "not JSON"),
        (b"[" * 255 + b"]" * 255, "too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "number"),
    ],
)
async def test_what_is_not_json_is_malformed(api: Api, raw: bytes, named: str) -> None:
    reply = await api.call("POST", "/v1/tasks", data=raw, headers=JSON)

    assert named in reply.problem(400, "malformed").detail


@pytest.mark.parametrize("body", ["text", 1, 1.5, True])
async def test_a_body_that_is_neither_object_nor_array_is_invalid(api: Api, body: object) -> None:
    assert (await api.post("/v1/tasks", body)).pointers() == [""]


async def test_null_is_invalid(api: Api) -> None:
    reply = await api.call("POST", "/v1/tasks", data=b"null", headers=JSON)

    assert reply.pointers() == [""]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"provider": "nobody"}, "/provider"),
        ({"provider": 7}, "/provider"),
        ({"provider": None}, "/provider"),
        ({"request": []}, "/request"),
        ({"request": {"model": "m", "bad": 1}}, "/request/bad"),
        ({"taskUUID": "x"}, "/taskUUID"),
        ({"taskUUID": str(UUID(int=1))}, "/taskUUID"),
        ({"labels": {"a": 1}}, "/labels/a"),
        ({"labels": {f"k{n}": "v" for n in range(17)}}, "/labels"),
        ({"labels": {"a:b": "v"}}, "/labels/a:b"),
        ({"labels": {"a/b~c": 1}}, "/labels/a~1b~0c"),
        ({"labels": {"a": "\0"}}, "/labels/a"),
        ({"metadata": "x" * 17_000}, "/metadata"),
        ({"deadlineSeconds": "60"}, "/deadlineSeconds"),
        ({"deadlineSeconds": 0}, "/deadlineSeconds"),
        ({"startWithinSeconds": 1.5}, "/startWithinSeconds"),
        ({"priority": 101}, "/priority"),
        ({"priority": True}, "/priority"),
        ({"priorty": 1}, "/priorty"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, wrong: dict[str, object], pointer: str) -> None:
    reply = await api.post("/v1/tasks", submission(**wrong))

    assert reply.pointers() == [pointer]


async def test_all_faults_of_a_body_come_in_one_answer(api: Api) -> None:
    body = {"provider": "runware", "request": {"bad": 1}, "priority": "high", "unknown": 1}
    reply = await api.post("/v1/tasks", body)

    assert sorted(reply.pointers()) == ["/priority", "/request/bad", "/request/model", "/unknown"]


async def test_all_faults_of_all_submissions_come_in_one_answer(api: Api) -> None:
    bodies = [
        submission(),
        submission(priority=1000),
        submission(request={"model": "m", "bad": 1}),
        "text",
        {"provider": "nobody", "request": {}},
        {"request": {}},
    ]
    reply = await api.post("/v1/tasks", bodies)

    named = ["/1/priority", "/2/request/bad", "/3", "/4/provider", "/5/provider"]
    assert reply.pointers() == named


@pytest.mark.parametrize("size", [0, 101])
async def test_an_array_of_none_or_too_many_is_invalid(api: Api, size: int) -> None:
    assert (await api.post("/v1/tasks", [submission()] * size)).pointers() == [""]


async def test_a_provider_without_a_key_is_off_and_says_why(pool: Pool) -> None:
    why = "The provider sync is off: set CALLBOARD_SYNC_API_KEY."
    async with serving(pool, off={"sync": why}) as api:
        reply = await api.post("/v1/tasks", submission(provider="sync"))

    (fault,) = reply.problem(422, "invalid").errors
    assert (fault.pointer, fault.detail) == ("/provider", why)


async def test_a_body_over_the_cap_is_too_large(pool: Pool) -> None:
    async with serving(pool, limits=Limits(body_bytes=1000)) as api:
        told = await api.call("POST", "/v1/tasks", data=b" " * 1001, headers=JSON)
        chunked = await api.call("POST", "/v1/tasks", data=_chunks(b" " * 300, 4), headers=JSON)
        fits = await api.call("POST", "/v1/tasks", data=b" " * 1000, headers=JSON)

    told.problem(413, "too_large")
    chunked.problem(413, "too_large")
    fits.problem(400, "malformed")


async def test_the_cap_is_8_mib(api: Api) -> None:
    reply = await api.call("POST", "/v1/tasks", data=BytesIO(b" " * (8 * 2**20 + 1)), headers=JSON)

    assert "8388608" in reply.problem(413, "too_large").detail


async def test_a_body_that_comes_too_slowly_is_given_up(pool: Pool) -> None:
    async with serving(pool, limits=Limits(body_s=0.05)) as api:
        reply = await api.call("POST", "/v1/tasks", data=_never_ends(), headers=JSON)

    reply.problem(408, "request_timeout")


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
async def test_a_body_of_another_form_is_not_taken(api: Api, headers: dict[str, str]) -> None:
    reply = await api.call("POST", "/v1/tasks", data=b"{}", headers=headers)

    reply.problem(415, "unsupported_media_type")


@pytest.mark.parametrize("key", ["", " ", "a b", "k" * 256, "schlüssel", "tab\there"])
async def test_an_idempotency_key_is_visible_ascii(api: Api, key: str) -> None:
    headers = [("Authorization", "Bearer cb_test-key"), ("Idempotency-Key", key)]
    async with api.session.post(
        f"{api.base}/v1/tasks", json=submission(), headers=headers
    ) as answer:
        problem = await answer.json()

    assert (answer.status, problem["code"]) == (400, "malformed")
    assert "Idempotency-Key" in problem["detail"]


@pytest.mark.parametrize("body", [{"again": "yes"}, {"agian": True}, {"force": None}, []])
async def test_the_options_of_a_retry_are_checked(api: Api, body: object) -> None:
    reply = await api.post(f"/v1/tasks/{uuid4()}/retry", body)

    assert reply.pointers()[0] in {"/again", "/agian", "/force", ""}


async def _chunks(part: bytes, times: int) -> AsyncIterator[bytes]:
    for _ in range(times):
        yield part


async def _never_ends() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()
