"""One delivery that is sent again by hand: from every state, never behind anybody's back, with a fresh schedule."""

import asyncio
import json
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Conflict, Erased, NotFound, SubscriptionDisabled
from service.ports import Sent
from service.store import subscriptions as stored
from service.store.keys import Scope
from service.store.pool import Pool
from tests.support.again import ALL, finished, got, names, stand, states
from tests.support.flows import TENANT, blocked, elsewhere, pass_time, processing, subscribed
from tests.support.house import House

DOWN = Sent(ok=False, status=503, error="http_503", response=b"later")


async def retried(house: House, name: str, key: str | None = None) -> dict[str, Any]:
    scope = None if key is None else Scope(TENANT, "POST", f"/v1/deliveries/{name}/retry", key)
    answer = await house.again.retry(TENANT, name, scope)
    assert (answer.status, answer.location) == (202, f"/v1/deliveries/{name}")
    found: dict[str, Any] = json.loads(answer.body)
    return found


@pytest.mark.parametrize("state", ["delivered", "failed", "held", "canceled"])
async def test_whatever_became_of_it_it_is_sent_once_more(
    house: House, pool: Pool, state: str
) -> None:
    await subscribed(house)
    await processing(house)
    await stand(pool, state)
    (name,) = await names(pool)
    shown = await retried(house, name)
    assert (shown["state"], shown["finishedAt"]) == ("pending", None)
    assert shown["nextAttemptAt"] is not None
    assert await house.deliver_due() == 1
    assert await house.deliver_due() == 0
    assert got(house) == ["task.processing"]
    assert await states(pool) == ["delivered"]


async def test_its_schedule_begins_anew(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    house.sink.answers = [DOWN] * 6
    for wait in (0, 6.1, 361):
        await pass_time(pool, wait)
        assert await house.deliver_due() == 1
    assert await states(pool) == ["failed"]
    (name,) = await names(pool)
    await retried(house, name)
    for wait in (0, 6.1, 361):
        await pass_time(pool, wait)
        assert await states(pool) == ["pending"]
        assert await house.deliver_due() == 1
    assert await states(pool) == ["failed"]
    log = (await house.again.delivery(TENANT, name))["attemptLog"]
    assert isinstance(log, list)
    assert [a["no"] for a in log] == [1, 2, 3, 4, 5, 6]
    assert {(a["status"], a["error"], a["response"]) for a in log} == {(503, "http_503", "later")}


async def test_one_that_waits_has_its_next_attempt_now_and_keeps_its_place(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await finished(house)
    house.sink.answers = [DOWN]
    await house.deliver_due()
    first, second, _ = await names(pool)
    await retried(house, second)
    assert await house.deliver_due() == 0
    await retried(house, first)
    assert [await house.deliver_due() for _ in range(4)] == [1, 1, 1, 0]
    assert got(house) == [ALL[0], *ALL]


async def test_one_that_is_being_sent_is_left_to_its_sender(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    (row,) = await house.deliver.claim(10)
    (name,) = await names(pool)
    with pytest.raises(Conflict, match="being sent"):
        await house.again.retry(TENANT, name, None)
    await house.deliver.work(row)
    assert await states(pool) == ["delivered"]


async def test_who_waits_behind_its_sender_sees_what_became_of_it(
    house: House, pool: Pool, dsn: str
) -> None:
    await subscribed(house)
    await processing(house)
    (name,) = await names(pool)
    async with elsewhere(dsn) as sender:
        await sender.execute("UPDATE callboard.deliveries SET state = 'sending'")
        retrying = asyncio.create_task(house.again.retry(TENANT, name, None))
        await blocked(pool)
        await sender.execute("COMMIT")
        with pytest.raises(Conflict, match="being sent"):
            await retrying


async def test_neither_the_order_waits_for_it_nor_it_for_the_order(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await finished(house)
    house.sink.answers = [Sent(ok=True, status=200), DOWN]
    assert [await house.deliver_due() for _ in range(3)] == [1, 1, 0]
    (first, *_) = await names(pool)
    await retried(house, first)
    house.sink.answers = [DOWN]
    assert await house.deliver_due() == 1
    assert await states(pool) == ["pending"] * 3
    await pool.execute("UPDATE callboard.deliveries SET next_at = now() WHERE ordered")
    assert [await house.deliver_due() for _ in range(3)] == [1, 1, 0]
    assert await states(pool) == ["pending", "delivered", "delivered"]


async def test_a_disabled_subscription_is_enabled_first_and_a_deleted_one_is_gone(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await processing(house)
    await stand(pool, "failed")
    (name,) = await names(pool)
    async with pool.acquire() as conn:
        await stored.disable(conn, subscription)
    with pytest.raises(SubscriptionDisabled):
        await house.again.retry(TENANT, name, None)
    await house.subscribe.delete(TENANT, subscription)
    with pytest.raises(Conflict, match="deleted"):
        await house.again.retry(TENANT, name, None)
    assert await states(pool) == ["failed"]


async def test_of_an_erased_task_nothing_is_sent(house: House, pool: Pool) -> None:
    await subscribed(house)
    task_uuid = await finished(house)
    await stand(pool, "delivered")
    await house.erase.task(TENANT, task_uuid)
    for name in await names(pool):
        with pytest.raises(Erased, match="erased"):
            await house.again.retry(TENANT, name, None)
    assert await states(pool) == ["delivered"] * 3


async def test_a_notify_url_is_told_again_too(house: House, pool: Pool) -> None:
    await processing(house, webhookURL="https://App.example:8443/done?token=secret")
    await house.deliver_due()
    (name,) = await names(pool)
    shown = await retried(house, name)
    assert (shown["subscription"], shown["notifyHost"]) == (None, "app.example:8443")
    assert "secret" not in json.dumps(shown)
    assert await house.deliver_due() == 1
    assert len(house.sink.got) == 2


async def test_a_key_makes_it_once(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    await stand(pool, "delivered")
    (name,) = await names(pool)
    first = await retried(house, name, "key")
    assert await house.deliver_due() == 1
    assert await retried(house, name, "key") == first
    assert await house.deliver_due() == 0


@pytest.mark.parametrize(
    "name",
    [
        "",
        "1",
        "1-",
        "-1",
        "x-1",
        "1-1",
        "01-1",
        "9" * 17 + "-1",
        "0e9290c6-cbc7-466d-944f-b9af3f9e7fb9",
        "\uff11-1",
    ],
)
async def test_what_is_no_name_of_a_delivery_is_not_found(house: House, name: str) -> None:
    with pytest.raises(NotFound):
        await house.again.delivery(TENANT, name)
    with pytest.raises(NotFound):
        await house.again.retry(TENANT, name, None)


async def test_those_of_others_are_not_found(house: House, pool: Pool) -> None:
    await subscribed(house)
    await processing(house)
    (name,) = await names(pool)
    for tenant in ("other", str(UUID(int=0))):
        with pytest.raises(NotFound):
            await house.again.delivery(tenant, name)
        with pytest.raises(NotFound):
            await house.again.retry(tenant, name, None)
