"""Where providers call back: every row of CONTRACT.md section 5."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from io import BytesIO
from uuid import UUID, uuid4

import pytest

from service.core import callback_token
from service.store.pool import Pool
from service.web.deps import Limits
from tests.support.callbacks import outcome, state, stored
from tests.support.fakes import said
from tests.support.house import CALLBACK_KEYS
from tests.support.web import PUBLIC, Api, serving


async def test_a_good_callback_is_applied_in_the_same_commit(api: Api, pool: Pool) -> None:
    task_uuid = await api.made()
    await api.house.send_queued()
    reply = await api.call_back(task_uuid, said("v1"))

    assert outcome(reply) == "applied"
    assert await stored(pool, task_uuid) == ["applied"]
    assert await state(api, task_uuid) == "completed"


async def test_what_says_nothing_new_is_a_duplicate_in_any_state(api: Api, pool: Pool) -> None:
    task_uuid = await api.made(request={"model": "m", "numberResults": 2})
    await api.house.send_queued()
    outcomes = [
        outcome(await api.call_back(task_uuid, said(*videos)))
        for videos in (["v1"], ["v1"], ["v2"], ["v1"], ["v2", "v1"])
    ]

    assert outcomes == ["applied", "duplicate", "applied", "duplicate", "duplicate"]
    assert await stored(pool, task_uuid) == outcomes


async def test_a_callback_before_our_own_submit_returned_is_applied(api: Api) -> None:
    provider = api.house.providers["runware"]
    provider.hold.clear()
    task_uuid = await api.made(priority=100)
    sending = asyncio.create_task(api.house.send_queued())
    async with asyncio.timeout(5):
        while not provider.sent:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.005)
    assert await state(api, task_uuid) == "submitting"
    assert outcome(await api.call_back(task_uuid, said("v1"))) == "applied"
    provider.hold.set()
    await sending

    assert await state(api, task_uuid) == "completed"


async def test_something_new_to_a_final_task_is_late(api: Api) -> None:
    task_uuid = await api.made()
    await api.call_back(task_uuid, said("v1"))
    reply = await api.call_back(task_uuid, said("v2"))

    assert outcome(reply) == "late"
    shown = (await api.get(f"/v1/tasks/{task_uuid}")).json
    assert [result["state"] for result in shown["results"]] == ["completed", "late"]


async def test_a_callback_that_names_another_task_is_conflicting(api: Api) -> None:
    task_uuid = await api.made()

    assert outcome(await api.call_back(task_uuid, said("v1", other=True))) == "conflicting"
    assert await state(api, task_uuid) == "queued"


async def test_a_callback_of_a_second_generation_is_conflicting(api: Api) -> None:
    task_uuid = await api.made()
    await api.house.send_queued()

    assert outcome(await api.call_back(task_uuid, said("v1", upstream_id="up-2"))) == "conflicting"


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\0", b"OK", b"[]", b"[" * 10_000])
async def test_an_unknown_shape_is_kept_and_the_upstream_is_asked(
    api: Api, pool: Pool, body: bytes
) -> None:
    task_uuid = await api.made()
    await api.house.send_queued()

    assert outcome(await api.call_back(task_uuid, body)) == "unreadable"
    kept = await pool.fetchrow(
        "SELECT c.body, t.look_again_at <= clock_timestamp() AS due FROM callboard.callbacks AS c"
        " JOIN callboard.tasks AS t USING (task_uuid) WHERE c.task_uuid = $1",
        task_uuid,
    )
    assert kept is not None
    assert (kept["body"], kept["due"]) == (body, True)


def wrong_paths() -> list[str]:
    # Fixed: they are part of the names of tests.
    task_uuid, other = UUID(int=7 << 64), UUID(int=8 << 64)
    token = callback_token.mint(CALLBACK_KEYS, "runware", task_uuid)
    return [
        f"/callbacks/runware/{task_uuid}/{token[:-1]}",
        f"/callbacks/runware/{task_uuid}/{token}A",
        f"/callbacks/runware/{task_uuid}/{token.swapcase()}",
        f"/callbacks/runware/{task_uuid}/t%C3%B6ken",
        f"/callbacks/runware/{task_uuid}/%00",
        f"/callbacks/sync/{task_uuid}/{token}",
        f"/callbacks/nobody/{task_uuid}/{token}",
        f"/callbacks/runware/{other}/{token}",
        f"/callbacks/runware/{task_uuid.hex}/{token}",
        f"/callbacks/runware/x/{token}",
    ]


@pytest.mark.parametrize("path", wrong_paths())
async def test_a_bad_token_is_counted_and_not_stored(api: Api, pool: Pool, path: str) -> None:
    before = await pool.fetchval("SELECT count(*) FROM callboard.callbacks")
    reply = await api.call("POST", path, data=said("v1"), headers=PUBLIC)

    problem = reply.problem(401, "unauthorized")
    assert path.split("/")[4] not in reply.raw.decode()
    assert problem.instance.endswith("/[token]")
    assert await pool.fetchval("SELECT count(*) FROM callboard.callbacks") == before
    metrics = (await api.get("/metrics")).raw.decode()
    provider = path.split("/")[2].replace("nobody", "unknown")
    assert f'callbacks_refused_total{{provider="{provider}",reason="unauthorized"}} 1.0' in metrics


async def test_a_bad_token_is_refused_before_the_body_is_read(api: Api) -> None:
    path = f"/callbacks/runware/{uuid4()}/token"
    async with asyncio.timeout(3):
        reply = await api.call("POST", path, data=_never_ends(), headers=PUBLIC)

    reply.problem(401, "unauthorized")


async def test_every_key_verifies_and_the_first_one_mints(api: Api) -> None:
    task_uuid = await api.made()
    old = callback_token.mint(CALLBACK_KEYS[1:], "runware", task_uuid)
    assert api.callback_path(task_uuid).endswith(
        callback_token.mint(CALLBACK_KEYS[:1], "runware", task_uuid)
    )
    path = f"/callbacks/runware/{str(task_uuid).upper()}/{old}"
    reply = await api.call("POST", path, data=said("v1"), headers=PUBLIC)

    assert outcome(reply) == "applied"


async def test_a_bad_signature_is_kept_not_applied_and_makes_a_poll_due(
    api: Api, pool: Pool
) -> None:
    task_uuid = await api.made(provider="sync")
    await api.house.send_queued()
    reply = await api.call_back(task_uuid, said("v1"), "sync", Sync_Signature="wrong")

    reply.problem(401, "unauthorized")
    assert await stored(pool, task_uuid) == ["unverified"]
    assert await state(api, task_uuid) == "processing"
    due = "SELECT look_again_at <= clock_timestamp() FROM callboard.tasks WHERE task_uuid = $1"
    assert await pool.fetchval(due, task_uuid)


async def test_a_callback_of_no_task_is_an_orphan(api: Api, pool: Pool) -> None:
    task_uuid = uuid4()

    assert outcome(await api.call_back(task_uuid, said("v1"))) == "orphan"
    assert await stored(pool, task_uuid) == ["orphan"]


async def test_what_is_larger_than_1_mib_is_refused(api: Api, pool: Pool) -> None:
    task_uuid = await api.made()
    told = await api.call_back(task_uuid, BytesIO(b" " * (2**20 + 1)))
    chunked = await api.call_back(task_uuid, _chunks(b" " * 2**18, 5))

    told.problem(413, "too_large")
    chunked.problem(413, "too_large")
    assert await stored(pool, task_uuid) == []


async def test_exactly_1_mib_is_taken(api: Api, pool: Pool) -> None:
    task_uuid = await api.made()
    reply = await api.call_back(task_uuid, BytesIO(said("v1").ljust(2**20)))

    assert outcome(reply) == "applied"


async def test_what_is_slower_than_its_time_is_refused(pool: Pool) -> None:
    assert Limits().callback_s == 5.0
    async with serving(pool, limits=Limits(callback_s=0.05)) as api:
        task_uuid = await api.made()
        reply = await api.call_back(task_uuid, _never_ends())

    reply.problem(408, "request_timeout")
    assert await stored(pool, task_uuid) == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity, gzip"])
async def test_what_is_compressed_is_refused(api: Api, pool: Pool, encoding: str) -> None:
    task_uuid = await api.made()
    body = gzip.compress(said("v1"))
    reply = await api.call_back(task_uuid, body, Content_Encoding=encoding)

    reply.problem(415, "unsupported_media_type")
    assert await stored(pool, task_uuid) == []


async def test_identity_is_no_compression(api: Api) -> None:
    task_uuid = await api.made()

    assert outcome(await api.call_back(task_uuid, said("v1"), Content_Encoding="identity"))


async def _chunks(part: bytes, times: int) -> AsyncIterator[bytes]:
    for _ in range(times):
        yield part


async def _never_ends() -> AsyncIterator[bytes]:
    yield b"{"
    await asyncio.Event().wait()
