"""PgBouncer in transaction mode between the service and its database: the main job, and what must not stay in a session."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from service.core.errors import Unavailable
from service.store.pool import Busy, Pool, connection, create_pool, transaction
from tests.support import database
from tests.support.embedded import open_home
from tests.support.fakes import said
from tests.support.fleet import Fleet, accepts, call_back, client, sends, submit
from tests.support.flows import call_back as called_back
from tests.support.flows import processing, subscribed, told
from tests.support.house import make_house
from tests.support.pooler import PROGRAM, pooler
from tests.support.receiver import receiving
from tests.support.stored import lawful
from tests.support.stub_upstream import running_stub

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed")


@pytest.fixture
def home() -> Iterator[Path]:
    """Make a folder that other users may enter."""
    with open_home() as made:
        yield made


@pytest.fixture
async def behind(home: Path, dsn: str) -> AsyncIterator[Pool]:
    """Open a pool through a pooler, on a server whose sessions speak another time zone."""
    await database.execute(dsn, "ALTER ROLE postgres SET timezone = 'Asia/Kathmandu'")
    try:
        with pooler(home, dsn) as through:
            pool = await create_pool(through, size=12, statement_timeout_s=2, pooler=True)
            yield pool
            await pool.close()
    finally:
        await database.execute(dsn, "ALTER ROLE postgres RESET timezone")


async def test_the_main_job_goes_through_a_pooler(home: Path, dsn: str, pool: Pool) -> None:
    async with running_stub() as stub, client() as session, receiving() as receiver:
        stub.will(accepts)
        with pooler(home, dsn) as through:
            fleet = Fleet(home, through, stub.url)
            with fleet.member("one", CALLBOARD_DIRECT_DATABASE_URL=dsn) as member:
                await member.ready()
                wanted = {"url": receiver.url}
                async with session.post(f"{member.url}/v1/subscriptions", json=wanted) as answer:
                    assert answer.status == 201, await answer.text()
                    receiver.secret = (await answer.json())["secret"]
                tasks = await submit(session, member, 4)
                for sent in await sends(stub, 4):
                    await call_back(session, sent)
                for task_uuid in tasks:
                    url = f"{member.url}/v1/tasks/{task_uuid}?wait=30"
                    async with session.get(url) as answer:
                        assert (await answer.json())["state"] == "completed"
                async with asyncio.timeout(20):
                    while any(len(receiver.events[t]) < 3 for t in tasks):  # noqa: ASYNC110 - it tells nobody
                        await asyncio.sleep(0.02)
                assert member.logged("others.heard")
                assert member.process.stop() == 0
            assert "loop.died" not in member.process.tail()
    ends = [receiver.types(t)[-1] for t in tasks]
    assert ends == ["task.completed"] * 4
    assert receiver.refused == []
    assert await pool.fetchval("SELECT count(*) FROM callboard.workers") == 0


async def test_many_at_once_share_few_sessions(behind: Pool, pool: Pool) -> None:
    house = make_house(behind)
    await subscribed(house)
    made = await asyncio.gather(*[processing(house) for _ in range(20)])
    await asyncio.gather(*[called_back(house, (u, said("v1"))) for u in made])
    for task_uuid in made:
        assert (await told(pool, task_uuid))[-1] == "task.completed"
    while await house.deliver_due():
        pass
    assert await house.upkeep.unfit() is None
    assert await house.upkeep.run_once() == 0
    assert (await house.upkeep.pulse()).undelivered == 0
    await lawful(pool)


async def test_time_outs_come_with_each_transaction_and_stay_in_no_session(behind: Pool) -> None:
    async with transaction(behind) as conn:
        assert await conn.fetchval("SHOW statement_timeout") == "2s"
        assert await conn.fetchval("SHOW lock_timeout") == "2s"
        assert await conn.fetchval("SHOW idle_in_transaction_session_timeout") == "1min"
    async with connection(behind) as conn:
        assert await conn.fetchval("SHOW statement_timeout") == "0"
        assert await conn.fetchval("SHOW timezone") == "Asia/Kathmandu"
    with pytest.raises(Busy):
        await _sleeps(behind, in_transaction=True)
    with pytest.raises(Unavailable):
        await _sleeps(behind, in_transaction=False)
    async with connection(behind) as conn:
        assert await conn.fetchval("SELECT 1") == 1


async def _sleeps(pool: Pool, *, in_transaction: bool) -> None:
    borrowed = transaction(pool) if in_transaction else connection(pool)
    async with borrowed as conn:
        await conn.execute("SELECT pg_sleep(30)")


async def test_no_lock_stays_in_a_session(behind: Pool, dsn: str) -> None:
    house = make_house(behind)
    task_uuid = await processing(house)
    await subscribed(house)
    await called_back(house, (task_uuid, said("v1")))
    await house.upkeep.run_once()
    await house.upkeep.renew_feed()
    direct = await asyncpg.connect(dsn)
    held = await direct.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
    await direct.close()
    assert held == 0
