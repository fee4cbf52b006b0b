"""Batches over HTTP: stored as a whole, shown, listed, canceled."""

import asyncio
from uuid import UUID, uuid4

from schemas.api.batches import BatchCanceled, BatchPage, BatchView
from schemas.api.tasks import TaskPage
from service.core.inputs import Report, Source
from service.flows.gather import CHUNK, MOST
from service.store.pool import Pool
from tests.support.batches import as_lines, made, send, stored, tasks_of
from tests.support.tasks import video
from tests.support.web import Api, submission

DONE = Report(Source.POLL, videos=(video(),))


async def test_a_batch_is_stored_in_its_order_and_answered_with_its_counts(
    api: Api, pool: Pool
) -> None:
    names = [uuid4() for _ in range(CHUNK + 7)]
    reply = await send(api, as_lines(*[submission(taskUUID=str(n)) for n in names]))

    assert reply.status == 202, reply.raw
    batch = BatchView.model_validate_json(reply.raw)
    assert reply.headers["Location"] == f"/v1/batches/{batch.id}"
    assert (batch.state, batch.total, batch.counts.queued) == ("running", len(names), len(names))
    assert (batch.cost, batch.finishedAt) == (None, None)
    assert await tasks_of(pool, batch.id) == names
    assert (await api.get(f"/v1/batches/{batch.id}")).json == reply.json


async def test_each_line_is_a_task_as_any_other(api: Api, pool: Pool) -> None:
    given = submission(labels={"a": "b"}, metadata={"n": 1.10}, priority=7, deadlineSeconds=60)
    batch = (await send(api, as_lines(given, submission(provider="sync")))).json
    first, second = await tasks_of(pool, batch["id"])

    task = (await api.get(f"/v1/tasks/{first}")).json
    assert (task["labels"], task["metadata"]) == ({"a": "b"}, {"n": 1.10})
    assert (task["batch"], task["state"]) == (batch["id"], "queued")
    assert (await api.get(f"/v1/tasks/{second}")).json["provider"] == "sync"
    alone = await api.made()
    assert (await api.get(f"/v1/tasks/{alone}")).json["batch"] is None


async def test_tasks_are_listed_by_their_batch(api: Api, pool: Pool) -> None:
    batch, other = await made(api, 5), await made(api, 2)
    names = await tasks_of(pool, batch["id"])
    await api.house.tell(names[0], DONE)

    path = f"/v1/tasks?batch={batch['id']}"
    first = TaskPage.model_validate_json((await api.get(f"{path}&limit=3")).raw)
    rest = await api.get(f"{path}&limit=3&cursor={first.nextCursor}")
    seen = [t.taskUUID for t in first.items] + [UUID(t["taskUUID"]) for t in rest.json["items"]]
    assert seen == list(reversed(names))
    done = (await api.get(f"{path}&state=completed")).json["items"]
    assert [UUID(t["taskUUID"]) for t in done] == [names[0]]
    assert (await api.get(f"/v1/tasks?batch={uuid4()}")).json["items"] == []
    assert len((await api.get(f"/v1/tasks?batch={other['id']}")).json["items"]) == 2
    (await api.get("/v1/tasks?batch=x")).problem(400, "malformed")


async def test_counts_and_cost_follow_the_tasks(api: Api, pool: Pool) -> None:
    batch = await made(api, 3)
    for name in (await tasks_of(pool, batch["id"]))[:2]:
        await api.house.tell(name, DONE)
    found = BatchView.model_validate_json((await api.get(f"/v1/batches/{batch['id']}")).raw)

    assert (found.counts.completed, found.counts.queued) == (2, 1)
    assert found.cost == 0.26
    assert found.state == "running"


async def test_batches_are_listed_newest_first(api: Api) -> None:
    names = [(await made(api, n))["id"] for n in (1, 2, 3)]
    first = BatchPage.model_validate_json((await api.get("/v1/batches?limit=2")).raw)
    rest = (await api.get(f"/v1/batches?limit=2&cursor={first.nextCursor}")).json["items"]

    assert [str(b.id) for b in first.items] + [rest[0]["id"]] == list(reversed(names))
    assert [b.counts.queued for b in first.items] == [3, 2]


async def test_a_retry_is_not_part_of_the_batch(api: Api, pool: Pool) -> None:
    batch = await made(api, 1)
    (name,) = await tasks_of(pool, batch["id"])
    await api.post(f"/v1/tasks/{name}/cancel")
    retried = (await api.post(f"/v1/tasks/{name}/retry")).json

    assert retried["batch"] is None
    assert await tasks_of(pool, batch["id"]) == [name]


async def test_a_cancel_says_how_many_it_canceled_and_repeats_without_effect(
    api: Api, pool: Pool
) -> None:
    batch = await made(api, 4)
    names = await tasks_of(pool, batch["id"])
    await api.house.tell(names[0], DONE)
    path = f"/v1/batches/{batch['id']}/cancel"
    first, again = await api.post(path), await api.post(path)

    assert (first.status, again.status) == (200, 200)
    found = BatchCanceled.model_validate_json(first.raw)
    assert (found.canceledNow, found.counts.canceled, found.counts.completed) == (3, 3, 1)
    assert again.json == first.json | {"canceledNow": 0}


async def test_of_a_stranger_there_is_no_batch(api: Api) -> None:
    for reply in (
        await api.get(f"/v1/batches/{uuid4()}"),
        await api.get("/v1/batches/x"),
        await api.post(f"/v1/batches/{uuid4()}/cancel"),
    ):
        reply.problem(404, "not_found")


async def test_a_key_makes_one_batch_of_the_same_lines(api: Api, pool: Pool) -> None:
    key = {"Idempotency_Key": uuid4().hex}
    lines = as_lines(submission(priority=1), submission(priority=2))
    first = await send(api, lines, **key)
    before = await stored(pool)
    # Neither spacing and the order of keys nor blank lines and line ends are of any account.
    other = b'\r\n {"priority":1, "request": {"model":"sync:3@0"},"provider":"runware"}\r\n\n'
    again = await send(api, other + lines.splitlines()[1], **key)

    assert (first.status, again.status) == (202, 202)
    assert again.raw == first.raw
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await stored(pool) == before


async def test_other_lines_under_the_same_key_are_refused(api: Api) -> None:
    key = {"Idempotency_Key": uuid4().hex}
    one, two = submission(priority=1), submission(priority=2)
    await send(api, as_lines(one, two), **key)

    for lines in (as_lines(two, one), as_lines(one), as_lines(one, two, two), b"{\n"):
        (await send(api, lines, **key)).problem(422, "idempotency_key_reused")


async def test_a_replay_is_answered_although_its_names_are_taken_by_now(api: Api) -> None:
    key, lines = {"Idempotency_Key": uuid4().hex}, as_lines(submission(taskUUID=str(uuid4())))
    first, again = await send(api, lines, **key), await send(api, lines, **key)

    assert (first.status, again.raw) == (202, first.raw)


async def test_twins_at_the_same_time_store_once(api: Api, pool: Pool) -> None:
    key, lines = {"Idempotency_Key": uuid4().hex}, as_lines(*[submission()] * 50)
    before, tasks = await stored(pool)
    replies = await asyncio.gather(*(send(api, lines, **key) for _ in range(4)))

    assert {(r.status, r.raw) for r in replies} == {(202, replies[0].raw)}
    assert await stored(pool) == (before + 1, tasks + 50)


async def test_as_many_as_may_be_are_taken_and_one_more_is_not(api: Api, pool: Pool) -> None:
    line = as_lines(submission())
    full = await send(api, line * MOST)
    before = await stored(pool)
    over = await send(api, line * (MOST + 1))

    assert (full.status, full.json["total"]) == (202, MOST)
    (fault,) = over.problem(422, "invalid").errors
    assert (fault.pointer, "not 10001" in fault.detail) == ("", True)
    assert await stored(pool) == before
