"""One order of locks everywhere: all that happens may happen at once, and nobody is ever chosen as a victim."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from uuid import UUID

import pytest

from service.clock import SystemDice
from service.core.errors import Unavailable
from service.core.inputs import CancelAsked, Report, Source, Tick, TryLater
from service.core.media import Wanted
from service.flows.accept import Submission
from service.flows.apply import Change
from service.store import archives
from service.store import pool as store_pool
from service.store.accounts import Name
from service.store.pool import Pool
from tests.support.archiving import AWAY, Keep, make_keep
from tests.support.batches import gathered, tasks_of
from tests.support.fakes import said
from tests.support.flows import TENANT, Wire, call_back, submission, subscribed
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BUSY, video

TASKS, ROUNDS = 8, 12
NAME = Name(TENANT, "runware", "default")


@pytest.fixture
def collisions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every deadlock that the server resolved."""
    noted: list[str] = []

    class Noted(store_pool.Collided):
        def __init__(self) -> None:
            super().__init__()
            noted.append("collided")

    monkeypatch.setattr(store_pool, "Collided", Noted)
    return noted


async def test_a_deadlock_would_be_noted_and_a_create_begins_again(
    pool: Pool, collisions: list[str]
) -> None:
    async def collide(conn: object) -> None:
        await conn.execute("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$")  # type: ignore[attr-defined]  # a connection

    wire = Wire(pool)
    house = make_house(wire.pool)
    wire.before["fence_subscriptions"] = collide
    assert await stored_kind(pool, await subscribed(house)) == "webhook"
    assert collisions == ["collided"]


async def stored_kind(pool: Pool, subscription: UUID) -> str:
    sql = "SELECT kind FROM callboard.subscriptions WHERE id = $1"
    kind: str = await pool.fetchval(sql, subscription)
    return kind


async def test_everything_at_once_on_the_same_tasks_never_deadlocks(
    pool: Pool, collisions: list[str], tmp_path: Path
) -> None:
    dice = random.Random(4)  # noqa: S311 - the test's own dice
    houses = [make_house(pool, dice=SystemDice(), concurrency=TASKS // 2) for _ in range(2)]
    batch = await gathered(houses[0], *[kept() for _ in range(TASKS)])
    names = await tasks_of(pool, batch)
    await houses[0].accounts.ready()
    keeps = [make_keep(house, tmp_path) for house in houses]
    async with asyncio.TaskGroup() as group:
        for house, act in product(houses, ACTS):
            group.create_task(_again(act, house, names, dice))
        for keep in keeps:
            group.create_task(_again(_keeping(keep), keep.house, names, dice))
    assert collisions == []
    for keep in keeps:
        await keep.places.close()
    await lawful(pool)


async def _again(act: "Act", house: House, names: Sequence[UUID], dice: random.Random) -> None:
    for _ in range(ROUNDS):
        order = dice.sample(names, len(names))
        # What a lock outlasted is told to come again; only a deadlock counts here.
        with suppress(Unavailable):
            await act(house, order, dice)


async def _called(house: House, names: list[UUID], dice: random.Random) -> None:
    await call_back(house, *[(u, said(f"v{dice.randrange(3)}")) for u in names])
    await house.pending.run_once()


async def _polled(house: House, names: list[UUID], dice: random.Random) -> None:
    report = Report(Source.POLL, videos=(video(dice.randrange(3)),), running=True)
    await house.apply.run([Change(u, report, "test") for u in names], tries=1)


async def _answered(house: House, names: list[UUID], dice: random.Random) -> None:
    fault = dice.random() < 0.5
    answers = [Change(u, TryLater(BUSY, 1, account=fault), "test") for u in names]
    await house.apply.run(answers, tries=1)


async def _ticked(house: House, names: list[UUID], dice: random.Random) -> None:
    await house.apply.run([Change(u, Tick(), "test") for u in names], tries=1)
    await house.reconcile.expire()


async def _canceled(house: House, names: list[UUID], dice: random.Random) -> None:
    await house.apply.run([Change(names[0], CancelAsked(), "test")], tries=1)


async def _sent(house: House, names: list[UUID], dice: random.Random) -> None:
    claimed = await house.submit.claim(5)
    if dice.random() < 0.5:
        await house.submit.release(claimed)
        return
    for task in claimed:
        await house.submit.work(task)


async def _looked(house: House, names: list[UUID], dice: random.Random) -> None:
    for claimed in await house.reconcile.claim(5):
        await house.reconcile.work(claimed)


async def _operated(house: House, names: list[UUID], dice: random.Random) -> None:
    if dice.random() < 0.5:
        await house.accounts.hold(NAME, "For a moment.")
    else:
        await house.accounts.resume(NAME)
    await house.subscribe.delete(TENANT, await subscribed(house))


async def _delivered(house: House, names: list[UUID], dice: random.Random) -> None:
    await house.deliver_due()
    await house.deliver.rescue()


async def _concluded(house: House, names: list[UUID], dice: random.Random) -> None:
    await house.conclude.run_once()


def kept() -> Submission:
    """Make a submission whose videos are kept, and waited for."""
    wanted = Wanted("disk", before_completed=True, keep_days=1)
    return replace(submission(numberResults=4), archive=wanted)


def _keeping(keep: Keep) -> "Act":
    async def act(house: House, names: list[UUID], dice: random.Random) -> None:
        keep.fetcher.failures = [AWAY] if dice.random() < 0.3 else []
        await keep.run()
        async with house.pool.acquire() as conn:
            await archives.expire(conn, 10, datetime.now(UTC) + timedelta(days=2))

    return act


Act = Callable[[House, list[UUID], random.Random], Awaitable[None]]
ACTS: tuple[Act, ...] = (
    *(_called, _polled, _answered, _ticked, _canceled),
    *(_sent, _looked, _operated, _delivered, _concluded),
)
