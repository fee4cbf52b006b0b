"""Idempotency-Key: one effect a key, the first answer again, errors not kept."""

import asyncio
from uuid import UUID, uuid4

from service.core.inputs import Report, Source
from service.store.pool import Pool
from tests.support.tasks import video
from tests.support.web import Api, submission


def key() -> dict[str, str]:
    return {"Idempotency_Key": uuid4().hex}


async def count(pool: Pool, mark: str) -> int:
    found: int = await pool.fetchval(
        "SELECT count(*) FROM callboard.task_labels WHERE value = $1", mark
    )
    return found


async def test_the_first_answer_is_given_again(api: Api, pool: Pool) -> None:
    named, mark = key(), uuid4().hex
    first = await api.post("/v1/tasks", submission(labels={"m": mark}), **named)
    await api.house.tell(UUID(first.json["taskUUID"]), Report(Source.POLL, videos=(video(),)))
    again = await api.post("/v1/tasks", submission(labels={"m": mark}), **named)

    assert (first.status, again.status) == (202, 202)
    assert again.raw == first.raw
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await count(pool, mark) == 1


async def test_spacing_and_order_of_a_body_do_not_matter(api: Api) -> None:
    named = {name.replace("_", "-"): value for name, value in key().items()}
    json = {"Content-Type": "application/json", **named}
    one = b'{"provider": "runware", "request": {"model": "m", "a": 1}}'
    same = b'{"request":{"a":1,"model":"m"},\n"provider":"runware"}'
    first = await api.call("POST", "/v1/tasks", data=one, headers=json)
    again = await api.call("POST", "/v1/tasks", data=same, headers=json)

    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.raw == first.raw


async def test_another_body_under_the_same_key_is_refused(api: Api) -> None:
    named = key()
    await api.post("/v1/tasks", submission(), **named)
    reply = await api.post("/v1/tasks", submission(priority=1), **named)

    reply.problem(422, "idempotency_key_reused")


async def test_errors_are_not_kept(api: Api) -> None:
    named, taken = key(), str(await api.made())
    (await api.post("/v1/tasks", submission(taskUUID=taken), **named)).problem(409, "conflict")
    (await api.post("/v1/tasks", submission(priority="x"), **named)).problem(422, "invalid")
    reply = await api.post("/v1/tasks", submission(), **named)

    assert reply.status == 202
    assert "Idempotent-Replayed" not in reply.headers


async def test_twins_at_the_same_time_store_once(api: Api, pool: Pool) -> None:
    named, mark = key(), uuid4().hex
    replies = await asyncio.gather(
        *(api.post("/v1/tasks", submission(labels={"m": mark}), **named) for _ in range(8))
    )

    assert {reply.status for reply in replies} == {202}
    assert len({reply.raw for reply in replies}) == 1
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1
    assert await count(pool, mark) == 1


async def test_an_array_is_replayed_as_a_whole(api: Api) -> None:
    named = key()
    first = await api.post("/v1/tasks", [submission(), submission()], **named)
    again = await api.post("/v1/tasks", [submission(), submission()], **named)

    assert again.raw == first.raw
    assert "Location" not in again.headers


async def test_a_key_counts_for_its_own_path_only(api: Api) -> None:
    named = key()
    first = await api.post("/v1/tasks", submission(), **named)
    task_uuid = first.json["taskUUID"]
    await api.post(f"/v1/tasks/{task_uuid}/cancel")
    retried = await api.post(f"/v1/tasks/{task_uuid}/retry", **named)

    assert retried.status == 202
    assert "Idempotent-Replayed" not in retried.headers


async def test_a_retry_with_a_key_is_made_once(api: Api) -> None:
    task_uuid, named = await api.made(), key()
    await api.post(f"/v1/tasks/{task_uuid}/cancel")
    path = f"/v1/tasks/{task_uuid}/retry"
    first = await api.post(path, {"again": True}, **named)
    again = await api.post(path, {"again": True}, **named)
    other = await api.post(path, {"again": False}, **named)

    assert (first.status, again.status) == (202, 202)
    assert again.json["taskUUID"] == first.json["taskUUID"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other.problem(422, "idempotency_key_reused")
