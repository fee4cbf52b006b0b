"""Deliveries: in order, repeated byte by byte, signed, given up at last, never by a stale worker."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.core.signing import format_secret, secret_bytes
from service.flows.deliver import Deliver
from service.ports import Outgoing, Sent, Target
from service.store.pool import Pool
from tests.support.fakes import FakeSink, said
from tests.support.flows import (
    TENANT,
    call_back,
    one,
    pass_time,
    processing,
    subscribed,
)
from tests.support.house import DELIVERIES, House

ALL = ["task.processing", "video.completed", "task.completed"]
DOWN = Sent(ok=False, status=503, error="http_503", response=b"later")


async def states(pool: Pool) -> list[str]:
    """Give the states of all deliveries in their order."""
    rows = await pool.fetch("SELECT state FROM callboard.deliveries ORDER BY id")
    return [r["state"] for r in rows]


def got(house: House) -> list[str]:
    """Give the types of what arrived, in its order."""
    return [event.event_type for _, event in house.sink.got]


async def finished(house: House, **fields: Any) -> UUID:
    task_uuid = await processing(house, **fields)
    await call_back(house, (task_uuid, said(f"v-{task_uuid}")))
    return task_uuid


async def test_events_of_one_task_arrive_one_after_the_other(house: House) -> None:
    await subscribed(house)
    await finished(house)
    assert [await house.deliver_due() for _ in range(4)] == [1, 1, 1, 0]
    assert got(house) == ALL
    sequences = [json.loads(e.body)["sequence"] for _, e in house.sink.got]
    assert sequences == sorted(sequences)


async def test_a_later_event_waits_while_an_earlier_one_is_under_way_or_waits(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await finished(house)
    house.sink.answers = [DOWN]
    (first,) = await house.deliver.claim(10)
    assert await house.deliver.claim(10) == []
    await house.deliver.work(first)
    assert await house.deliver.claim(10) == []
    assert await states(pool) == ["pending"] * 3
    await pass_time(pool, 6.1)
    assert [await house.deliver_due() for _ in range(4)] == [1, 1, 1, 0]
    assert got(house) == [ALL[0], *ALL]


async def test_after_an_event_is_given_up_the_next_one_goes(house: House, pool: Pool) -> None:
    await subscribed(house)
    await finished(house)
    house.sink.answers = [DOWN] * 3
    for wait in (0, 6.1, 361):
        await pass_time(pool, wait)
        assert await house.deliver_due() == 1
    assert await states(pool) == ["failed", "pending", "pending"]
    assert await house.deliver_due() == 1
    assert got(house) == [ALL[0]] * 3 + [ALL[1]]
    attempts = await pool.fetch("SELECT no, status, error, response FROM callboard.attempts")
    assert [tuple(a) for a in attempts] == [
        *[(n, 503, "http_503", b"later") for n in (1, 2, 3)],
        (1, 200, None, b""),
    ]


async def test_a_retry_waits_its_time(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    house.sink.answers = [DOWN]
    await house.deliver_due()
    await pass_time(pool, 3)
    assert await house.deliver_due() == 0
    await pass_time(pool, 3)
    assert await house.deliver_due() == 1


async def test_retry_after_stretches_a_wait(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    house.sink.answers = [Sent(ok=False, status=429, error="http_429", retry_after_s=9)]
    await house.deliver_due()
    await pass_time(pool, 8)
    assert await house.deliver_due() == 0
    await pass_time(pool, 1.1)
    assert await house.deliver_due() == 1


async def test_every_attempt_has_the_same_bytes_and_its_own_signature(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await processing(house, metadata={"text": "ü\u0000"})
    house.sink.answers = [DOWN]
    await house.deliver_due()
    await pass_time(pool, 6.1)
    await house.deliver_due()
    (_, first), (_, second) = house.sink.got
    assert (first.body, first.event_id) == (second.body, second.event_id)
    assert json.loads(first.body)["id"] == str(first.event_id)


async def test_another_subscription_and_another_task_do_not_wait(house: House) -> None:
    house.sink.answers = [DOWN, DOWN]
    await subscribed(house)
    await subscribed(house)
    await processing(house)
    await processing(house)
    assert await house.deliver_due() == 4


async def test_what_a_dead_worker_left_is_sent_again_after_its_lease(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await processing(house)
    (row,) = await house.deliver.claim(10)
    await pass_time(pool, 9)
    assert await house.deliver.rescue() == 0
    await pass_time(pool, 2)
    assert await house.deliver.rescue() == 1
    assert await house.deliver_due() == 1
    assert await states(pool) == ["delivered"]
    assert row.first["attempts"] == 1
    assert await pool.fetchval("SELECT attempts FROM callboard.deliveries") == 2


async def test_a_stale_worker_changes_nothing(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    (stale,) = await house.deliver.claim(10)
    await pass_time(pool, 11)
    await house.deliver.rescue()
    house.sink.answers = [DOWN, Sent(ok=True, status=200)]
    (present,) = await house.deliver.claim(10)
    await house.deliver.work(present)
    before = await pool.fetch("SELECT * FROM callboard.deliveries")
    await house.deliver.work(stale)
    assert await pool.fetch("SELECT * FROM callboard.deliveries") == before
    assert await pool.fetchval("SELECT count(*) FROM callboard.attempts") == 1


async def test_410_disables_and_gives_up_at_once(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await processing(house)
    house.sink.answers = [Sent(ok=False, status=410, error="http_410", gone=True)]
    await house.deliver_due()
    assert await states(pool) == ["failed"]
    row = await house.subscribe.get(TENANT, subscription)
    assert row["enabled"] is False
    await processing(house)
    assert await states(pool) == ["failed", "held"]


async def test_the_secret_before_signs_too_while_it_overlaps(house: House, pool: Pool) -> None:
    subscription = await subscribed(house)
    await pool.execute(
        "UPDATE callboard.subscriptions SET previous_secret = $1, previous_until = clock_timestamp()"
        " + interval '1 hour'",
        house.vault.seal(b"p" * 32),
    )
    await processing(house)
    await house.deliver_due()
    assert len(house.sink.got[0][1].secrets) == 2
    assert house.sink.got[0][1].secrets[1] == b"p" * 32
    await pool.execute(
        "UPDATE callboard.subscriptions SET previous_until = clock_timestamp() WHERE id = $1",
        subscription,
    )
    await processing(house)
    await house.deliver_due()
    assert len(house.sink.got[1][1].secrets) == 1


async def test_a_notify_url_is_signed_with_the_tenants_secret_from_the_first_event_on(
    house: House,
) -> None:
    await processing(house, webhookURL="https://app.example/done")
    await house.deliver_due()
    ((target, event),) = house.sink.got
    assert (target.kind, target.url) == ("webhook", "https://app.example/done")
    secret = await house.subscribe.signing_secret(TENANT)
    assert [format_secret(s) for s in event.secrets] == [secret]
    assert secret_bytes(secret) == event.secrets[0]


async def test_a_secret_that_no_key_opens_is_a_failed_attempt(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    await pool.execute("UPDATE callboard.subscriptions SET secret = 'sealed by nobody'")
    await house.deliver_due()
    assert house.sink.got == []
    assert await pool.fetchval("SELECT error FROM callboard.attempts") == "secret_unreadable"
    assert await states(pool) == ["pending"]


async def test_a_sink_that_breaks_its_word_and_raises_is_a_failed_attempt(
    house: House, pool: Pool
) -> None:
    class Broken(FakeSink):
        async def send(self, target: Target, event: Outgoing) -> Sent:
            raise RuntimeError(target.url, event.event_id)

    deliver = Deliver(pool, house.dice, house.vault, {"webhook": Broken()}, DELIVERIES, source="s")
    await subscribed(house)
    await processing(house)
    for wait in (0, 6.1, 361):
        await pass_time(pool, wait)
        for row in await deliver.claim(10):
            await deliver.work(row)
    assert await states(pool) == ["failed"]
    assert await pool.fetchval("SELECT count(*) FROM callboard.attempts") == 3


async def test_who_asks_for_the_request_gets_it_and_others_do_not(house: House) -> None:
    await subscribed(house, include_request=True)
    await subscribed(house)
    await processing(house, inputs={"text": "ü"})
    await house.deliver_due()
    requests = [json.loads(e.body)["data"].get("request") for _, e in house.sink.got]
    asked = {"model": "sync:3@0", "inputs": {"text": "ü"}}
    assert [r for r in requests if r] == [asked]


async def test_a_kind_that_no_sink_knows_is_a_failed_attempt(house: House, pool: Pool) -> None:
    await subscribed(house, kind="pigeon")
    await one(house)
    await house.send_queued()
    await house.deliver_due()
    assert await pool.fetchval("SELECT error FROM callboard.attempts") == "unknown_kind"


@pytest.mark.parametrize("attempts", [1, 2])
async def test_waits_come_from_the_policy(house: House, pool: Pool, attempts: int) -> None:
    await subscribed(house)
    await processing(house)
    house.sink.answers = [DOWN] * attempts
    for _ in range(attempts):
        await pool.execute("UPDATE callboard.deliveries SET next_at = clock_timestamp()")
        await house.deliver_due()
    wait = await pool.fetchval("SELECT next_at - clock_timestamp() FROM callboard.deliveries")
    expected = DELIVERIES.waits[attempts - 1]
    assert expected - timedelta(seconds=2) < wait <= expected
