"""What a target that is gone, or fails for days, makes of its subscription, and how every delivery comes to its end."""

import json
from typing import Any
from uuid import UUID

import pytest

from schemas.events.data import SubscriptionDisabled
from service.flows.wake import Topic
from service.ports import Sent
from service.store.pool import Pool
from tests.support.flows import TENANT, accepted, pass_time, submission, subscribed
from tests.support.house import DELIVERIES, House

DOWN = Sent(ok=False, status=503, error="http_503")
GONE = Sent(ok=False, status=410, error="http_410", gone=True)
DAY = 86_400
BAD = "https://bad.example/hooks"


class Choosy:
    """Answers by the URL; the test says what bad ones get."""

    max_bytes: int | None = None

    def __init__(self, house: House, answer: Sent) -> None:
        self._house = house
        self.answer = answer
        self.asked = 0
        house.deliver._sinks = {"webhook": self, "file": house.sink}

    async def send(self, target: Any, event: Any) -> Sent:
        if "bad" in (target.url or ""):
            self.asked += 1
            return self.answer
        return await self._house.sink.send(target, event)

    async def close(self) -> None:
        """Nothing is open."""


async def tasks(house: House, count: int = 1, **fields: Any) -> list[UUID]:
    uuids = await accepted(house, *[submission(**fields) for _ in range(count)])
    await house.send_queued()
    return uuids


async def work_off(house: House) -> None:
    while await house.deliver_due():
        pass


async def disabled(house: House, subscription: UUID) -> dict[str, Any]:
    return dict(await house.subscribe.get(TENANT, subscription))


async def fails_for(house: House, pool: Pool, days: float) -> None:
    """Let every attempt fail for so long."""
    await work_off(house)
    for _ in range(int(days * 12)):
        await pass_time(pool, DAY / 12)
        await work_off(house)


def told(house: House) -> list[dict[str, Any]]:
    bodies = [json.loads(event.body) for _, event in house.sink.got]
    return [b for b in bodies if b["type"] == "subscription.disabled"]


async def test_410_disables_and_the_other_subscriptions_are_told(house: House, pool: Pool) -> None:
    Choosy(house, GONE)
    gone = await subscribed(house, url=BAD)
    await subscribed(house)
    await subscribed(house, types=["task.*"])
    await subscribed(house, provider="runware")
    await pool.execute(
        "UPDATE callboard.subscriptions SET description = 'the old shop' WHERE id = $1", gone
    )
    await tasks(house)
    await work_off(house)
    row = await disabled(house, gone)
    assert (row["enabled"], row["disabled_reason"]) == (False, "gone")
    (event,) = told(house)
    said = SubscriptionDisabled.model_validate(event)
    assert said.subject == said.data.subscriptionId == gone
    assert (said.data.reason, said.data.lastStatus, said.data.lastError) == (
        "gone",
        410,
        "http_410",
    )
    assert (said.data.url, said.data.description) == (BAD, "the old shop")
    assert said.sequence == "0000000001"
    assert (
        await pool.fetchval("SELECT count(*) FROM callboard.deliveries WHERE target = $1", gone)
        == 1
    )


async def test_a_subscription_that_fails_for_five_days_is_disabled_and_what_waits_is_held(
    house: House, pool: Pool
) -> None:
    Choosy(house, DOWN)
    failing = await subscribed(house, url=BAD)
    await subscribed(house, types=["subscription.*"])
    await tasks(house, 8)
    await fails_for(house, pool, 4.5)
    assert (await disabled(house, failing))["enabled"] is True
    assert (await disabled(house, failing))["failing_since"] is not None
    await tasks(house, 8)
    await fails_for(house, pool, 1)
    row = await disabled(house, failing)
    assert (row["enabled"], row["disabled_reason"]) == (False, "failing")
    (event,) = told(house)
    assert event["data"]["reason"] == "failing"
    assert event["data"]["lastStatus"] == 503
    states = await pool.fetch(
        "SELECT state, count(*) AS n FROM callboard.deliveries WHERE target = $1 GROUP BY state",
        failing,
    )
    assert {r["state"] for r in states} <= {"failed", "held"}
    assert sum(r["n"] for r in states) == 16


async def test_one_success_in_five_days_keeps_a_subscription_enabled(
    house: House, pool: Pool
) -> None:
    choosy = Choosy(house, DOWN)
    flapping = await subscribed(house, url=BAD)
    for _ in range(2):
        choosy.answer = DOWN
        await tasks(house, 3)
        await fails_for(house, pool, 3)
        choosy.answer = Sent(ok=True, status=200)
        await tasks(house)
        await fails_for(house, pool, 0.1)
    row = await disabled(house, flapping)
    assert (row["enabled"], row["failing_since"]) == (True, None)


async def test_every_disabling_is_an_event_of_its_own(house: House, pool: Pool) -> None:
    Choosy(house, GONE)
    gone = await subscribed(house, url=BAD)
    await subscribed(house)
    for _ in range(2):
        await tasks(house)
        await work_off(house)
        await pool.execute(
            "UPDATE callboard.subscriptions SET enabled = true, disabled_reason = NULL WHERE id = $1",
            gone,
        )
    assert [e["sequence"] for e in told(house)] == ["0000000001", "0000000002"]


async def test_two_attempts_that_are_told_410_disable_once(house: House) -> None:
    Choosy(house, GONE)
    gone = await subscribed(house, url=BAD)
    await subscribed(house, types=["subscription.disabled"])
    await tasks(house, 2)
    for parcel in await house.deliver.claim(10):
        await house.deliver.work(parcel)
    await work_off(house)
    assert len(told(house)) == 1
    assert (await disabled(house, gone))["event_sequence"] == 1


async def test_a_host_that_fails_for_five_days_has_its_deliveries_given_up(
    house: House, pool: Pool
) -> None:
    choosy = Choosy(house, DOWN)
    await tasks(house, 40, webhookURL=BAD)
    await fails_for(house, pool, 4)
    assert choosy.asked < 300
    await fails_for(house, pool, 1.5)
    await age(pool, DELIVERIES.span.total_seconds() + 1)
    await pool.execute(
        "UPDATE callboard.deliveries SET next_at = clock_timestamp() - interval '2 hours'"
    )
    await house.deliver.rescue()
    left = await pool.fetch("SELECT DISTINCT state FROM callboard.deliveries")
    assert [r["state"] for r in left] == ["failed"]


async def age(pool: Pool, seconds: float) -> None:
    """Make deliveries and their events older."""
    await pool.execute("SELECT callboard.ensure_partitions((now() - interval '9 days')::date, 9)")
    for table in ("deliveries", "events"):
        await pool.execute(
            f"UPDATE callboard.{table} SET created_at = created_at - make_interval(secs => $1)",  # noqa: S608 - our own names
            seconds,
        )


@pytest.mark.parametrize("younger", [True, False])
async def test_what_was_kept_waiting_longer_than_all_attempts_take_gets_one_last_attempt(
    house: House,
    pool: Pool,
    younger: bool,
) -> None:
    Choosy(house, DOWN)
    await subscribed(house, url=BAD)
    await tasks(house)
    seconds = DELIVERIES.span.total_seconds()
    await age(pool, seconds - 60 if younger else seconds + 60)
    assert await house.deliver_due() == 1
    state = await pool.fetchval("SELECT state FROM callboard.deliveries")
    assert state == ("pending" if younger else "failed")


async def test_others_are_woken_for_the_news(house: House) -> None:
    Choosy(house, GONE)
    await subscribed(house, url=BAD)
    await tasks(house)
    claimed = await house.deliver.claim(10)
    for topic in Topic:
        house.wake._topics[topic].clear()
    for parcel in claimed:
        await house.deliver.work(parcel)
    rung = {topic for topic in Topic if house.wake._topics[topic].is_set()}
    assert rung == {Topic.DELIVER, Topic.EVENTS}
