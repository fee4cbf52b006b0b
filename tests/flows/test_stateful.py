"""Two workers, callbacks, the clock and the operator in whatever order: no law is broken, and all comes to an end.

A real database; the upstream is a fake with a memory of what it was asked to make, which is the oracle.
`CALLBOARD_STATEFUL_EXAMPLES` and `CALLBOARD_STATEFUL_STEPS` make it longer.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.core.errors import Conflict
from service.core.task import Task
from service.ports import RawCallback, Sent
from service.store.pool import Pool, create_pool
from tests.flows.conftest import EMPTIED
from tests.support.fakes import said
from tests.support.flows import TENANT, one, pass_time, subscribed, task
from tests.support.quiet import all_is_told, is_quiet, until_the_next
from tests.support.remembering import Fate, Memory, Reads, two_houses, upstream_of
from tests.support.slots import check_slots
from tests.support.stored import lawful
from tests.support.tasks import POLICY

EXAMPLES = int(os.environ.get("CALLBOARD_STATEFUL_EXAMPLES", "30"))
STEPS = int(os.environ.get("CALLBOARD_STATEFUL_STEPS", "25"))
SHRINK = "CALLBOARD_STATEFUL_SHRINK" in os.environ
"""Off, because a failure with a database takes minutes to shrink; the steps are printed anyway."""
CONCURRENCY = 2
MOST_TASKS = 5
QUIET_ROUNDS = 100
WAITS = replace(POLICY, slot_max=timedelta(hours=3), resend_window=timedelta(seconds=120))
"""Places are watched for hours, not for a day of polls; names are known for as long as Runware's are trusted."""

WORKERS = st.sampled_from([0, 1])
FATES = st.sampled_from(list(Fate))
GAPS = st.sampled_from([1, 6, 31, 61, 400, 3700])
PICK = st.integers(0, 99)


class Board(RuleBasedStateMachine):
    """Whatever happens to a board with two workers."""

    def __init__(self, runner: asyncio.Runner, pool: Pool) -> None:
        super().__init__()
        self.runner = runner
        self.pool = pool
        self.memory = Memory(trusted_s=WAITS.resend_window.total_seconds())
        self.houses = two_houses(pool, self.memory, CONCURRENCY, WAITS)
        self.names: list[UUID] = []
        self.claimed: list[list[Task]] = [[], []]
        self.under_way: list[tuple[asyncio.Task[None], asyncio.Event]] = []
        self.sinks_failed = 0

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run on the one loop of all examples; sends under way go on meanwhile."""
        return self.runner.run(main)

    @initialize()
    def begin(self) -> None:
        """Begin with three tasks, one of them sent, and one subscription."""
        self.run(self._begin())

    async def _begin(self) -> None:
        for table in EMPTIED:
            await self.pool.execute(f"DELETE FROM callboard.{table}")  # noqa: S608 - our own names
        await subscribed(self.houses[0])
        self.names = [await one(self.houses[0], numberResults=n) for n in (1, 2, 1)]
        await self._send(0, Fate.ACCEPTED, None)

    @rule(worker=WORKERS, results=st.sampled_from([1, 1, 2]))
    @precondition(lambda self: len(self.names) < MOST_TASKS)
    def submit(self, worker: int, results: int) -> None:
        self.names.append(self.run(one(self.houses[worker], numberResults=results)))

    @rule(worker=WORKERS, limit=st.integers(1, 3))
    def claim(self, worker: int, limit: int) -> None:
        """Claim without sending: whoever sends it later may come too late."""
        self.claimed[worker] += self.run(self.houses[worker].submit.claim(limit))

    @rule(worker=WORKERS, fate=FATES)
    def send(self, worker: int, fate: Fate) -> None:
        self.run(self._send(worker, fate, None))

    @rule(worker=WORKERS, fate=FATES)
    def begin_to_send(self, worker: int, fate: Fate) -> None:
        """Send, and let other things happen before the answer."""
        if len(self.under_way) < CONCURRENCY:
            self.run(self._send(worker, fate, asyncio.Event()))

    async def _send(self, worker: int, fate: Fate, gate: asyncio.Event | None) -> None:
        self.claimed[worker] += (
            [] if self.claimed[worker] else await self.houses[worker].submit.claim(1)
        )
        if not self.claimed[worker]:
            return
        upstream = upstream_of(self.houses[worker])
        upstream.fate, upstream.gate, upstream.arrived = fate, gate, asyncio.Event()
        sending = asyncio.create_task(self.houses[worker].submit.work(self.claimed[worker].pop(0)))
        arrived = asyncio.create_task(upstream.arrived.wait())
        waited = [sending] if gate is None else [sending, arrived]
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        arrived.cancel()
        upstream.gate = None
        if gate is not None and not sending.done():
            self.under_way.append((sending, gate))
        else:
            await sending

    @rule(dies=st.booleans(), pick=PICK)
    @precondition(lambda self: self.under_way)
    def answer(self, pick: int, *, dies: bool) -> None:
        """Let a send get its answer, or its process die before."""
        self.run(self._answer(pick, dies=dies))

    async def _answer(self, pick: int, *, dies: bool) -> None:
        sending, gate = self.under_way.pop(pick % len(self.under_way))
        if dies:
            sending.cancel()
        else:
            gate.set()
        await asyncio.wait([sending])
        assert sending.cancelled() or sending.exception() is None

    @rule(pick=PICK, videos=st.integers(0, 2), fails=st.booleans())
    @precondition(lambda self: self.memory.billed)
    def generate(self, pick: int, videos: int, *, fails: bool) -> None:
        """Let a generation go on, without a word."""
        found = self.memory.billed[pick % len(self.memory.billed)]
        for _ in range(videos):
            if found.running:
                found.make()
        found.failed = found.failed or (fails and found.running)

    @rule(worker=WORKERS, pick=PICK, times=st.integers(1, 2), locked=st.booleans())
    @precondition(lambda self: self.memory.billed)
    def call_back(self, worker: int, pick: int, times: int, *, locked: bool) -> None:
        """Call back with what there is: early, doubled, late, and while others hold the task."""
        found = self.memory.billed[pick % len(self.memory.billed)]
        if found.running:
            found.make()
        faults = ("broken",) if found.failed else ()
        body = said(*found.videos, faults=faults, upstream_id=f"up-{found.task_uuid}")
        self.run(self._call_back(worker, found.task_uuid, body, times, locked=locked))

    @rule(worker=WORKERS, pick=PICK, video=st.booleans())
    @precondition(lambda self: self.names)
    def call_back_of_another_generation(self, worker: int, pick: int, *, video: bool) -> None:
        name = self.names[pick % len(self.names)]
        # The first one that names itself is the task's: only then is there another.
        if self.run(task(self.pool, name)).upstream_id is None:
            return
        body = said(*([f"strange-{name}"] if video else []), upstream_id=f"strange-{name}")
        self.run(self._call_back(worker, name, body, 1, locked=False))

    @rule(worker=WORKERS, pick=PICK)
    @precondition(lambda self: self.names)
    def call_back_unreadably(self, worker: int, pick: int) -> None:
        name = self.names[pick % len(self.names)]
        self.run(self._call_back(worker, name, b"what?", 1, locked=False))

    async def _call_back(
        self, worker: int, name: UUID, body: bytes, times: int, *, locked: bool
    ) -> None:
        receive = self.houses[worker].receive
        group = [receive.open("runware", RawCallback(name, body, {}))] * times
        async with self.pool.acquire() as other, other.transaction():
            if locked:
                lock = "SELECT FROM callboard.tasks WHERE task_uuid = $1 FOR UPDATE"
                await other.execute(lock, name)
            await receive.flush(group)

    @rule(worker=WORKERS, fate=FATES, reads=st.sampled_from(list(Reads)), limit=st.integers(1, 5))
    def reconcile(self, worker: int, fate: Fate, reads: Reads, limit: int) -> None:
        self.run(self._reconcile(worker, fate, reads, limit))

    async def _reconcile(self, worker: int, fate: Fate, reads: Reads, limit: int) -> int:
        house, upstream = self.houses[worker], upstream_of(self.houses[worker])
        upstream.fate, upstream.reads_are = fate, reads
        claimed = await house.reconcile.claim(limit)
        for each in claimed:
            await house.reconcile.work(each)
        return len(claimed) + await house.reconcile.expire()

    @rule(worker=WORKERS)
    def apply_what_waits(self, worker: int) -> None:
        self.run(self.houses[worker].pending.run_once())

    @rule(worker=WORKERS, fails=st.booleans())
    def deliver(self, worker: int, *, fails: bool) -> None:
        if fails and self.sinks_failed < len(self.houses):
            self.sinks_failed += 1
            self.houses[worker].sink.answers.append(Sent(ok=False, status=500))
        self.run(self.houses[worker].deliver_due())

    @rule(worker=WORKERS, pick=PICK)
    @precondition(lambda self: self.names)
    def cancel(self, worker: int, pick: int) -> None:
        self._operate(
            self.houses[worker].operate.cancel(TENANT, self.names[pick % len(self.names)])
        )

    @rule(worker=WORKERS, pick=PICK)
    @precondition(lambda self: self.names)
    def retry(self, worker: int, pick: int) -> None:
        retry = self.houses[worker].operate.retry
        name = self.names[pick % len(self.names)]
        self._operate(retry(TENANT, name, again=False, force=True, scope=None))

    def _operate(self, asked: Coroutine[Any, Any, Any]) -> None:
        with suppress(Conflict):
            self.run(asked)

    @rule(seconds=GAPS)
    def pass_time(self, seconds: int) -> None:
        self.memory.passed += seconds
        self.run(pass_time(self.pool, seconds))

    @invariant()
    def laws_hold(self) -> None:
        """Every row, every event, every place; and nothing was paid twice."""
        self.run(self._laws_hold())

    async def _laws_hold(self) -> None:
        await lawful(self.pool)
        await check_slots(self.pool)
        paid = Counter(g.task_uuid for g in self.memory.billed)
        assert all(n == 1 for n in paid.values()), paid

    def teardown(self) -> None:
        """Let everything go on until nothing moves; then everything has its end."""
        self.run(self._come_to_an_end())

    async def _come_to_an_end(self) -> None:
        while self.under_way:
            await self._answer(0, dies=False)
        for generation in self.memory.billed:
            generation.finish()
        for _ in range(QUIET_ROUNDS):
            if await is_quiet(self.pool):
                break
            await self._round()
        else:
            raise AssertionError("it never becomes quiet")
        await self._laws_hold()
        await all_is_told(self.pool, {v for g in self.memory.billed for v in g.videos})

    async def _round(self) -> None:
        house = self.houses[0]
        await house.pending.run_once()
        while await self._reconcile(0, Fate.ACCEPTED, Reads.TRUE, 100):
            pass
        await house.send_queued()
        for generation in self.memory.billed:
            generation.finish()
        while await house.deliver_due():
            pass
        seconds = await until_the_next(self.pool)
        self.memory.passed += seconds
        await pass_time(self.pool, seconds)


def test_whatever_happens_in_whatever_order_breaks_no_law_and_comes_to_an_end(dsn: str) -> None:
    with asyncio.Runner() as runner:
        pool = runner.run(create_pool(dsn, size=8, statement_timeout_s=10))
        try:
            run_state_machine_as_test(
                lambda: Board(runner, pool),  # type: ignore[arg-type]  # anything that makes one
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    phases=(Phase.generate, *([Phase.shrink] if SHRINK else [])),
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(pool.close())
