"""A fallback: accepted in the commit that ends the task it stands in for, once, with all that belongs to it."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.core.errors import Invalid, Unavailable
from service.core.fault import Fault, FaultKind
from service.core.inputs import CancelAsked, Report, Source, SubmitUnknown
from service.core.states import State
from service.flows.accept import Submission
from service.flows.apply import Change
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import (
    TENANT,
    Wire,
    accepted,
    call_back,
    cut,
    pass_time,
    processing,
    subscribed,
    task,
    told,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import SILENCE

BROKE = Fault("generation_timeout", "It took too long.", FaultKind.TRANSIENT)
OTHER = ("sync", {"model": "sync-3", "second": True})
THIRD = ("runware", {"model": "sync:3@0", "third": True})


def with_fallback(*fallback: tuple[str, Any], **more: Any) -> Submission:
    given = {"start_within_s": None, "labels": {"project": "spring"}} | more
    return Submission(
        provider="runware",
        request={"model": "sync:3@0", "webhookURL": "https://app.example/told"},
        task_uuid=None,
        metadata={"order": 4711},
        deadline_s=77,
        priority=5,
        fallback=fallback,
        **given,
    )


async def started(house: House, *fallback: tuple[str, Any], **more: Any) -> UUID:
    """Have a task with a fallback accepted and taken by the upstream."""
    (task_uuid,) = await accepted(house, with_fallback(*fallback, **more))
    await house.send_queued()
    return task_uuid


async def fail(house: House, task_uuid: UUID, fault: Fault = BROKE) -> None:
    await house.tell(task_uuid, Report(Source.POLL, faults=(fault,)))


async def shown(house: House, task_uuid: UUID | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await house.look.task(TENANT, UUID(str(task_uuid))))
    return found


async def test_a_failed_task_is_tried_elsewhere_in_the_commit_that_ends_it(
    house: House, pool: Pool
) -> None:
    first = await started(house, OTHER, THIRD)
    await fail(house, first)
    ended = await shown(house, first)
    second = await shown(house, ended["fallbackTask"])
    assert (ended["state"], second["state"], second["fallbackOf"]) == (
        *("failed", "queued"),
        str(first),
    )
    assert (second["provider"], second["request"]) == OTHER
    for field in ("labels", "metadata"):
        assert second[field] == ended[field]
    kept = await task(pool, UUID(second["taskUUID"]))
    assert kept.deadline_seconds == 77
    assert kept.start_by - kept.created_at == timedelta(days=7)
    await lawful(pool)


async def test_fallbacks_go_on_until_nothing_is_left(house: House) -> None:
    name: str | None = str(await started(house, OTHER, THIRD))
    providers = []
    while name is not None:
        await house.send_queued()
        await fail(house, UUID(name))
        view = await shown(house, name)
        providers.append(view["provider"])
        name = view["fallbackTask"]
    assert providers == ["runware", "sync", "runware"]


async def test_the_events_of_both_say_so(house: House, pool: Pool) -> None:
    await subscribed(house)
    first = await started(house, OTHER)
    await fail(house, first)
    rows = await pool.fetch("SELECT type, data FROM callboard.events ORDER BY seq")
    ended = json.loads(rows[-1]["data"])
    assert rows[-1]["type"] == "task.failed"
    second = UUID(ended["fallbackTask"])
    await house.send_queued()
    await call_back(house, (second, said("v1")), provider="sync")
    data = await pool.fetch("SELECT data FROM callboard.events WHERE task_uuid = $1", second)
    of_tasks = [d for r in data if "taskUUID" in (d := json.loads(r["data"]))]
    assert {d["fallbackOf"] for d in of_tasks} == {str(first)}
    targets = await pool.fetch(
        "SELECT DISTINCT target FROM callboard.deliveries WHERE task_uuid = $1", second
    )
    assert len(targets) == 2  # the subscription and the notifyURL of the first


async def test_never_after_a_cancel_a_fault_of_the_request_or_an_unknown_outcome(
    house: House, pool: Pool
) -> None:
    canceled, refused, unknown = [await started(house, OTHER) for _ in range(3)]
    await house.tell(canceled, CancelAsked())
    await fail(house, refused, Fault("value", "No.", FaultKind.PERMANENT))
    (silent,) = await accepted(house, with_fallback(OTHER))
    (claimed,) = await house.submit.claim(1)
    house.providers["runware"].answers = [SubmitUnknown(SILENCE, claimed.lease_no)]
    await house.submit.work(claimed)
    await pass_time(pool, 78)
    await house.apply.run([Change(silent, Report(Source.POLL), "test")])
    for name in (canceled, refused, silent):
        assert (await shown(house, name))["fallbackTask"] is None
    assert (await task(pool, unknown)).state is State.PROCESSING
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == 4


async def test_a_task_that_was_never_sent_in_time_is_tried_elsewhere(
    house: House, pool: Pool
) -> None:
    (first,) = await accepted(house, with_fallback(OTHER, start_within_s=60))
    await pass_time(pool, 61)
    await house.reconcile.expire()
    view = await shown(house, first)
    assert (view["state"], view["error"]["code"]) == ("timed_out", "never_started")
    assert (await shown(house, view["fallbackTask"]))["state"] == "queued"


async def test_two_finishers_at_once_start_one(house: House, pool: Pool) -> None:
    first = await started(house, OTHER)
    failed = Report(Source.CALLBACK, faults=(BROKE,))
    await house.apply.run([Change(first, failed, "a"), Change(first, failed, "b")])
    await fail(house, first)
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == 2


@pytest.mark.parametrize("statement", ["insert_tasks", "name_fallbacks", "update_tasks", "commit"])
async def test_a_cut_in_the_middle_ends_nothing_and_starts_nothing(
    pool: Pool, statement: str
) -> None:
    wire = Wire(pool)
    house = make_house(wire.pool)
    first = await started(house, OTHER)
    wire.before[statement] = cut
    with pytest.raises(Unavailable):
        await house.apply.run([Change(first, Report(Source.POLL, faults=(BROKE,)), "a")], tries=1)
    assert (await task(pool, first)).state is State.PROCESSING
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == 1


async def test_every_fault_of_every_request_is_told_at_once(house: House) -> None:
    bad = ("sync", {"bad": 1})
    named = ("runware", {"model": "m", "taskUUID": "6f0e4b7c-1c39-4f0e-9c4e-4b7c1c394f0e"})
    told_there = ("runware", {"model": "m", "webhookURL": "https://app.example/x"})
    unknown = ("nobody", {"model": "m"})
    given = with_fallback(OTHER, bad, named, told_there, unknown)
    with pytest.raises(Invalid) as caught:
        await accepted(house, given)
    assert [e.pointer for e in caught.value.errors] == [
        "/0/fallback/1/request/bad",
        "/0/fallback/1/request/model",
        "/0/fallback/2/request/taskUUID",
        "/0/fallback/3/request/webhookURL",
        "/0/fallback/4/provider",
    ]


async def test_a_retry_keeps_what_may_be_tried_instead(house: House) -> None:
    first = await started(house, OTHER)
    await fail(house, first)
    again = await house.operate.retry(TENANT, first, again=False, force=False, scope=None)
    name = UUID(json.loads(again.body)["taskUUID"])
    for _ in range(3):
        await house.send_queued()
    await fail(house, name)
    assert (await shown(house, name))["fallbackTask"] is not None


async def test_without_a_fallback_nothing_is_started(house: House, pool: Pool) -> None:
    first = await processing(house)
    await fail(house, first)
    assert (await told(pool, first))[-1] == "task.failed"
    assert await pool.fetchval("SELECT count(*) FROM callboard.tasks") == 1
