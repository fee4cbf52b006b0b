"""How many callbacks a second become durable and applied, against ceilings of the same run.

`make bench` prints the figures. The ceilings: one durable insert a callback, 64 at once (what a plain
receiver does that only stores), and the same rows in one statement a group (what Postgres can take).
"""

import asyncio
import io
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import aiohttp
import pytest
import structlog

from service.bootstrap.upstreams import Sessions, make_upstreams, policies
from service.clock import SystemDice
from service.core.states import CallbackOutcome
from service.flows.apply import Apply
from service.flows.batcher import Batcher
from service.flows.fanout import Fanout
from service.flows.receive import Incoming, Receive
from service.flows.wake import Wake
from service.observe import set_up_logs
from service.ports import RawCallback
from service.settings import load
from service.store import callbacks, tasks
from service.store.pool import Pool, create_pool
from service.store.tasks import NewTask

pytestmark = pytest.mark.bench
CALLBACKS = 4000
AT_ONCE = 64
Call = Callable[[UUID], Awaitable[object]]


def new_task() -> NewTask:
    return NewTask(
        task_uuid=uuid4(),
        provider="runware",
        model="sync:3@0",
        results_expected=1,
        request="{}",
        metadata="{}",
        labels={},
        warnings=(),
        notify_url=None,
        priority=0,
        start_within_s=3600,
        deadline_s=3600,
    )


def body_of(task_uuid: UUID) -> bytes:
    item = {
        "taskType": "videoInference",
        "taskUUID": str(task_uuid),
        "status": "success",
        "videoUUID": str(uuid4()),
        "videoURL": "https://vm.runware.ai/video/x.mp4",
        "cost": 0.665,
    }
    return json.dumps({"data": [item]}).encode()


async def timed(
    what: Callable[[UUID], Awaitable[object]], uuids: list[UUID]
) -> tuple[float, list[float]]:
    """Do `what` for all, AT_ONCE at a time; gives the rate a second and the sorted latencies in ms."""
    left = iter(uuids)
    latencies: list[float] = []

    async def lane() -> None:
        for task_uuid in left:
            began = time.perf_counter()
            await what(task_uuid)
            latencies.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(AT_ONCE)))
    return len(uuids) / (time.perf_counter() - began), sorted(latencies)


async def test_callbacks_applied_a_second(dsn: str, capsys: pytest.CaptureFixture[str]) -> None:
    pool = await create_pool(dsn, size=16, statement_timeout_s=30)
    logs = io.StringIO()
    set_up_logs("json", "info", logs)
    try:
        single, _ = await timed(lambda u: _insert(pool, u), [uuid4() for _ in range(CALLBACKS)])
        grouped = await _grouped(pool)
        applied, latencies = await _applied(pool)
    finally:
        structlog.reset_defaults()
        await pool.close()
    p50, p99 = latencies[len(latencies) // 2], latencies[int(len(latencies) * 0.99)]
    with capsys.disabled():
        print(f"\ncores {os.cpu_count()}, {CALLBACKS} callbacks, {AT_ONCE} at once")
        print(f"ceiling, one insert each    {single:8.0f}/s")
        print(f"ceiling, inserts in groups  {grouped:8.0f}/s")
        print(f"stored, applied, announced  {applied:8.0f}/s   p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        print(f"ratio to one insert each    {applied / single:8.2f}")


async def _insert(pool: Pool, task_uuid: UUID) -> None:
    row = callbacks.NewCallback("runware", task_uuid, b"x" * 300, {}, CallbackOutcome.APPLIED)
    async with pool.acquire() as conn:
        await callbacks.insert(conn, [row])


async def _grouped(pool: Pool) -> float:
    async def flush(group: list[UUID]) -> list[None]:
        rows = [
            callbacks.NewCallback("runware", u, b"x" * 300, {}, CallbackOutcome.APPLIED)
            for u in group
        ]
        async with pool.acquire() as conn:
            await callbacks.insert(conn, rows)
        return [None] * len(group)

    batcher = Batcher(flush, most=100, most_waiting=10**6, most_bytes=2**30, patience_s=60)
    async with asyncio.TaskGroup() as flushers:
        running = [flushers.create_task(_forever(batcher.flush_once)) for _ in range(2)]
        rate, _ = await timed(lambda u: batcher.put(u, 300), [uuid4() for _ in range(CALLBACKS)])
        for task in running:
            task.cancel()
    return rate


@asynccontextmanager
async def receiving(pool: Pool) -> AsyncIterator[Call]:
    """Run what applies callbacks, as a serving process does; gives what takes one."""
    wake, dice = Wake(), SystemDice()
    settings = load(runware_api_key="k", sync_api_key="k", poll_only=True)
    async with aiohttp.ClientSession() as session:
        upstreams = make_upstreams(settings, Sessions(session, session), (b"k" * 32,))
        apply = Apply(pool, wake, dice, Fanout(dice, "bench"), policies(settings))
        receive = Receive(pool, wake, apply, upstreams)
        batcher: Batcher[Incoming, CallbackOutcome] = Batcher(
            receive.flush, most=100, most_waiting=10**6, most_bytes=2**30, patience_s=60
        )

        async def call(task_uuid: UUID) -> None:
            raw = RawCallback(task_uuid, body_of(task_uuid), {"content-type": "application/json"})
            outcome = await batcher.put(receive.open("runware", raw), 300)
            assert outcome is CallbackOutcome.APPLIED

        async with asyncio.TaskGroup() as flushers:
            running = [flushers.create_task(_forever(batcher.flush_once)) for _ in range(2)]
            yield call
            for task in running:
                task.cancel()


async def _applied(pool: Pool) -> tuple[float, list[float]]:
    new = [new_task() for _ in range(CALLBACKS)]
    async with pool.acquire() as conn, conn.transaction():
        await tasks.insert(conn, "default", new)
    async with receiving(pool) as call:
        return await timed(call, [n.task_uuid for n in new])


async def _forever(step: Callable[[], Awaitable[int]]) -> None:
    while True:
        await step()
