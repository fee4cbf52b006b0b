"""Accounts that are known only to the database: added while others run, alone, removed, with another key."""

import aiohttp
import pytest
import structlog

from service.core.errors import Conflict, NotFound
from service.core.estimate import Basis
from service.core.inputs import Report, Source, SubmitUnknown
from service.core.states import State
from service.flows import estimate
from service.flows.accounts import Accounts, Wish, named
from service.flows.upstreams import Upstream, Upstreams
from service.flows.wake import Wake
from service.providers.runware.client import Runware
from service.providers.sync_so.client import SyncSo
from service.simulator.app import Simulator
from service.store.accounts import Limits
from service.store.pool import Pool
from service.vault import Vault
from tests.support.accounts import waiting
from tests.support.fakes import LoadedDice, said
from tests.support.flows import call_back, one, pass_time, task, told
from tests.support.house import House, make_house
from tests.support.tasks import video

SECOND = named("runware", "second")


async def by_database(pool: Pool) -> House:
    """Make a house whose only key is one that another process was given."""
    house = make_house(pool, keyless=True)
    await house.accounts.ready()
    await make_house(pool, keyless=True).accounts.add(SECOND, Wish(key="key-2"))
    await house.accounts.refresh()
    return house


async def test_an_account_that_another_process_was_given_sends_after_the_next_refresh(
    pool: Pool,
) -> None:
    house, cli = make_house(pool, keyless=True), make_house(pool, keyless=True)
    await house.accounts.ready()
    assert house.upstreams["runware"].accounts == []
    await cli.accounts.add(SECOND, Wish(key="key-2"))
    await house.accounts.refresh()
    assert house.upstreams["runware"].accounts == ["second"]
    task_uuid = await one(house)
    await house.send_queued()
    (sent,) = house.providers["runware"].sent
    assert (sent.account, sent.key_hint) == ("second", "key-2")
    assert await call_back(house, (task_uuid, said("v1"))) == ["applied"]
    assert (await task(pool, task_uuid)).state is State.COMPLETED


async def test_what_it_sent_is_read_by_it(pool: Pool) -> None:
    house = await by_database(pool)
    task_uuid = await one(house)
    await house.send_queued()
    await pass_time(pool, 120)
    house.providers["runware"].readings.append(Report(Source.POLL, videos=(video(),)))
    for piece in await house.reconcile.claim(10):
        await house.reconcile.work(piece)
    assert (await task(pool, task_uuid)).state is State.COMPLETED


async def test_a_new_account_has_the_limits_of_the_settings_and_changes_keep_the_rest(
    pool: Pool,
) -> None:
    house = make_house(pool, concurrency=7, per_minute=20)
    row = await house.accounts.add(SECOND, Wish(weight=3, key="key-2"))
    assert (row["concurrency"], row["per_minute"], row["weight"]) == (7, 20, 3)
    with pytest.raises(Conflict):
        await house.accounts.add(SECOND, Wish(key="key-3"))
    row = await house.accounts.change(SECOND, Wish(concurrency=2))
    assert (row["concurrency"], row["per_minute"], row["weight"]) == (2, 20, 3)
    assert house.upstreams["runware"].knows("second")
    with pytest.raises(NotFound):
        await house.accounts.change(named("runware", "third"), Wish(weight=1))


async def test_a_removed_account_leaves_its_queued_tasks_waiting_and_they_end_in_time(
    pool: Pool,
) -> None:
    house = make_house(pool)
    await house.accounts.ready()
    await house.accounts.add(SECOND, Wish(key="key-2"))
    pinned, back = [await one(house, account="second", start_within_s=600) for _ in range(2)]
    assert await waiting(house, pinned) is None
    assert await house.accounts.remove(SECOND) == 2
    assert await waiting(house, pinned) == "account_paused"
    assert await house.submit.claim(10) == []
    await house.operate.cancel("default", back)
    await pass_time(pool, 601)
    assert await house.reconcile.expire() == 1
    ended = await task(pool, pinned)
    assert ended.state is State.TIMED_OUT
    assert ended.error is not None
    assert ended.error.code == "never_started"
    assert (await told(pool, pinned))[-1] == "task.timed_out"


async def test_tasks_of_a_removed_account_go_once_it_is_back(pool: Pool) -> None:
    house = await by_database(pool)
    pinned = await one(house, account="second")
    await house.accounts.remove(SECOND)
    assert await waiting(house, pinned) == "account_paused"
    await house.accounts.add(SECOND, Wish(key="key-3"))
    assert await waiting(house, pinned) is None
    await house.send_queued()
    assert (await task(pool, pinned)).state is State.PROCESSING


async def test_a_key_that_cannot_be_opened_is_told_once_and_sends_nothing(pool: Pool) -> None:
    house = await by_database(pool)
    other = Accounts(pool, Wake(), LoadedDice(), Vault([b"x" * 32]), house.upstreams)
    with structlog.testing.capture_logs() as logs:
        await other.refresh()
        await other.refresh()
    assert [entry["event"] for entry in logs] == ["account.unreadable"]
    assert list(other.unreadable) == [SECOND]
    assert house.upstreams["runware"].accounts == []
    await house.accounts.refresh()
    assert house.upstreams["runware"].accounts == ["second"]


async def test_an_estimate_is_asked_for_by_whichever_account_has_a_key(pool: Pool) -> None:
    simulator = Simulator(generation_seconds=0.1)
    url = await simulator.start()
    try:
        async with aiohttp.ClientSession() as session:

            def make(key: str | None, account: str) -> Runware:
                to = f"{url}/v1"
                return Runware(session, api_key=key, url=to, timeout_s=5, account=account)

            upstream = Upstream(make(None, "default"), Limits(1), clients={}, make_client=make)
            upstreams = Upstreams(
                {"runware": upstream}, public_url=url, callback_keys=(b"k",), poll_only=True
            )
            request = {
                "model": "sync:3@0",
                "inputs": {"video": "https://a.example/v.mp4", "audio": "https://a.example/a.wav"},
            }
            bases = []
            for keys in ({}, {"second": "key-2"}):
                upstream.know(keys)
                args = ("runware", request, 10.0, None)
                priced = await estimate.price(upstreams, LoadedDice(), *args)
                bases.append(priced.estimate.basis)
    finally:
        await simulator.stop()
    assert bases[0] is Basis.LIST_PRICE
    assert bases[1] is not Basis.LIST_PRICE
    assert not simulator.billed


@pytest.mark.parametrize("name", ["runware", "sync"])
async def test_an_unknown_submit_is_never_sent_again_by_another_key(pool: Pool, name: str) -> None:
    """The upstream took it and its answer was lost; then the account gets another key."""
    simulator = Simulator(generation_seconds=0.1)
    url = await simulator.start()
    try:
        async with aiohttp.ClientSession() as session:
            house = make_house(pool, keyless=True)
            upstream = house.upstreams[name]

            def make(key: str | None, account: str) -> Runware | SyncSo:
                if name == "sync":
                    return SyncSo(session, api_key=key, url=url, timeout_s=5, account=account)
                to = f"{url}/v1"
                return Runware(session, api_key=key, url=to, timeout_s=5, account=account)

            upstream._make_client = make
            await house.accounts.ready()
            await house.accounts.add(named(name, "second"), Wish(key="old-key"))
            task_uuid = await one(house, provider=name, **scenario(name))
            await house.send_queued()
            assert (await task(pool, task_uuid)).unknown
            await house.accounts.change(named(name, "second"), Wish(key="new-key"))
            await pool.execute(
                "UPDATE callboard.tasks SET read_empty_at = clock_timestamp(),"
                " resend_at = clock_timestamp(), look_again_at = clock_timestamp()"
            )
            ((claimed, step),) = await house.reconcile.claim(10)
            assert step == "send"
            await house.reconcile.work((claimed, step))
            kept = await task(pool, task_uuid)
            assert (kept.state, kept.unknown) == (State.SUBMITTING, True)
            assert kept.error is not None
            assert kept.error.code == "key_changed"
            assert house.submit.answers[name, SubmitUnknown.__name__] == 2
    finally:
        await simulator.stop()
    assert len(simulator.billed) == 1


def scenario(name: str) -> dict[str, object]:
    """Write a request whose answer is lost; the fake that checks it takes any."""
    place = "https://a.example/v.mp4?simulate=drop"
    audio = "https://a.example/a.wav"
    if name == "sync":
        media = [{"type": "video", "url": place}, {"type": "audio", "url": audio}]
        return {"model": "sync-3", "input": media}
    return {"inputs": {"video": place, "audio": audio}}
