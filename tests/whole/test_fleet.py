"""Processes on one database: one hears at once what another did, and goes on by itself where it hears nothing."""

import asyncio
import json

from service.store.pool import Pool
from service.vault import fingerprint, format_key
from tests.support.embedded import open_home
from tests.support.fleet import (
    CALLBACK_KEY,
    Fleet,
    Member,
    accepts,
    call_back,
    client,
    sends,
    shown,
    submit,
)
from tests.support.flows import until
from tests.support.processes import Process
from tests.support.stub_upstream import running_stub

DEAF = "postgresql://nobody@127.0.0.1:1/none"
"""A direct address where nobody listens."""
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'callboard-listen'"


async def hears(*members: Member) -> None:
    """Wait until processes hear the others."""

    async def heard() -> bool:
        return all(m.logged("others.heard") for m in members)

    await until(heard)


async def test_who_waits_in_one_process_hears_at_once_of_an_end_in_another(dsn: str) -> None:
    # Only notices can be in time: by itself each process would look once a minute.
    patient = {"CALLBOARD_LOOP_POLL_SECONDS": "60"}
    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(accepts)
            fleet = Fleet(home, dsn, stub.url)
            with (
                fleet.member("api", role="api", **patient) as a,
                fleet.member("rest", role="api,submit,deliver,reconcile", **patient) as b,
            ):
                await a.ready()
                await b.ready()
                await hears(a, b)
                (task_uuid,) = await submit(session, a)
                async with asyncio.timeout(20):
                    (sent,) = await sends(stub)
                    url = f"{a.url}/v1/tasks/{task_uuid}?wait=60"
                    waiting = asyncio.ensure_future(session.get(url))
                    while (await shown(session, b, task_uuid))["state"] != "processing":
                        pass
                    assert sent["webhookURL"].startswith(b.url)
                    await call_back(session, sent)
                    async with await waiting as answer:
                        assert (await answer.json())["state"] == "completed"


async def test_without_anything_heard_all_still_goes_on(dsn: str, pool: Pool) -> None:
    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(accepts)
            fleet = Fleet(home, dsn, stub.url)
            with (
                fleet.member("api", role="api", CALLBOARD_DIRECT_DATABASE_URL=DEAF) as a,
                fleet.member("rest", role="api,submit,deliver,reconcile") as b,
            ):
                await a.ready()
                await b.ready()
                await hears(b)
                await pool.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = 'callboard-listen'"
                )
                (task_uuid,) = await submit(session, a)
                (sent,) = await sends(stub)
                url = f"{a.url}/v1/tasks/{task_uuid}?wait=60"
                waiting = asyncio.ensure_future(session.get(url))
                await call_back(session, sent)
                async with await waiting as answer:
                    assert (await answer.json())["state"] == "completed"
                assert not a.logged("others.heard")

                async def hears_again() -> bool:
                    return int(await pool.fetchval(LISTENING)) == 1

                await until(hears_again)
                assert b.process.alive


async def test_a_process_without_the_keys_that_are_needed_does_not_start(dsn: str) -> None:
    with open_home() as home:
        async with running_stub() as stub, client() as session:
            stub.will(accepts)
            fleet = Fleet(home, dsn, stub.url)
            with fleet.member("first") as first:
                await first.ready()
                await submit(session, first)
                (sent,) = await sends(stub)
                hook = {"url": "http://127.0.0.1:8999/hooks"}
                async with session.post(f"{first.url}/v1/subscriptions", json=hook) as answer:
                    assert answer.status == 201
            with fleet.member(
                "no-callback-key", CALLBOARD_CALLBACK_KEYS="another-key-of-ours"
            ) as m:
                assert await asyncio.to_thread(m.process.wait) == 2
                assert "CALLBOARD_CALLBACK_KEYS lacks a key" in m.process.tail()
            other = format_key(b"o" * 32)
            with fleet.member("no-encryption-key", CALLBOARD_ENCRYPTION_KEYS=other) as m:
                assert await asyncio.to_thread(m.process.wait) == 2
                assert "CALLBOARD_ENCRYPTION_KEYS lacks the key" in m.process.tail()
            both = "another-key-of-ours,callback-key-of-the-fleet"
            with fleet.member("rotated", CALLBOARD_CALLBACK_KEYS=both) as m:
                await m.ready()
                path = sent["webhookURL"].removeprefix(first.url)
                await call_back(session, {**sent, "webhookURL": m.url + path})
            with fleet.member("after", CALLBOARD_CALLBACK_KEYS="another-key-of-ours") as m:
                await m.ready()


async def test_the_doctor_shows_who_serves_and_which_keys_are_there(dsn: str) -> None:
    with open_home() as home:
        async with running_stub() as stub:
            fleet = Fleet(home, dsn, stub.url)
            with fleet.member("one") as a, fleet.member("two", role="api") as b:
                await a.ready()
                await b.ready()
                doctor = Process(
                    ("-m", "service", "doctor", "--json"), a.process.env, home / "said"
                )
                doctor.start()
                assert await asyncio.to_thread(doctor.wait) == 0, doctor.tail()
                found = {f["what"]: f["detail"] for f in json.loads(doctor.tail())}
    assert found["workers"].startswith("2 on 1 machine, ")
    assert fingerprint(CALLBACK_KEY.encode()) in found["keys"]
