"""How long a full batch takes to be stored, and what callbacks feel of it meanwhile.

`make bench` prints the figures. The ceiling is the same submissions as arrays of 100 over `POST /v1/tasks`, one
call after the other; the callbacks' own is what they take while nothing else goes on. Callers and service share
one process and its loop, so that both are slower than in life; the ratios are what counts.
"""

import asyncio
import io
import os
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import structlog

from service.observe import set_up_logs
from service.store.pool import create_pool
from service.web.examples import AUDIO, VIDEO
from tests.support.batches import as_lines, send
from tests.support.fakes import CheckingProvider, said
from tests.support.web import Api, serving

pytestmark = pytest.mark.bench
SIZE = 10_000
QUIET_S = 2.0
PAUSE_S = 0.005
"""Callbacks come one each 5 ms, whether the one before was answered or not."""
REQUEST = {"model": "sync:3@0", "inputs": {"video": VIDEO, "audio": AUDIO}, "numberResults": 2}
GIVEN = {"provider": "runware", "request": REQUEST, "labels": {"project": "bench"}}
BODY = as_lines(*[GIVEN] * SIZE)


async def test_a_full_batch_and_the_callbacks_beside_it(
    dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = await create_pool(dsn, size=16, statement_timeout_s=30)
    set_up_logs("json", "info", io.StringIO())
    try:
        async with serving(pool, fake=CheckingProvider) as api:
            task = await api.made(request=REQUEST)
            began = time.perf_counter()
            for _ in range(SIZE // 100):
                assert (await api.post("/v1/tasks", [GIVEN] * 100)).status == 202
            arrays = time.perf_counter() - began
            quiet = await _callbacks(api, task, asyncio.create_task(asyncio.sleep(QUIET_S)))
            storing = asyncio.create_task(_post(api))
            beside = await _callbacks(api, task, storing)
            batch, stored_s = await storing
            began = time.perf_counter()
            assert (await api.get(f"/v1/batches/{batch}")).json["total"] == SIZE
            shown = time.perf_counter() - began
            canceling = asyncio.create_task(api.post(f"/v1/batches/{batch}/cancel"))
            began = time.perf_counter()
            while_canceled = await _callbacks(api, task, canceling)
            canceled = time.perf_counter() - began
            began = time.perf_counter()
            assert await api.house.conclude.run_once() == 1
            concluded = time.perf_counter() - began
    finally:
        structlog.reset_defaults()
        await pool.close()
    with capsys.disabled():
        print(f"\ncores {os.cpu_count()}, {SIZE} submissions")
        print(f"as arrays of 100            {arrays:8.2f} s")
        print(f"as one batch                {stored_s:8.2f} s   ratio {stored_s / arrays:.2f}")
        print(f"shown {shown:.3f} s, canceled {canceled:.2f} s, concluded {concluded:.3f} s")
        for name, found in (("quiet", quiet), ("batch", beside), ("cancel", while_canceled)):
            p50, p99 = found[len(found) // 2], found[int(len(found) * 0.99)]
            ratio = p99 / quiet[int(len(quiet) * 0.99)]
            print(
                f"callbacks, {name:7} {len(found):6} p50 {p50:6.1f} ms, p99 {p99:6.1f} ms,"
                f" most {found[-1]:6.1f} ms, ratio of p99 {ratio:.1f}"
            )


async def _post(api: Api) -> tuple[str, float]:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(BODY), 65_536):
            yield BODY[start : start + 65_536]

    began = time.perf_counter()
    reply = await send(api, parts(), Idempotency_Key=uuid4().hex)
    assert reply.status == 202, reply.raw
    return reply.json["id"], time.perf_counter() - began


async def _callbacks(api: Api, task: UUID, until: "asyncio.Task[object]") -> list[float]:
    """Call back at a steady rate until something is done; gives the sorted latencies in ms."""
    latencies: list[float] = []

    async def call(n: int) -> None:
        began = time.perf_counter()
        assert (await api.call_back(task, said(f"v{n}"))).status == 200
        latencies.append((time.perf_counter() - began) * 1000)

    async with asyncio.TaskGroup() as calls:
        n = 0
        while not until.done():
            n += 1
            calls.create_task(call(n))
            await asyncio.sleep(PAUSE_S)
    return sorted(latencies)
