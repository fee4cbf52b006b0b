"""The process or its database goes at every single moment: a legal end, and one generation a task."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from service.core.errors import Unavailable
from service.core.inputs import Accepted, Answer, Reading, ReadNothing, Report, Source
from service.core.states import State
from service.core.task import FirstSend, Task
from service.store.pool import Pool
from tests.support.fakes import FakeProvider, said
from tests.support.flows import (
    Impatient,
    Wire,
    call_back,
    one,
    pass_time,
    processing,
    settle_in,
    subscribed,
    task,
    told,
    until,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import video

ALL = ["task.processing", "video.completed", "task.completed"]


class Forgetful(FakeProvider):
    """An upstream that generates whenever it is asked, and knows what it generated."""

    def __init__(self) -> None:
        super().__init__()
        self.generated: list[UUID] = []
        self.dies: str | None = None

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Generate; while `dies`, the caller does not live to see the answer."""
        self.sent.append(send)
        if self.dies != "before":
            self.generated.append(task.task_uuid)
        if self.dies is not None:
            raise ProcessLookupError
        return Accepted(f"up-{task.task_uuid}")

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Tell what was generated."""
        self.reads.append((task.task_uuid, send))
        if task.task_uuid not in self.generated:
            return ReadNothing()
        return Report(Source.POLL, f"up-{task.task_uuid}", (video(),))


class Board:
    """A process on a wire that will be cut, and the one that lives on."""

    def __init__(self, pool: Pool) -> None:
        self.wire = Wire(pool)
        self.pool = pool
        self.upstream = Forgetful()
        self.doomed = self._house(self.wire.pool)
        self.next = self._house(pool)

    def _house(self, pool: Pool) -> House:
        house = make_house(pool, dice=Impatient())
        settle_in(house, self.upstream)
        return house

    async def recover(self, task_uuid: UUID) -> None:
        """Let the other process do what is due until the task is final."""
        for _ in range(12):
            await pass_time(self.pool, 70)
            await self.next.send_queued()
            for claimed in await self.next.reconcile.claim(10):
                await self.next.reconcile.work(claimed)
            if (await task(self.pool, task_uuid)).final:
                break
        found = await task(self.pool, task_uuid)
        assert found.state is State.COMPLETED
        assert await told(self.pool, task_uuid) == ALL
        assert self.upstream.generated.count(task_uuid) == 1
        await lawful(self.pool)


@pytest.fixture
async def board(pool: Pool) -> Board:
    made = Board(pool)
    await subscribed(made.next)
    return made


async def _at_every_moment(
    board: Board,
    prepare: Callable[[], Awaitable[UUID]],
    act: Callable[[UUID], Awaitable[None]],
    after: Callable[[UUID], Awaitable[None]],
) -> int:
    """Cut the wire at the first moment of an act, then at the second, until the act comes through."""
    moment = 0
    while True:
        moment += 1
        task_uuid = await prepare()
        async with _cut_at(board, moment):
            await act(task_uuid)
        through = not board.wire.down
        await after(task_uuid)
        await board.pool.execute("DELETE FROM callboard.tasks")
        if through:
            return moment


@asynccontextmanager
async def _cut_at(board: Board, moment: int) -> AsyncIterator[None]:
    board.wire.passed, board.wire.cut_at, board.wire.down = 0, moment, False
    try:
        yield
    except Unavailable:
        assert board.wire.down


async def test_the_database_goes_at_any_moment_of_a_send(board: Board) -> None:
    async def send(_: UUID) -> None:
        for claimed in await board.doomed.submit.claim(5):
            await board.doomed.submit.work(claimed)

    moments = await _at_every_moment(board, lambda: one(board.next), send, board.recover)
    assert moments > 40


async def test_the_database_goes_at_any_moment_of_a_callback(board: Board) -> None:
    async def hear(task_uuid: UUID) -> None:
        await call_back(board.doomed, (task_uuid, said("video-1")))

    async def hear_again(task_uuid: UUID) -> None:
        await call_back(board.next, (task_uuid, said("video-1")))
        await board.next.pending.run_once()
        assert (await task(board.pool, task_uuid)).state is State.COMPLETED
        await board.recover(task_uuid)

    prepare = _begun(board)
    assert await _at_every_moment(board, prepare, hear, hear_again) > 20
    assert await _at_every_moment(board, prepare, hear, board.recover) > 20


async def test_the_database_goes_at_any_moment_of_a_poll(board: Board) -> None:
    async def prepare() -> UUID:
        task_uuid = await _begun(board)()
        await pass_time(board.pool, 70)
        return task_uuid

    async def poll(_: UUID) -> None:
        for claimed in await board.doomed.reconcile.claim(5):
            await board.doomed.reconcile.work(claimed)

    assert await _at_every_moment(board, prepare, poll, board.recover) > 20


async def test_the_database_goes_at_any_moment_of_applying_what_was_pending(board: Board) -> None:
    async def prepare() -> UUID:
        task_uuid = await _begun(board)()
        async with board.pool.acquire() as conn, conn.transaction():
            await conn.execute("SELECT FROM callboard.tasks FOR UPDATE")
            await call_back(board.next, (task_uuid, said("video-1")))
        return task_uuid

    async def apply(_: UUID) -> None:
        await board.doomed.pending.run_once()

    async def once_more(task_uuid: UUID) -> None:
        async def applied() -> bool:
            # The server may take a moment to see that the other one's connection is gone.
            await board.next.pending.run_once()
            left = "SELECT count(*) FROM callboard.callbacks WHERE outcome = 'pending'"
            return bool(await board.pool.fetchval(left) == 0)

        await until(applied)
        await board.recover(task_uuid)

    assert await _at_every_moment(board, prepare, apply, once_more) > 8


async def test_the_database_goes_at_any_moment_of_a_delivery(board: Board) -> None:
    async def prepare() -> UUID:
        task_uuid = await processing(board.next)
        await call_back(board.next, (task_uuid, said("video-1")))
        return task_uuid

    async def deliver(_: UUID) -> None:
        await board.doomed.deliver_due()

    async def every_event_arrives_in_order(task_uuid: UUID) -> None:
        for _ in range(8):
            await board.next.deliver.rescue()
            await board.next.deliver_due()
            await pass_time(board.pool, 30)
        got = board.doomed.sink.got + board.next.sink.got
        seen = list(dict.fromkeys(e.event_id for _, e in got if e.task_uuid == task_uuid))
        ids = await board.pool.fetch(
            "SELECT id FROM callboard.events WHERE task_uuid = $1 ORDER BY sequence", task_uuid
        )
        assert seen == [r["id"] for r in ids]
        await board.pool.execute("DELETE FROM callboard.deliveries")

    assert await _at_every_moment(board, prepare, deliver, every_event_arrives_in_order) > 6


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_process_dies_inside_the_call(board: Board, when: str) -> None:
    task_uuid = await one(board.next)
    board.upstream.dies = when
    for claimed in await board.doomed.submit.claim(5):
        with pytest.raises(ProcessLookupError):
            await board.doomed.submit.work(claimed)
    board.upstream.dies = None
    assert board.upstream.generated == ([] if when == "before" else [task_uuid])
    await board.recover(task_uuid)


async def test_an_answer_that_is_lost_with_the_database_is_read(board: Board) -> None:
    task_uuid = await one(board.next)
    (claimed,) = await board.doomed.submit.claim(5)

    async def goes(_conn: object) -> None:
        board.wire.down = True

    board.wire.after["commit"] = goes
    await board.doomed.submit.work(claimed)
    assert board.upstream.generated == [task_uuid]
    assert (await task(board.pool, task_uuid)).being_sent
    await board.recover(task_uuid)


def _begun(board: Board) -> Callable[[], Awaitable[UUID]]:
    async def prepare() -> UUID:
        return await processing(board.next)

    return prepare


async def test_regression_the_read_of_a_frozen_process_counted_when_it_woke(
    house: House, pool: Pool
) -> None:
    task_uuid = await processing(house)
    await pass_time(pool, 70)
    (frozen,) = await house.reconcile.claim(10)
    await pass_time(pool, 601)
    house.providers["runware"].readings = [Report(Source.POLL, running=True), ReadNothing()]
    (following,) = await house.reconcile.claim(10)
    await house.reconcile.work(following)
    before = await task(pool, task_uuid)
    await house.reconcile.work(frozen)
    assert await task(pool, task_uuid) == before
    await lawful(pool)
