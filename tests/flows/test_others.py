"""Notices between processes: hints that are gathered, said, heard, and never relied on."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from service.core.errors import Unavailable
from service.flows.others import MOST_UNSAID, Others, payloads
from service.flows.wake import Topic, Wake
from service.store import notices
from service.store.pool import Pool
from tests.support.flows import Wire, until

A, B = UUID(int=1), UUID(int=2)


def rung(wake: Wake) -> set[Topic]:
    return {topic for topic in Topic if wake._topics[topic].is_set()}


@asynccontextmanager
async def hearing(others: Others, wake: Wake) -> AsyncIterator[asyncio.Event]:
    """Listen for a while; gives the event that ends it."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(others.listen(stop))

        async def heard() -> bool:
            return wake.hears_others

        await until(heard)
        for topic in Topic:
            wake._topics[topic].clear()
        yield stop
        stop.set()
    assert not wake.hears_others


@pytest.mark.parametrize("many", [0, 1, 200, 201, 1000])
def test_every_notice_is_small_enough_and_together_they_say_all(many: int) -> None:
    ended = [uuid4() for _ in range(many)]
    said = [json.loads(p) for p in payloads(A, list(Topic), ended)]
    assert all(len(p.encode()) < 8000 for p in payloads(A, list(Topic), ended))
    assert [UUID(u) for s in said for u in s["f"]] == ended
    assert [t for s in said for t in s["t"]] == list(Topic)


async def test_what_rings_in_one_process_rings_in_another_and_not_back(
    pool: Pool, dsn: str
) -> None:
    here, there = Wake(), Wake()
    a, b = Others(pool, here, me=A, dsn=dsn), Others(pool, there, me=B, dsn=dsn)
    async with hearing(a, here), hearing(b, there):
        task_uuid = uuid4()
        with here.expecting(task_uuid) as own, there.expecting(task_uuid) as ended:
            here.ring([Topic.SUBMIT])
            here.finished([task_uuid])
            assert own.is_set()
            assert await a.flush_once() == 1
            async with asyncio.timeout(10):
                await ended.wait()
        assert rung(there) == {Topic.SUBMIT}
        assert await b.flush_once(wait_s=0) == 0


async def test_what_gathers_while_the_database_is_away_is_bounded_and_said_later_or_never(
    pool: Pool, dsn: str
) -> None:
    wire, wake = Wire(pool), Wake()
    others = Others(wire.pool, wake, me=A, dsn=dsn)
    wake.finished(uuid4() for _ in range(MOST_UNSAID + 10))
    assert len(others._ended) == MOST_UNSAID
    wire.down = True
    with pytest.raises(Unavailable):
        await others.flush_once()
    wire.down = False
    wake.ring([Topic.DUE])
    assert await others.flush_once() == 1


async def test_a_listener_whose_connection_is_ended_says_so_and_wakes_who_waits(
    pool: Pool, dsn: str
) -> None:
    wake = Wake()
    others = Others(pool, wake, me=A, dsn=dsn)
    listening = asyncio.create_task(others.listen(asyncio.Event()))

    async def heard() -> bool:
        return wake.hears_others

    await until(heard)
    with wake.expecting(uuid4()) as waiting:
        await pool.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'callboard-listen' AND datname = current_database()"
        )
        async with asyncio.timeout(10):
            await waiting.wait()
    assert not wake.hears_others
    with pytest.raises(Unavailable):
        await listening


@pytest.mark.parametrize(
    "payload", ["", "null", "[]", "{}", '{"w":1,"t":[],"f":["x"]}', '{"w":"1","t":3,"f":[]}']
)
def test_what_is_not_understood_rings_for_nobody(payload: str, pool: Pool, dsn: str) -> None:
    wake = Wake()
    Others(pool, wake, me=A, dsn=dsn).hear(payload)
    assert rung(wake) == set()


def test_a_topic_of_another_version_is_left_out(pool: Pool, dsn: str) -> None:
    wake = Wake()
    others = Others(pool, wake, me=A, dsn=dsn)
    others.hear(json.dumps({"w": B.hex, "t": ["due", "of tomorrow"], "f": []}))
    assert rung(wake) == {Topic.DUE}


async def test_a_database_that_cannot_be_listened_to_is_unavailable(pool: Pool) -> None:
    others = Others(pool, Wake(), me=A, dsn="postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable):
        await others.listen(asyncio.Event())


async def test_a_connection_that_is_there_answers_when_it_is_asked(dsn: str) -> None:
    heard: list[str] = []
    async with notices.listening(dsn, heard.append) as line:
        await line.ping(5)
        await line.ping(5)
        assert not line.lost.is_set()
