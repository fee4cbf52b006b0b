"""The erasure of a task over HTTP."""

from uuid import UUID, uuid4

import pytest

from schemas.api.events import EventPage
from schemas.events.data import Erased
from service.core.fault import Fault
from service.core.inputs import SubmitUnknown
from service.store.pool import Pool
from tests.support.batches import as_lines, send
from tests.support.fakes import said
from tests.support.web import Api, submission


async def erase(api: Api, task_uuid: UUID, query: str = "") -> None:
    """Erase a task."""
    reply = await api.call("DELETE", f"/v1/tasks/{task_uuid}{query}")
    assert (reply.status, reply.raw) == (204, b"")


async def canceled(api: Api, **more: object) -> UUID:
    """Submit a task and cancel it."""
    task_uuid = await api.made(**more)
    assert (await api.post(f"/v1/tasks/{task_uuid}/cancel")).status == 200
    return task_uuid


async def test_an_erased_task_is_not_found_by_any_way(api: Api) -> None:
    mark = uuid4().hex
    task_uuid = await canceled(api, labels={"mark": mark})
    await api.call_back(task_uuid, said("v1"))
    await erase(api, task_uuid)
    await erase(api, task_uuid)
    path = f"/v1/tasks/{task_uuid}"
    for reply in (
        await api.get(path),
        await api.get(f"{path}?wait=5"),
        await api.get(f"{path}/timeline"),
        await api.post(f"{path}/cancel"),
        await api.post(f"{path}/retry"),
    ):
        reply.problem(404, "not_found")
    assert (await api.get(f"/v1/tasks?label=mark:{mark}")).json["items"] == []
    assert (await api.get(f"/v1/callbacks?task={task_uuid}")).json["items"] == []


async def test_its_events_stay_in_the_feed_and_fit_their_schema(api: Api) -> None:
    task_uuid = await canceled(api)
    path = f"/v1/events?task={task_uuid}"
    (before,) = (await api.get(path)).json["items"]
    await erase(api, task_uuid)
    reply = await api.get(path)
    (event,) = EventPage.model_validate_json(reply.raw).items
    assert isinstance(event, Erased)
    (after,) = reply.json["items"]
    assert after == before | {"data": {"taskUUID": str(task_uuid), "erased": True}}


async def test_an_unknown_task_is_404_and_an_open_one_409(api: Api) -> None:
    for name in (str(uuid4()), "no-uuid"):
        (await api.call("DELETE", f"/v1/tasks/{name}")).problem(404, "not_found")
    task_uuid = await api.made()
    problem = (await api.call("DELETE", f"/v1/tasks/{task_uuid}")).problem(409, "conflict")
    assert "cancel it first" in problem.detail


@pytest.mark.parametrize("query", ["?force=1", "?force=", "?force=true&force=true", "?hard=true"])
async def test_a_query_that_is_none_of_its_own_is_refused(api: Api, query: str) -> None:
    task_uuid = await canceled(api)
    (await api.call("DELETE", f"/v1/tasks/{task_uuid}{query}")).problem(400, "malformed")
    assert (await api.get(f"/v1/tasks/{task_uuid}")).status == 200


async def test_what_may_still_run_upstream_is_erased_by_force_only(api: Api) -> None:
    api.house.providers["runware"].answers = [SubmitUnknown(Fault("timeout", "No answer."), 1)]
    task_uuid = await api.made(priority=100)
    await api.house.send_queued()
    await api.post(f"/v1/tasks/{task_uuid}/cancel")
    for query in ("", "?force=false"):
        reply = await api.call("DELETE", f"/v1/tasks/{task_uuid}{query}")
        assert "force=true" in reply.problem(409, "upstream_still_running").detail
    await erase(api, task_uuid, "?force=true")


async def test_its_name_stays_taken(api: Api) -> None:
    task_uuid = await canceled(api)
    await erase(api, task_uuid)
    again = submission(taskUUID=str(task_uuid))
    for reply, pointer in (
        (await api.post("/v1/tasks", again), "/taskUUID"),
        (await api.post("/v1/tasks", [submission(), again]), "/1/taskUUID"),
        (await send(api, as_lines(submission(), again)), "/line/2/taskUUID"),
    ):
        (fault,) = reply.problem(409, "conflict").errors
        assert fault.pointer == pointer


async def test_a_key_that_led_to_it_is_gone_whatever_is_asked(api: Api, pool: Pool) -> None:
    named = {"Idempotency_Key": uuid4().hex}
    mark = uuid4().hex
    body = submission(labels={"mark": mark})
    task_uuid = UUID((await api.post("/v1/tasks", body, **named)).json["taskUUID"])
    await api.post(f"/v1/tasks/{task_uuid}/cancel")
    await erase(api, task_uuid)
    for again in (body, submission()):
        (await api.post("/v1/tasks", again, **named)).problem(410, "erased")
    assert (await api.get(f"/v1/tasks?label=mark:{mark}")).json["items"] == []


async def test_the_key_of_a_batch_goes_on_to_answer(api: Api) -> None:
    key = uuid4().hex
    first = await send(api, as_lines(submission(), submission()), Idempotency_Key=key)
    batch = first.json["id"]
    await api.post(f"/v1/batches/{batch}/cancel")
    shown = (await api.get(f"/v1/tasks?batch={batch}")).json["items"]
    await erase(api, UUID(shown[0]["taskUUID"]))
    again = await send(api, as_lines(submission(), submission()), Idempotency_Key=key)
    assert (again.status, again.raw) == (202, first.raw)
    assert (await api.get(f"/v1/batches/{batch}")).json["counts"]["canceled"] == 1


async def test_a_later_callback_is_answered_and_not_kept(api: Api) -> None:
    task_uuid = await canceled(api)
    await erase(api, task_uuid)
    for headers in ({}, {"sync_signature": "wrong"}):
        reply = await api.call_back(task_uuid, said("v1"), **headers)
        assert (reply.status, reply.json) == (200, {"outcome": "erased"})
    assert (await api.get(f"/v1/callbacks?task={task_uuid}")).json["items"] == []
