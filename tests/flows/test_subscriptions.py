"""Subscriptions: nothing missed after their creation, nothing sent after their end, and only what was asked for."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import NotFound, Unavailable
from service.store import subscriptions as stored
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    blocked,
    call_back,
    elsewhere,
    one,
    processing,
    subscribed,
    told,
)
from tests.support.house import House, make_house

ALL = ["task.processing", "video.completed", "task.completed"]


async def sent_to(pool: Pool, target: UUID) -> list[tuple[str, str]]:
    """Give the events that go to a target, in the order of its deliveries, with their states."""
    rows = await pool.fetch(
        "SELECT e.type, d.state FROM callboard.deliveries AS d JOIN callboard.events AS e"
        " ON e.id = d.event_id WHERE d.target = $1 ORDER BY d.id",
        target,
    )
    return [(r["type"], r["state"]) for r in rows]


async def finished(house: House, **fields: object) -> UUID:
    """Have a task go its whole way."""
    task_uuid = await processing(house, **fields)
    await call_back(house, (task_uuid, said(f"v-{task_uuid}")), **_provider(fields))
    return task_uuid


def _provider(fields: dict[str, object]) -> dict[str, str]:
    return {"provider": str(fields["provider"])} if "provider" in fields else {}


async def test_who_subscribes_waits_for_writers_that_did_not_see_it(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    task_uuid = await processing(other)
    subscribing: list[asyncio.Task[UUID]] = []

    async def subscribe_meanwhile(_conn: object) -> None:
        subscribing.append(asyncio.create_task(subscribed(other)))
        await blocked(pool)
        assert not subscribing[0].done()

    wire.after["live_subscriptions"] = subscribe_meanwhile
    await call_back(house, (task_uuid, said("v1")))
    subscription = await subscribing[0]
    assert await sent_to(pool, subscription) == []
    await finished(house)
    assert [t for t, _ in await sent_to(pool, subscription)] == ALL


async def test_a_writer_that_began_before_a_subscription_sees_it_if_it_writes_after(
    house: House, pool: Pool, dsn: str
) -> None:
    """It holds no lock yet while its transaction is open; what it reads, it reads after the fence."""
    task_uuid = await processing(house)
    async with elsewhere(dsn) as conn:
        await stored.fence(conn)
        calling = asyncio.create_task(call_back(house, (task_uuid, said("v1"))))
        await blocked(pool)
        await conn.execute(
            "INSERT INTO callboard.subscriptions (id, tenant, kind, types)"
            " VALUES ($1, 'default', 'webhook', '{*}')",
            task_uuid,
        )
        await conn.execute("COMMIT")
        await calling
    assert [t for t, _ in await sent_to(pool, task_uuid)] == ALL[1:]


async def test_a_fence_that_cannot_be_had_in_time_is_no_fault_of_the_caller(
    pool: Pool, dsn: str
) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)

    async def impatient(conn: Any) -> None:
        await conn.execute("SET LOCAL lock_timeout = '10ms'")

    async with elsewhere(dsn) as conn:
        await conn.execute("SELECT pg_advisory_xact_lock_shared(7301955821)")
        wire.before["fence_subscriptions"] = impatient
        with pytest.raises(Unavailable):
            await subscribed(house)


async def test_a_deleted_subscription_gets_nothing_more(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await finished(house)
    await house.subscribe.delete(TENANT, subscription)
    await finished(house)
    assert await sent_to(pool, subscription) == [(t, "canceled") for t in ALL]
    assert await house.deliver_due() == 0
    assert house.sink.got == []
    with pytest.raises(NotFound):
        await house.subscribe.delete(TENANT, subscription)


async def test_who_deletes_waits_for_writers_and_cancels_what_they_wrote(pool: Pool) -> None:
    wire = Wire(pool)
    house, other = make_house(wire.pool), make_house(pool)
    subscription = await subscribed(other)
    task_uuid = await processing(other)
    deleting: list[asyncio.Task[None]] = []

    async def delete_meanwhile(_conn: object) -> None:
        deleting.append(asyncio.create_task(other.subscribe.delete(TENANT, subscription)))
        await blocked(pool)

    wire.after["live_subscriptions"] = delete_meanwhile
    await call_back(house, (task_uuid, said("v1")))
    await deleting[0]
    assert await sent_to(pool, subscription) == [(t, "canceled") for t in ALL]
    assert await other.deliver_due() == 0


async def test_a_delivery_that_was_under_way_at_the_deletion_is_not_repeated(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await processing(house)
    (row,) = await house.deliver.claim(5)
    await house.subscribe.delete(TENANT, subscription)
    await pool.execute("UPDATE callboard.deliveries SET lease_until = clock_timestamp()")
    assert await house.deliver.rescue() == 1
    assert await house.deliver_due() == 1
    await house.deliver.work(row)
    assert await sent_to(pool, subscription) == [("task.processing", "canceled")]
    assert len(house.sink.got) <= 1


async def test_events_of_a_disabled_subscription_are_held(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    async with pool.acquire() as conn:
        await stored.disable(conn, subscription)
    await finished(house)
    assert await sent_to(pool, subscription) == [(t, "held") for t in ALL]
    assert await house.deliver_due() == 0


async def test_what_waits_while_its_subscription_is_disabled_is_held_and_not_given_up(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await finished(house)
    async with pool.acquire() as conn:
        await stored.disable(conn, subscription)
    for _ in ALL:
        await house.deliver_due()
    assert house.sink.got == []
    assert await sent_to(pool, subscription) == [(t, "held") for t in ALL]


async def test_what_is_written_while_its_subscription_is_being_disabled_is_held_and_not_lost(
    pool: Pool,
) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    subscription = await subscribed(house)
    task_uuid = await processing(house)
    assert await house.deliver_due() == 1

    async def disable_meanwhile(_conn: object) -> None:
        async with pool.acquire() as conn:
            await stored.disable(conn, subscription)

    wire.after["live_subscriptions"] = disable_meanwhile
    await call_back(house, (task_uuid, said("v1")))
    assert [s for _, s in await sent_to(pool, subscription)] == ["delivered", "pending", "pending"]
    for _ in ALL:
        await house.deliver_due()
    assert [e.event_type for _, e in house.sink.got] == ALL[:1]
    assert await sent_to(pool, subscription) == [
        (ALL[0], "delivered"),
        *[(t, "held") for t in ALL[1:]],
    ]


@pytest.mark.parametrize(
    ("types", "wanted"),
    [
        (["*"], ALL),
        (["video.*"], ALL[1:2]),
        (["task.completed", "task.failed"], ALL[2:]),
        (["task.*", "video.late"], [ALL[0], ALL[2]]),
        (["callboard.test"], []),
    ],
)
async def test_types_choose_the_events(
    house: House, pool: Pool, types: list[str], wanted: list[str]
) -> None:
    subscription = await subscribed(house, types)
    await finished(house)
    assert [t for t, _ in await sent_to(pool, subscription)] == wanted


async def test_provider_and_labels_choose_the_tasks(house: House, pool: Pool) -> None:
    by_provider = await subscribed(house, provider="sync")
    by_labels = await subscribed(house, labels={"a": "1", "b": "2"})
    await finished(house, labels={"a": "1"})
    await finished(house, provider="sync", labels={"a": "1", "b": "other"})
    assert len(await sent_to(pool, by_provider)) == 3
    assert await sent_to(pool, by_labels) == []
    await finished(house, labels={"a": "1", "b": "2", "c": "3"})
    assert len(await sent_to(pool, by_provider)) == 3
    assert len(await sent_to(pool, by_labels)) == 3


async def test_a_notify_url_gets_its_own_task_only(house: House, pool: Pool) -> None:
    with_url = await finished(house, webhookURL="https://app.example/done")
    without = await finished(house)
    assert [t for t, _ in await sent_to(pool, with_url)] == ALL
    assert await sent_to(pool, without) == []
    rows = (await house.subscribe.page(TENANT, None, 10)).items
    assert rows == []


async def test_subscriptions_of_another_tenant_get_nothing(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await pool.execute("INSERT INTO callboard.tenants (tenant) VALUES ('other')")
    await pool.execute("UPDATE callboard.subscriptions SET tenant = 'other'")
    task_uuid = await finished(house)
    assert await told(pool, task_uuid) == ALL
    assert await sent_to(pool, subscription) == []
    await pool.execute("DELETE FROM callboard.subscriptions")
    await pool.execute("DELETE FROM callboard.tenants WHERE tenant = 'other'")


async def test_a_task_without_listeners_has_its_events_all_the_same(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    await house.operate.cancel(TENANT, task_uuid)
    assert await told(pool, task_uuid) == ["task.canceled"]
