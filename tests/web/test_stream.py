"""The feed as Server-Sent Events: the same events, at once, and nothing skipped by whoever comes again."""

import asyncio
import json
import random
import socket
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from service.flows import cursors
from service.store import outbox, upkeep
from service.store.events import NewEvent
from service.store.pool import Pool, create_pool
from service.web.deps import Limits
from tests.support.flows import TENANT, elsewhere, until
from tests.support.house import API_KEY
from tests.support.sse import Stream, stream
from tests.support.web import Api, serving

WRITERS, ROUNDS = 16, 10


async def write(pool: Pool, *, kind: str = "task.failed", of: UUID | None = None) -> UUID:
    """Write an event, as if it was written elsewhere: nobody here is told."""
    async with pool.acquire() as conn, conn.transaction():
        event = NewEvent(uuid4(), TENANT, kind, of or uuid4(), 1, b'{"a":1}')
        await outbox.write(conn, await upkeep.clock(conn), "https://board.example", [event], [])
    return event.id


async def ids(reader: Stream, count: int) -> list[UUID]:
    return [UUID(json.loads((await reader.next())[1])["id"]) for _ in range(count)]


async def test_what_happens_is_told_as_it_is_in_the_list(api: Api) -> None:
    async with stream(api, "cursor=now") as reader:
        task_uuid = await api.made()
        await api.post(f"/v1/tasks/{task_uuid}/cancel")
        kind, data = await reader.next()
    page = (await api.get(f"/v1/events?task={task_uuid}")).json
    assert kind == "task.canceled"
    assert json.loads(data) == page["items"][0]


async def test_without_a_cursor_it_begins_with_the_oldest(api: Api, pool: Pool) -> None:
    await write(pool)
    kept = [UUID(event["id"]) for event in (await api.get("/v1/events?limit=1000")).json["items"]]
    async with stream(api) as reader:
        assert await ids(reader, len(kept)) == kept
        assert await ids_after(reader, pool) == 2


async def now(api: Api) -> str:
    """Say where the feed ends."""
    return f"cursor={(await api.get('/v1/events?cursor=now')).json['nextCursor']}"


async def ids_after(reader: Stream, pool: Pool) -> int:
    after = [await write(pool) for _ in range(2)]
    assert await ids(reader, 2) == after
    return len(after)


async def test_whoever_comes_again_goes_on_where_it_was(api: Api, pool: Pool) -> None:
    start = await now(api)
    names = [await write(pool) for _ in range(6)]
    async with stream(api, start) as reader:
        seen = await ids(reader, 2)
    async with stream(api, "cursor=now", last_id=reader.last_id) as reader:
        seen += await ids(reader, 4)
    assert seen == names


async def test_types_and_tasks_narrow_it(api: Api, pool: Pool) -> None:
    ours = uuid4()
    await write(pool)
    video = await write(pool, kind="video.completed", of=ours)
    await write(pool, kind="video.failed")
    async with stream(api, f"task={ours}&type=video.*") as reader:
        assert await ids(reader, 1) == [video]
        await write(pool, of=ours)
        late = await write(pool, kind="video.late", of=ours)
        assert await ids(reader, 1) == [late]


@pytest.fixture
async def quick(pool: Pool) -> AsyncIterator[Api]:
    """Serve with short limits."""
    async with serving(pool, limits=Limits(beat_s=0.05, stream_patience_s=0.2)) as running:
        yield running


async def test_silence_is_broken_and_moves_the_place_of_who_waits(quick: Api, pool: Pool) -> None:
    async with stream(quick, "cursor=now&type=video.late") as reader:
        await reader.beat()
        await reader.beat()
        first = cursors.integers(reader.last_id, 3)
        await write(pool)
        while cursors.integers(reader.last_id, 3) <= first:
            await reader.beat()
        late = await write(pool, kind="video.late")
        assert await ids(reader, 1) == [late]


async def test_who_takes_nothing_is_hung_up_on_and_others_hear_on(quick: Api, pool: Pool) -> None:
    place = urlsplit(quick.base)
    slow = socket.create_connection((place.hostname or "", place.port or 0))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = f"GET /v1/events/stream?cursor=now HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {API_KEY}\r\n\r\n"
    slow.sendall(head.encode())
    try:
        async with stream(quick, "cursor=now") as reader:
            while quick.house.tail.readers < 2:
                await reader.beat()
            big = b'{"a":"%b"}' % (b"x" * 500_000)
            told = 0
            while quick.house.tail.readers == 2:
                async with pool.acquire() as conn:
                    event = NewEvent(uuid4(), TENANT, "task.failed", uuid4(), 1, big)
                    at = await upkeep.clock(conn)
                    await outbox.write(conn, at, "https://board.example", [event], [])
                assert (await reader.next())[0] == "task.failed"
                told += 1
            assert told < 200
            assert await ids_after(reader, pool) == 2
    finally:
        slow.close()


async def test_streams_end_when_the_service_does(pool: Pool) -> None:
    async with serving(pool) as api, stream(api, "cursor=now") as reader:
        await reader.answer.content.readline()
        stopping = asyncio.create_task(api.running.stop())
        with pytest.raises(EOFError):
            await reader.next()
        await stopping


async def test_there_are_only_so_many_places(api: Api) -> None:
    api.house.tail._most_readers = 1
    async with stream(api):
        (await api.get("/v1/events/stream")).problem(503, "unavailable")

    async def left() -> bool:
        return not api.house.tail.readers

    await until(left)
    assert (await api.call("HEAD", "/v1/events/stream")).status == 200


async def test_a_cursor_that_is_none_is_refused_before_the_stream_begins(api: Api) -> None:
    for headers in ({"Last-Event-ID": "nonsense"}, {}):
        path = "/v1/events/stream" + ("" if headers else "?cursor=nonsense")
        (await api.call("GET", path, headers=headers)).problem(400, "malformed")
    (await api.get("/v1/events/stream?type=nonsense")).problem(400, "malformed")


async def test_under_sixteen_writers_and_with_lines_that_break_nothing_is_skipped(
    api: Api, dsn: str
) -> None:
    writers = await create_pool(dsn, size=WRITERS, statement_timeout_s=10)
    written: list[UUID] = []

    async def writer(number: int) -> None:
        for turn in range(ROUNDS):
            async with writers.acquire() as conn, conn.transaction():
                at = await upkeep.clock(conn)
                made = [
                    NewEvent(uuid4(), TENANT, "task.failed", uuid4(), 1, b"{}")
                    for _ in range(1 + (number + turn) % 4)
                ]
                await outbox.write(conn, at, "https://board.example", made, [])
            written.extend(event.id for event in made)

    seen: list[UUID] = []
    last_id = (await now(api)).partition("=")[2]
    throw = random.Random(7)  # noqa: S311 - where lines break

    async def reader(total: int) -> None:
        nonlocal last_id
        while len(seen) < total:
            async with stream(api, last_id=last_id) as one:
                for _ in range(throw.randrange(1, 40)):
                    if len(seen) == total:
                        break
                    seen.append((await ids(one, 1))[0])
                    last_id = one.last_id

    total = sum(1 + (n + t) % 4 for n in range(WRITERS) for t in range(ROUNDS))
    async with asyncio.TaskGroup() as group:
        group.create_task(reader(total))
        for number in range(WRITERS):
            group.create_task(writer(number))
    await writers.close()
    assert len(seen) == len(set(seen)) == total
    assert set(seen) == set(written)


async def test_a_long_writer_delays_what_comes_after_it_and_skips_nothing(
    api: Api, pool: Pool, dsn: str
) -> None:
    async with stream(api, "cursor=now") as reader, elsewhere(dsn) as slow:
        event = NewEvent(uuid4(), TENANT, "task.failed", uuid4(), 1, b"{}")
        await outbox.write(slow, await upkeep.clock(slow), "https://board.example", [event], [])
        late = await write(pool)
        api.house.wake.everything()
        await slow.execute("COMMIT")
        assert await ids(reader, 2) == [event.id, late]


async def test_one_event_and_its_data_are_shown_as_they_are_sent(api: Api, pool: Pool) -> None:
    task_uuid = await api.made()
    await api.post(f"/v1/tasks/{task_uuid}/cancel")
    (listed,) = (await api.get(f"/v1/events?task={task_uuid}")).json["items"]
    shown = await api.get(f"/v1/events/{listed['id']}")
    assert shown.json == listed
    assert shown.headers["Content-Type"] == "application/cloudevents+json; charset=UTF-8"
    assert (await api.get(f"/v1/events/{listed['id']}/data")).json == listed["data"]
    for path in (uuid4(), "nonsense", f"{uuid4()}/data"):
        (await api.get(f"/v1/events/{path}")).problem(404, "not_found")
    await api.call("DELETE", f"/v1/tasks/{task_uuid}")
    for path in (listed["id"], f"{listed['id']}/data"):
        (await api.get(f"/v1/events/{path}")).problem(410, "erased")
