"""Several events in one call: of what was never tried; what is refused goes alone."""

import json
from typing import Any
from uuid import UUID

import pytest

from service.core.event import StoredEvent
from service.flows import outgoing
from service.ports import Sent
from service.store.pool import Pool, Record
from tests.support.fakes import said
from tests.support.flows import accepted, call_back, pass_time, submission, subscribed
from tests.support.house import House

REFUSED = Sent(ok=False, status=413, error="http_413")


@pytest.fixture
async def batched(house: House, pool: Pool) -> UUID:
    subscription = await subscribed(house)
    await pool.execute("UPDATE callboard.subscriptions SET format = 'batched', batch_size = 10")
    return subscription


async def tasks(house: House, count: int) -> list[UUID]:
    uuids = await accepted(house, *[submission() for _ in range(count)])
    await house.send_queued()
    return uuids


async def work_off(house: House) -> list[int]:
    """Make one attempt of all that is due; gives how many events each call had."""
    claimed = await house.deliver.claim(100)
    for parcel in claimed:
        await house.deliver.work(parcel)
    return [len(parcel.rows) for parcel in claimed]


def bodies(house: House) -> list[list[dict[str, Any]]]:
    return [json.loads(event.body) for _, event in house.sink.got]


async def test_events_go_in_batches(house: House, batched: UUID, pool: Pool) -> None:
    await tasks(house, 25)
    assert await work_off(house) == [10, 10, 5]
    sent = [event["id"] for body in bodies(house) for event in body]
    assert len(sent) == len(set(sent)) == 25
    (content_type,) = {event.content_type for _, event in house.sink.got}
    assert content_type.startswith("application/cloudevents-batch+json")
    assert (
        await pool.fetchval("SELECT count(*) FROM callboard.deliveries WHERE state = 'delivered'")
        == 25
    )
    assert await pool.fetchval("SELECT count(*) FROM callboard.attempts") == 25


async def test_a_batch_has_one_event_of_a_task_and_the_next_one_goes_later(
    house: House, batched: UUID
) -> None:
    uuids = await tasks(house, 3)
    await call_back(house, *[(u, said(f"v-{u}")) for u in uuids])
    assert [await work_off(house) for _ in range(4)] == [[3], [3], [3], []]
    assert [[e["type"] for e in body] for body in bodies(house)] == [
        [kind] * 3 for kind in ("task.processing", "video.completed", "task.completed")
    ]


async def test_the_same_batch_has_the_same_id(house: House, batched: UUID, pool: Pool) -> None:
    await tasks(house, 3)
    await work_off(house)
    await pool.execute(
        "UPDATE callboard.deliveries SET state = 'pending', attempts = 0, next_at = clock_timestamp()"
    )
    await work_off(house)
    (_, first), (_, second) = house.sink.got
    assert (first.event_id, first.body) == (second.event_id, second.body)
    assert str(first.event_id) not in {e["id"] for e in json.loads(first.body)}


async def test_what_was_refused_together_goes_alone(
    house: House, batched: UUID, pool: Pool
) -> None:
    await tasks(house, 3)
    house.sink.answers = [REFUSED]
    assert await work_off(house) == [3]
    await pass_time(pool, 6.1)
    await tasks(house, 2)
    sizes = await work_off(house)
    assert sorted(sizes) == [1, 1, 1, 2]


async def test_calls_are_what_is_limited_and_not_events(
    house: House, batched: UUID, pool: Pool
) -> None:
    await pool.execute("UPDATE callboard.subscriptions SET concurrency = 2")
    await tasks(house, 45)
    claimed = await house.deliver.claim(100)
    assert [len(p.rows) for p in claimed] == [10, 10]
    await house.deliver.work(claimed[0])
    assert [len(p.rows) for p in await house.deliver.claim(100)] == [10]


async def test_a_probe_is_one_event(house: House, batched: UUID, pool: Pool) -> None:
    await tasks(house, 5)
    await pool.execute(
        "UPDATE callboard.lanes SET failures = 5, openings = 1, blocked_since = clock_timestamp(),"
        " blocked_until = clock_timestamp()"
    )
    claimed = await house.deliver.claim(100)
    assert [len(p.rows) for p in claimed] == [1]


async def test_one_event_that_cannot_be_written_keeps_no_other_back(
    house: House, batched: UUID, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuids = await tasks(house, 3)
    right = outgoing._stored

    def stored(row: Record) -> StoredEvent:
        if row["task_uuid"] == uuids[1]:
            raise ValueError("no JSON")
        return right(row)

    monkeypatch.setattr(outgoing, "_stored", stored)
    assert await work_off(house) == [3]
    assert [e["subject"] for e in bodies(house)[0]] == [str(uuids[0]), str(uuids[2])]
    rows = await pool.fetch("SELECT state, error FROM callboard.deliveries ORDER BY id")
    assert [tuple(r) for r in rows] == [
        ("delivered", None),
        ("pending", "internal"),
        ("delivered", None),
    ]


async def test_a_drain_gives_whole_batches_back(house: House, batched: UUID, pool: Pool) -> None:
    await tasks(house, 3)
    await house.deliver.release(await house.deliver.claim(100))
    assert not house.deliver._under_way
    assert await work_off(house) == [3]
    assert {
        r["attempts"] for r in await pool.fetch("SELECT attempts FROM callboard.deliveries")
    } == {1}
