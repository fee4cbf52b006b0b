"""Accounts over HTTP: how they are, pausing and resuming them; tasks that name one; their numbers in the metrics."""

import re
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from schemas.api.accounts import AccountPage, AccountView
from schemas.api.tasks import TaskView
from service.core.inputs import TryLater
from service.core.states import State
from service.flows.accounts import named
from service.store.accounts import Limits
from service.store.pool import Pool
from tests.support.fakes import CheckingProvider, said
from tests.support.flows import pass_time
from tests.support.flows import task as stored
from tests.support.requests import AUDIO, VIDEO
from tests.support.tasks import BUSY
from tests.support.web import PUBLIC, Api, serving, submission

ACCOUNT = "/v1/accounts/runware/second"
SECOND = named("runware", "second")
SECRET = "a-key-that-is-secret"


@pytest.fixture
async def api(pool: Pool) -> AsyncIterator[Api]:
    """Serve the web with a second account of Runware."""
    async with serving(pool) as running:
        await running.house.accounts.keep(
            SECOND, Limits(3, per_minute=90, reads_per_minute=60), weight=2, key=SECRET
        )
        await running.house.accounts.resume(SECOND)
        yield running


async def shown(api: Api) -> AccountView:
    reply = await api.get(ACCOUNT)
    assert (reply.status, SECRET in reply.raw.decode()) == (200, False)
    return AccountView.model_validate_json(reply.raw)


async def test_all_accounts_are_listed_and_their_keys_never_are(api: Api) -> None:
    reply = await api.get("/v1/accounts")

    page = AccountPage.model_validate_json(reply.raw)
    assert page.nextCursor is None
    names = [(a.provider, a.account, a.source) for a in page.items]
    assert names == [
        ("runware", "default", "environment"),
        ("runware", "second", "database"),
        ("sync", "default", "environment"),
    ]
    assert SECRET not in reply.raw.decode()
    assert "credentials" not in reply.raw.decode()


async def test_an_account_is_shown_with_its_limits(api: Api) -> None:
    view = await shown(api)

    limits = (view.concurrency, view.submitsPerMinute, view.readsPerMinute, view.weight)
    assert limits == (3, 90, 60, 2)
    assert (view.state, view.slotsTaken, view.hasKey) == ("active", 0, True)
    assert (view.pausedUntil, view.pausedFor, view.heldFor) == (None, None, None)


async def test_a_pause_holds_it_until_it_is_resumed_and_both_may_be_repeated(api: Api) -> None:
    for body in ({"reason": "The invoice."}, None, {}):
        held = AccountView.model_validate_json((await api.post(f"{ACCOUNT}/pause", body)).raw)
        assert (held.state, held.heldFor) == ("held", "The invoice.")
    other = await api.post(f"{ACCOUNT}/pause", {"reason": "Another."})
    assert other.json["heldFor"] == "Another."
    for _ in range(2):
        view = AccountView.model_validate_json((await api.post(f"{ACCOUNT}/resume")).raw)
        assert (view.state, view.heldFor) == ("active", None)
    assert (await api.post(f"{ACCOUNT}/pause")).json["heldFor"] == "Paused by an operator."


async def test_an_account_at_fault_is_paused_then_probing_then_active(api: Api, pool: Pool) -> None:
    house = api.house
    first, ahead = [await api.made(account="second") for _ in range(2)]
    (claimed,) = await house.submit.claim(1)
    # One list for all of its accounts.
    house.providers["runware"].answers.append(TryLater(BUSY, claimed.lease_no, account=True))
    await house.submit.work(claimed)
    view = await shown(api)
    assert view.state == "paused"
    assert view.pausedUntil is not None
    assert view.pausedFor is not None
    assert (view.pausedFor.code, view.slotsTaken) == (BUSY.code, 0)
    assert (await api.get(f"/v1/tasks/{ahead}")).json["waitingFor"] == "account_paused"
    metrics = (await api.call("GET", "/metrics", headers=PUBLIC)).raw.decode()
    assert number(metrics, "account_paused") == 1

    await pass_time(pool, 400)
    assert (await shown(api)).state == "probing"
    (probe,) = await house.submit.claim(10)
    assert (await shown(api)).state == "probing"
    await house.submit.work(probe)
    view = await shown(api)
    assert (view.state, view.pausedFor, view.slotsTaken) == ("active", None, 1)
    metrics = (await api.call("GET", "/metrics", headers=PUBLIC)).raw.decode()
    kinds = ("account_paused", "account_slots", "account_slots_taken")
    assert [number(metrics, kind) for kind in kinds] == [0, 3, 1]
    assert house.apply.pauses["runware", "second"] == 1
    assert probe.task_uuid == first


def number(metrics: str, name: str) -> float:
    """Find a number of the second account."""
    found = re.search(
        rf'^callboard_{name}{{account="second",provider="runware"}} (\S+)$', metrics, re.MULTILINE
    )
    assert found is not None, metrics
    return float(found[1])


@pytest.mark.parametrize(
    "path",
    ["/runware/third", "/nobody/second", "/runware/Second", "/runware/%00", "/runware/second%0A"],
)
async def test_an_unknown_account_is_404_everywhere(api: Api, path: str) -> None:
    for reply in (
        await api.get(f"/v1/accounts{path}"),
        await api.post(f"/v1/accounts{path}/pause", {"reason": "x"}),
        await api.post(f"/v1/accounts{path}/pause"),
        await api.post(f"/v1/accounts{path}/resume"),
    ):
        assert reply.problem(404, "not_found").detail == "There is no such account."


@pytest.mark.parametrize("reason", ["", "x" * 501, "a\0b", "two\nlines", None, 7])
async def test_a_reason_that_is_none_is_a_fault_of_its_place(api: Api, reason: object) -> None:
    assert (await api.post(f"{ACCOUNT}/pause", {"reason": reason})).pointers() == ["/reason"]


async def test_an_account_that_nobody_knows_is_a_fault_of_its_place(api: Api) -> None:
    reply = await api.post("/v1/tasks", submission(account="third"))
    assert reply.pointers() == ["/account"]
    assert "default, second" in reply.problem(422, "invalid").errors[0].detail
    many = [submission(), submission(account="second"), submission(), submission(account="third")]
    assert (await api.post("/v1/tasks", many)).pointers() == ["/3/account"]
    assert (await api.post("/v1/tasks", submission(account="Not a name"))).pointers() == [
        "/account"
    ]
    sync = submission(provider="sync", account="second")
    assert (await api.post("/v1/tasks", sync)).pointers() == ["/account"]


async def test_a_task_is_sent_by_the_account_it_names(api: Api) -> None:
    task_uuid = await api.made(account="second", priority=100)
    (claimed,) = [t for t in await api.house.submit.claim(100) if t.task_uuid == task_uuid]
    await api.house.submit.work(claimed)
    assert api.house.providers["runware"].sent[-1].account == "second"
    view = TaskView.model_validate_json((await api.get(f"/v1/tasks/{task_uuid}")).raw)
    assert (view.account, view.state) == ("second", "processing")


async def test_a_provider_with_nothing_but_an_account_of_the_database_is_fully_on(
    pool: Pool,
) -> None:
    async with serving(pool, fake=CheckingProvider, keyless=True) as api:
        only = named("sync", "only")
        media = [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}]
        wanted = {"provider": "sync", "request": {"model": "sync-3", "input": media}}
        assert (await api.post("/v1/tasks", wanted)).pointers() == ["/provider"]
        await api.house.accounts.keep(only, Limits(50), weight=1, key=SECRET)
        views = AccountPage.model_validate_json((await api.get("/v1/accounts")).raw).items
        keys = {a.account: a.hasKey for a in views if a.provider == "sync"}
        assert keys == {"default": False, "only": True}
        task_uuid = UUID((await api.post("/v1/tasks", wanted)).json["taskUUID"])
        assert (await api.post("/v1/estimates", wanted)).status == 200
        await api.house.accounts.hold(only)
        assert (await api.get(f"/v1/tasks/{task_uuid}")).json["waitingFor"] == "account_paused"
        await api.house.accounts.resume(only)
        for claimed in await api.house.submit._claim_of(only, 1):
            await api.house.submit.work(claimed)
        assert [s.account for s in api.house.providers["sync"].sent] == ["only"]
        assert (await api.call_back(task_uuid, said("v-only"), "sync")).status == 200
        assert (await stored(pool, task_uuid)).state is State.COMPLETED
