"""Processes that die, freeze and drain while others share their database."""

import asyncio
import signal
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest
from aiohttp import web

from service.store.pool import Pool
from tests.support.embedded import open_home
from tests.support.fleet import Fleet, accepts, client, sends, submit
from tests.support.flows import until
from tests.support.stub_upstream import running_stub

linux = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="only Linux has /proc")


async def became_unknown(pool: Pool, task_uuid: str) -> datetime | None:
    """Say when a task's outcome was taken for unknown."""
    at: datetime | None = await pool.fetchval(
        "SELECT at FROM callboard.history WHERE task_uuid = $1 AND name = 'unknown'",
        UUID(task_uuid),
    )
    return at


async def lease_of(pool: Pool, task_uuid: str) -> datetime:
    """Say when the lease of a send ends."""
    found = await pool.fetchrow(
        "SELECT state, lease_until, look_again_at FROM callboard.tasks WHERE task_uuid = $1",
        UUID(task_uuid),
    )
    assert found is not None
    assert found["state"] == "submitting"
    assert found["lease_until"] == found["look_again_at"]
    at: datetime = found["lease_until"]
    return at


@linux
async def test_what_a_killed_process_was_sending_goes_on_without_waiting_for_its_lease(
    dsn: str, pool: Pool
) -> None:
    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(stub.hang)
            fleet = Fleet(home, dsn, stub.url)
            with fleet.member("first") as first:
                await first.ready()
                (task_uuid,) = await submit(session, first)
                await sends(stub)
                lease = await lease_of(pool, task_uuid)
                first.process.kill()
            stub.will(accepts)
            with fleet.member("next") as following:
                await following.ready()

                async def unknown() -> bool:
                    return await became_unknown(pool, task_uuid) is not None

                await until(unknown)
            at = await became_unknown(pool, task_uuid)
            assert at is not None
            assert at < lease
            assert following.logged("takeover.done")
            assert len(await sends(stub)) == 1
        workers = await pool.fetchval("SELECT count(*) FROM callboard.workers")
        assert workers == 0


@linux
async def test_a_frozen_process_is_taken_over_at_the_end_of_its_lease_and_not_before(
    dsn: str, pool: Pool
) -> None:
    quick = {
        "CALLBOARD_LEASE_SECONDS": "4",
        "CALLBOARD_SUBMIT_TIMEOUT_SECONDS": "3",
        "CALLBOARD_LOOP_POLL_SECONDS": "0.1",
    }
    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(stub.hang)
            fleet = Fleet(home, dsn, stub.url)
            with fleet.member("frozen", **quick) as frozen:
                await frozen.ready()
                (task_uuid,) = await submit(session, frozen)
                await sends(stub)
                frozen.process.signal(signal.SIGSTOP)
                lease = await lease_of(pool, task_uuid)
                with fleet.member("next", **quick) as following:
                    await following.ready()

                    async def unknown() -> bool:
                        return await became_unknown(pool, task_uuid) is not None

                    await until(unknown)
                at = await became_unknown(pool, task_uuid)
                assert at is not None
                assert at >= lease
                assert not following.logged("takeover.done")
                frozen.process.kill()


async def test_a_drain_under_load_finishes_what_is_sent_and_gives_back_the_rest(
    dsn: str, pool: Pool
) -> None:
    go = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        await go.wait()
        return await accepts(request)

    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(slow)
            fleet = Fleet(home, dsn, stub.url)
            with fleet.member("draining", CALLBOARD_RUNWARE_CONCURRENCY="8") as draining:
                await draining.ready()
                tasks = await submit(session, draining, 50)
                sent = await sends(stub, 8)
                draining.process.signal(signal.SIGTERM)

                async def stopping() -> bool:
                    return draining.logged("service.draining")

                await until(stopping)
                go.set()
                assert await asyncio.to_thread(draining.process.wait) == 0
            assert len(await sends(stub)) == len(sent) == 8
    rows = await pool.fetch("SELECT task_uuid, state, attempts, lease_until FROM callboard.tasks")
    assert len(rows) == len(tasks)
    done = {str(r["task_uuid"]) for r in rows if r["state"] == "processing"}
    assert done == {asked["taskUUID"] for asked in sent}
    rest = [r for r in rows if str(r["task_uuid"]) not in done]
    assert {(r["state"], r["attempts"], r["lease_until"]) for r in rest} == {("queued", 0, None)}
    assert await pool.fetchval("SELECT count(*) FROM callboard.workers") == 0
