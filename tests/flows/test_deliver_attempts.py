"""What one attempt is given, and what is kept of it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from service.ports import Sent
from service.store.pool import Pool
from tests.support.flows import accepted, submission, subscribed
from tests.support.house import DELIVERIES, House


async def waiting(house: House, tasks: int) -> None:
    """Write so many events, of as many tasks."""
    await accepted(house, *[submission() for _ in range(tasks)])
    await house.send_queued()


async def set_columns(pool: Pool, subscription: UUID, **columns: Any) -> None:
    for column, value in columns.items():
        await pool.execute(
            f"UPDATE callboard.subscriptions SET {column} = $2 WHERE id = $1",  # noqa: S608 - our own names
            subscription,
            value,
        )


async def test_an_attempt_says_where_it_went_and_keeps_the_beginning_of_the_answer(
    house: House, pool: Pool
) -> None:
    await subscribed(house)
    await waiting(house, 1)
    house.sink.answers = [
        Sent(ok=False, status=500, error="e", response=b"x" * 9999, address="::1")
    ]
    await house.deliver_due()
    row = await pool.fetchrow("SELECT * FROM callboard.attempts")
    assert row is not None
    assert (row["address"], len(row["response"]), row["error"]) == ("::1", 4096, "e")


async def test_a_target_has_the_time_that_its_subscription_gives_it(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    await set_columns(pool, subscription, timeout_s=42.0)
    await waiting(house, 1)
    await house.deliver_due()
    assert house.sink.got[0][0].timeout_s == 42
    await waiting(house, 1)
    await house.deliver.claim(1)
    lease = await pool.fetchval(
        "SELECT max(lease_until) - clock_timestamp() FROM callboard.deliveries"
    )
    assert timedelta(seconds=45) < lease <= timedelta(seconds=42 + DELIVERIES.lease_margin_s)


async def test_headers_credentials_and_keys_are_opened_for_the_attempt(
    house: House, pool: Pool
) -> None:
    subscription = await subscribed(house)
    sealed = {
        "headers": b'{"X-A": "1"}',
        "credentials": b'{"user": "u"}',
        "signing_key": b"s" * 32,
        "previous_signing_key": b"p" * 32,
    }
    await set_columns(pool, subscription, **{n: house.vault.seal(v) for n, v in sealed.items()})
    await waiting(house, 1)
    await house.deliver_due()
    ((target, event),) = house.sink.got
    assert (target.headers, target.credentials, target.id) == (
        {"X-A": "1"},
        {"user": "u"},
        subscription,
    )
    assert event.private_keys == (b"s" * 32,)
