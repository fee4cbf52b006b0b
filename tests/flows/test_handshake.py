"""The handshake of web hooks: asked before the first delivery, once, kept for a day, obeyed."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from service.core.handshake import USUAL_RATE
from service.flows.handshake import Handshake
from service.ports import Consent, Outgoing, Sent, Target
from service.store.pool import Pool, Record
from tests.support.fakes import FakeSink
from tests.support.flows import subscribed
from tests.support.house import House

URL = "https://app.example/hooks"
YES, NO = Consent(ok=True, rate=120), Consent(ok=False, error="no_consent", response=b"why")
TARGET = Target("webhook", URL, timeout_s=5.0)
EVENT = Outgoing(UUID(int=1), "task.completed", None, b"{}", "application/json", 1)


class Asked(FakeSink):
    """A target that consents as the test wants, and then always; it answers while `hold` is set."""

    def __init__(self, *consents: Consent) -> None:
        super().__init__()
        self.consents = list(consents)
        self.asked: list[tuple[str, int]] = []
        self.hold = asyncio.Event()
        self.hold.set()

    async def ask(self, target: Target, origin: str, rate: int) -> Consent:
        self.asked.append((origin, rate))
        await self.hold.wait()
        return self.consents.pop(0) if self.consents else YES


@pytest.fixture
def handshake(pool: Pool) -> Handshake:
    return Handshake(pool, "https://board.example:8443/base")


@pytest.fixture
async def subscription(house: House, pool: Pool) -> UUID:
    """Subscribe a target that wants to be asked."""
    made = await subscribed(house)
    await pool.execute("UPDATE callboard.subscriptions SET handshake = true")
    return made


async def claimed(pool: Pool) -> Record:
    """Give what a claim knows of the subscription."""
    row = await pool.fetchrow(
        "SELECT id AS subscription_id, url, handshake, allowed_at, allowed_rate, rate_per_minute,"
        " clock_timestamp() AS now FROM callboard.subscriptions"
    )
    assert row is not None
    return row


async def kept(pool: Pool) -> tuple[bool, Any]:
    row = await claimed(pool)
    return row["allowed_at"] is not None, row["allowed_rate"]


async def age(pool: Pool, hours: float) -> None:
    """Let the consent grow older."""
    await pool.execute(
        "UPDATE callboard.subscriptions SET allowed_at = allowed_at - make_interval(mins => $1)",
        int(hours * 60),
    )


async def test_target_is_asked_before_the_first_delivery_and_not_again(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink = Asked()
    for _ in range(3):
        sent = await handshake.send(await claimed(pool), sink, TARGET, EVENT)
        assert sent.ok
    assert sink.asked == [("board.example", USUAL_RATE)]
    assert {target.origin for target, _ in sink.got} == {"board.example"}
    assert await kept(pool) == (True, 120)


async def test_without_consent_nothing_is_sent_and_the_next_attempt_asks_again(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink = Asked(NO, Consent(ok=True))
    sent = await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    assert sent == Sent(ok=False, error="no_consent", response=b"why")
    assert not sink.got
    assert await kept(pool) == (False, None)
    assert (await handshake.send(await claimed(pool), sink, TARGET, EVENT)).ok
    assert await kept(pool) == (True, None)


async def test_consent_lasts_a_day_and_may_be_withdrawn_then(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink = Asked(YES, NO)
    await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    await age(pool, 23.9)
    assert (await handshake.send(await claimed(pool), sink, TARGET, EVENT)).ok
    await age(pool, 0.2)
    assert not (await handshake.send(await claimed(pool), sink, TARGET, EVENT)).ok
    assert await kept(pool) == (False, None)
    assert len(sink.asked) == 2


async def test_target_that_could_not_be_asked_has_withdrawn_nothing(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink = Asked(YES, Consent(ok=False, error="timeout"))
    await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    await age(pool, 25)
    sent = await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    assert sent == Sent(ok=False, error="timeout")
    assert await kept(pool) == (True, 120)


async def test_many_deliveries_that_were_claimed_together_ask_once(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink, row = Asked(), await claimed(pool)
    sink.hold.clear()
    sending = [asyncio.create_task(handshake.send(row, sink, TARGET, EVENT)) for _ in range(5)]
    await asyncio.sleep(0)
    sending[1].cancel()
    sink.hold.set()
    done = await asyncio.gather(*sending, return_exceptions=True)
    assert [isinstance(d, Sent) and d.ok for d in done] == [True, False, True, True, True]
    # The same claim, after the consent: its row was read before it.
    assert (await handshake.send(row, sink, TARGET, EVENT)).ok
    assert len(sink.asked) == 1


async def test_who_waits_for_an_answer_that_does_not_come_fails_too(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink, row = Asked(), await claimed(pool)
    sink.hold.clear()
    first, second = (
        asyncio.create_task(handshake.send(row, sink, TARGET, EVENT)) for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).error == "no_consent"
    sink.hold.set()
    assert (await handshake.send(row, sink, TARGET, EVENT)).ok


async def test_consent_of_one_url_is_none_of_another(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink, row = Asked(), await claimed(pool)
    await pool.execute("UPDATE callboard.subscriptions SET url = 'https://other.example/'")
    assert (await handshake.send(row, sink, TARGET, EVENT)).ok
    assert await kept(pool) == (False, None)
    await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    assert len(sink.asked) == 2


async def test_rate_that_is_asked_for_is_the_subscriptions_own(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    await pool.execute("UPDATE callboard.subscriptions SET rate_per_minute = 30")
    sink = Asked()
    await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    assert sink.asked == [("board.example", 30)]


async def test_who_wants_no_handshake_is_not_asked(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    await pool.execute("UPDATE callboard.subscriptions SET handshake = false")
    sink, plain = Asked(), FakeSink()
    assert (await handshake.send(await claimed(pool), sink, TARGET, EVENT)).ok
    assert (sink.asked, sink.got[0][0].origin) == ([], None)
    await pool.execute("UPDATE callboard.subscriptions SET handshake = true")
    assert (await handshake.send(await claimed(pool), plain, TARGET, EVENT)).ok


async def test_handshake_and_delivery_share_the_time_of_one_attempt(
    handshake: Handshake, pool: Pool, subscription: UUID
) -> None:
    sink = Asked()
    await handshake.send(await claimed(pool), sink, TARGET, EVENT)
    assert sink.got[0][0].timeout_s < TARGET.timeout_s
