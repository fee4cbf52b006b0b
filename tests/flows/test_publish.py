"""Public keys for anybody: asking often does not reach the database."""

import asyncio

from service.flows.publish import Publish
from service.store.pool import Pool
from tests.support.flows import Wire, subscribed
from tests.support.house import House


async def test_many_who_ask_at_once_and_soon_after_are_one_question(
    house: House, pool: Pool
) -> None:
    await subscribed(house, v1a=True)
    wire = Wire(pool)
    asked: list[int] = []

    async def count(_conn: object) -> None:
        asked.append(1)
        wire.before["public_keys"] = count

    wire.before["public_keys"] = count
    publish = Publish(wire.pool, keep_s=3600)
    answers = await asyncio.gather(*[publish.keys() for _ in range(20)])
    assert await publish.keys() == answers[0]
    assert len(answers[0][0]) == 32
    assert asked == [1]
    assert len(await Publish(wire.pool, keep_s=0).keys()) == 1
    assert asked == [1, 1]
