"""The feed: whoever follows its cursor misses nothing and gets nothing twice."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from service.core.errors import CursorExpired
from service.flows import cursors
from service.flows.feed import Page
from service.flows.upkeep import Upkeep
from service.store import events, outbox, upkeep
from service.store.events import NewEvent
from service.store.pool import Conn, Pool, create_pool
from tests.support.flows import TENANT, Wire, elsewhere
from tests.support.house import House, make_house

WRITERS, ROUNDS = 16, 12


@pytest.fixture
def house(pool: Pool) -> House:
    return make_house(pool)


async def write(
    conn: Conn, *, at: datetime | None = None, kind: str = "task.failed", of: UUID | None = None
) -> UUID:
    """Write an event; it is there for others once the transaction commits."""
    event = NewEvent(uuid4(), TENANT, kind, of or uuid4(), 1, b"{}")
    at = at or await upkeep.clock(conn)
    await outbox.write(conn, at, "https://board.example", [event], [])
    return event.id


def ids(page: Page) -> list[UUID]:
    return [UUID(json.loads(item)["id"]) for item in page.items]


async def read(house: House, cursor: str | None, *types: str, limit: int = 100) -> Page:
    return await house.feed.page(TENANT, cursor, types or None, None, limit)


async def follow(house: House, cursor: str | None) -> tuple[list[UUID], str]:
    """Read to the end of what is visible now."""
    found: list[UUID] = []
    while True:
        page = await read(house, cursor, limit=7)
        assert page.next_cursor is not None
        cursor = page.next_cursor
        if not page.items:
            return found, cursor
        found += ids(page)


async def test_under_sixteen_writers_nothing_is_skipped_and_nothing_comes_twice(
    dsn: str, house: House
) -> None:
    writers = await create_pool(dsn, size=WRITERS, statement_timeout_s=10)
    written: list[UUID] = []
    seen: list[UUID] = []
    ended = asyncio.Event()

    async def writer(number: int) -> None:
        for turn in range(ROUNDS):
            async with writers.acquire() as conn, conn.transaction():
                made = [await write(conn) for _ in range(1 + (number + turn) % 4)]
            written.extend(made)

    async def reader() -> None:
        cursor: str | None = None
        while not ended.is_set():
            more, cursor = await follow(house, cursor)
            seen.extend(more)
        seen.extend((await follow(house, cursor))[0])

    async with asyncio.TaskGroup() as group:
        group.create_task(reader())
        await asyncio.gather(*[writer(n) for n in range(WRITERS)])
        ended.set()
    await writers.close()
    assert len(seen) == len(written) > WRITERS * ROUNDS
    assert set(seen) == set(written)


async def test_a_long_writer_delays_the_feed_and_skips_nothing(
    house: House, pool: Pool, dsn: str
) -> None:
    async with pool.acquire() as conn:
        first = await write(conn)
        async with elsewhere(dsn) as slow:
            early = await write(slow)
            late = await write(conn)
            found, cursor = await follow(house, None)
            assert found == [first]
            assert await events.lag_seconds(conn) > 0
            await slow.execute("COMMIT")
        found, cursor = await follow(house, cursor)
        assert found == [early, late]
        assert await events.lag_seconds(conn) == 0
        assert (await follow(house, cursor))[0] == []


async def test_from_now_on_means_all_that_is_not_yet_visible(
    house: House, pool: Pool, dsn: str
) -> None:
    async with pool.acquire() as conn:
        await write(conn)
        async with elsewhere(dsn) as slow:
            early = await write(slow)
            await write(conn)
            start = (await read(house, "now")).next_cursor
            await slow.execute("COMMIT")
        late = await write(conn)
        found, _ = await follow(house, start)
    assert found[0] == early
    assert found[-1] == late


async def test_types_and_tasks_narrow_the_feed(house: House, pool: Pool) -> None:
    ours = uuid4()
    async with pool.acquire() as conn:
        failed = await write(conn, kind="video.failed")
        done = await write(conn, kind="video.completed", of=ours)
        await write(conn)
    assert ids(await read(house, None, "video.failed", "video.completed")) == [failed, done]
    page = await house.feed.page(TENANT, None, None, ours, 10)
    assert ids(page) == [done]
    assert ids(await house.feed.page("another", None, None, None, 10)) == []


async def test_a_cursor_behind_what_retention_took_has_expired(house: House, pool: Pool) -> None:
    old = await _old_days(pool)
    async with pool.acquire() as conn:
        gone = [await write(conn, at=old) for _ in range(3)]
        kept = await write(conn)
        first = await read(house, None, limit=1)
        last = await read(house, None, limit=3)
        assert (ids(first), ids(last)) == (gone[:1], gone)
        assert await upkeep.drop_partitions(conn, 30) > 0
    with pytest.raises(CursorExpired):
        await read(house, first.next_cursor)
    assert ids(await read(house, last.next_cursor)) == [kept]
    assert ids(await read(house, None)) == [kept]


async def test_who_reads_while_retention_takes_the_next_events_is_told(pool: Pool) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    old = await _old_days(pool)
    async with pool.acquire() as conn:
        await write(conn, at=old)
        cursor = (await read(house, None)).next_cursor
        await write(conn, at=old)
        await write(conn)

    async def drop(_conn: object) -> None:
        async with pool.acquire() as conn:
            await upkeep.drop_partitions(conn, 30)

    wire.before["read_feed"] = drop
    with pytest.raises(CursorExpired):
        await read(house, cursor)


async def test_who_found_nothing_is_not_told_that_the_cursor_expired(
    house: House, pool: Pool
) -> None:
    old = await _old_days(pool)
    empty = await read(house, None)
    async with pool.acquire() as conn:
        await write(conn, at=old, kind="task.failed")
        narrow = await read(house, None, "video.late")
        assert narrow.items == []
        await upkeep.drop_partitions(conn, 30)
        late = await write(conn, kind="video.late")
    assert ids(await read(house, narrow.next_cursor, "video.late")) == [late]
    fresh = await read(house, None, "task.canceled")
    assert ids(await read(house, fresh.next_cursor)) in ([], [late])
    with pytest.raises(CursorExpired):
        await read(house, empty.next_cursor)


async def test_a_board_whose_days_were_all_dropped_can_be_followed(
    house: House, pool: Pool
) -> None:
    old = await _old_days(pool)
    async with pool.acquire() as conn:
        await write(conn, at=old)
        await upkeep.drop_partitions(conn, 30)
    cursor = None
    for _ in range(3):
        page = await read(house, cursor)
        assert page.items == []
        cursor = page.next_cursor


async def _old_days(pool: Pool) -> datetime:
    old = datetime.now(UTC) - timedelta(days=40)
    await pool.execute("SELECT callboard.ensure_partitions($1::date, 1)", old.date())
    return old


async def _incarnation(pool: Pool) -> int:
    await Upkeep(pool, 30).renew_feed()
    return int(await pool.fetchval("SELECT incarnation FROM callboard.feed"))


async def test_the_same_cluster_keeps_its_incarnation(pool: Pool) -> None:
    async with pool.acquire() as conn:
        await write(conn)
    assert [await _incarnation(pool) for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("sign", ["another system", "a counter behind"])
async def test_after_a_restore_old_cursors_go_on_and_miss_nothing(
    house: House, pool: Pool, sign: str
) -> None:
    async with pool.acquire() as conn:
        before = [await write(conn) for _ in range(4)]
        # The transactions of the cluster that was dumped had far larger numbers.
        await conn.execute(
            "UPDATE callboard.events SET xid = (xid::text::bigint + 1000000000)::text::xid8"
        )
        cursor = await _inside(pool, before[1])
        if sign == "another system":
            await conn.execute("UPDATE callboard.feed SET system_identifier = 1")
        assert [await _incarnation(pool) for _ in range(2)] == [2, 2]
        after = [await write(conn) for _ in range(2)]
    assert (await follow(house, cursor))[0] == [*before[2:], *after]
    assert (await follow(house, None))[0] == [*before, *after]


async def _inside(pool: Pool, event: UUID) -> str:
    row = await pool.fetchrow(
        "SELECT incarnation, xid::text::bigint AS xid, seq FROM callboard.events WHERE id = $1",
        event,
    )
    assert row is not None
    return cursors.encode(row["incarnation"], row["xid"], row["seq"])
