"""Tasks over HTTP: submit, show, wait, list, timeline, cancel, retry.

Where the upstream's answer is scripted, the task has the highest priority: others of this file wait in the queue.
"""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from schemas.api.tasks import TaskPage, TaskView, TimelinePage
from service.core.fault import Fault
from service.core.inputs import Accepted, Refused, Report, Source, SubmitUnknown
from tests.support.fakes import said
from tests.support.tasks import video
from tests.support.web import Api, submission

DONE = Report(Source.POLL, videos=(video(),))


async def test_a_submission_is_answered_with_the_whole_task(api: Api) -> None:
    name = str(uuid4())
    reply = await api.post(
        "/v1/tasks",
        submission(taskUUID=name, labels={"project": "x"}, metadata={"order": 4711}),
    )

    assert reply.status == 202
    assert reply.headers["Location"] == f"/v1/tasks/{name}"
    assert reply.headers["Content-Type"] == "application/json"
    shown = TaskView.model_validate_json(reply.raw)
    assert (str(shown.taskUUID), shown.state, shown.attempts) == (name, "queued", 0)
    assert (shown.labels, shown.metadata) == ({"project": "x"}, {"order": 4711})
    assert reply.raw == (await api.get(f"/v1/tasks/{name}")).raw


async def test_a_task_uuid_may_stand_inside_the_request(api: Api) -> None:
    name = uuid4()
    request = {"model": "m", "taskUUID": str(name)}

    assert await api.made(request=request) == name


async def test_two_different_task_uuids_are_a_fault(api: Api) -> None:
    request = {"model": "m", "taskUUID": str(uuid4())}
    reply = await api.post("/v1/tasks", submission(taskUUID=str(uuid4()), request=request))

    assert reply.pointers() == ["/taskUUID"]


async def test_metadata_and_request_come_back_as_they_were_given(api: Api) -> None:
    given = {"model": "m", "n": 2**80, "f": 1.10, "text": 'ü\u2028\0"', "empty": {}, "none": None}
    task_uuid = await api.made(request=given, metadata=[given, "\0", None])

    shown = (await api.get(f"/v1/tasks/{task_uuid}")).json
    assert shown["request"] == given
    assert shown["metadata"] == [given, "\0", None]


async def test_metadata_may_be_null(api: Api) -> None:
    task_uuid = await api.made(metadata=None)

    assert (await api.get(f"/v1/tasks/{task_uuid}")).json["metadata"] is None


async def test_a_taken_task_uuid_is_a_conflict(api: Api) -> None:
    taken = str(await api.made())
    reply = await api.post("/v1/tasks", submission(taskUUID=taken))

    (fault,) = reply.problem(409, "conflict").errors
    assert fault.pointer == "/taskUUID"


async def test_a_body_without_a_content_type_is_read_as_json(api: Api) -> None:
    async with api.session.post(
        f"{api.base}/v1/tasks",
        data=json.dumps(submission()).encode(),
        headers={"Authorization": "Bearer cb_test-key"},
        skip_auto_headers=["Content-Type"],
    ) as answer:
        assert answer.status == 202


async def test_wait_returns_when_the_task_is_final(api: Api) -> None:
    task_uuid = await api.made()
    await api.house.send_queued()
    waiting = asyncio.create_task(api.get(f"/v1/tasks/{task_uuid}?wait=20"))
    await until_waited_for(api, task_uuid)
    assert (await api.call_back(task_uuid, said("v1"))).status == 200

    shown = TaskView.model_validate_json((await waiting).raw)
    assert shown.state == "completed"
    assert shown.results[0].state == "completed"


async def test_wait_sees_what_another_process_does(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its wake-up rings in the other process only; the database is looked at all the same."""
    task_uuid = await api.made()
    waiting = asyncio.create_task(api.get(f"/v1/tasks/{task_uuid}?wait=20"))
    await until_waited_for(api, task_uuid)
    monkeypatch.setattr(api.house.wake, "finished", lambda _: None)
    await api.house.tell(task_uuid, DONE)

    assert (await waiting).json["state"] == "completed"


async def test_wait_ends_with_its_time(api: Api) -> None:
    task_uuid = await api.made()
    reply = await api.get(f"/v1/tasks/{task_uuid}?wait=1")

    assert (reply.status, reply.json["state"]) == (200, "queued")


async def test_wait_for_a_final_task_returns_at_once(api: Api) -> None:
    task_uuid = await api.made()
    await api.house.tell(task_uuid, DONE)
    async with asyncio.timeout(5):
        assert (await api.get(f"/v1/tasks/{task_uuid}?wait=60")).json["state"] == "completed"


async def test_lists_are_newest_first_and_go_on_with_their_cursor(api: Api) -> None:
    mark = uuid4().hex
    names = [str(await api.made(labels={"mark": mark})) for _ in range(5)]
    path = f"/v1/tasks?label=mark:{mark}&limit=2"
    found: list[str] = []
    cursor = ""
    while True:
        page = TaskPage.model_validate_json((await api.get(path + cursor)).raw)
        found += [str(task.taskUUID) for task in page.items]
        if page.nextCursor is None:
            break
        cursor = f"&cursor={page.nextCursor}"

    assert found == names[::-1]


async def test_a_list_is_narrowed_by_every_filter(api: Api) -> None:
    mark = uuid4().hex
    one = await api.made(labels={"mark": mark, "a": "1:2"}, request={"model": "m-1"})
    two = await api.made(labels={"mark": mark}, provider="sync")
    await api.house.tell(two, DONE)
    between = datetime.now(UTC).isoformat()
    three = await api.made(labels={"mark": mark, "a": "other"})

    async def narrowed(query: str) -> set[UUID]:
        page = (await api.get(f"/v1/tasks?label=mark:{mark}&{query}")).json
        return {UUID(item["taskUUID"]) for item in page["items"]}

    assert await narrowed("") == {one, two, three}
    assert await narrowed(f"label=mark:{mark}") == {one, two, three}
    assert await narrowed("label=a:1:2") == {one}
    assert await narrowed("label=a:1:2&label=a:other") == set()
    assert await narrowed("state=completed") == {two}
    assert await narrowed("provider=sync") == {two}
    assert await narrowed("model=m-1") == {one}
    # The plus of an offset is a space once it went through a URL unescaped.
    assert await narrowed(f"created_after={between}") == {three}
    assert await narrowed(f"created_before={between}") == {one, two}
    assert await narrowed(f"created_before={between}&state=queued&provider=runware") == {one}


async def test_the_timeline_tells_all_that_happened_in_order(api: Api) -> None:
    task_uuid = await api.made(request={"model": "m", "webhookURL": "https://app.example/hook"})
    await api.house.send_queued()
    await api.call_back(task_uuid, said("v1"))
    await api.house.deliver_due()

    reply = await api.get(f"/v1/tasks/{task_uuid}/timeline")
    page = TimelinePage.model_validate_json(reply.raw)
    assert page.nextCursor is None
    assert [entry.at for entry in page.items] == sorted(entry.at for entry in page.items)
    told = [(entry.kind, entry.name) for entry in page.items]
    assert ("upstream", "submit") in told
    assert ("callback", "applied") in told
    assert ("event", "task.completed") in told
    assert ("delivery", "delivered") in told
    moves = [e.detail for e in page.items if e.kind == "transition"]
    assert (moves[0]["from"], moves[0]["to"]) == ("queued", "submitting")
    assert moves[-1]["to"] == "completed"

    found, path = [], f"/v1/tasks/{task_uuid}/timeline?limit=2"
    cursor: str | None = ""
    while cursor is not None:
        part = TimelinePage.model_validate_json((await api.get(f"{path}&cursor={cursor}")).raw)
        found += part.items
        cursor = part.nextCursor
    assert found == page.items


async def test_canceling_is_final_and_may_be_repeated(api: Api) -> None:
    task_uuid = await api.made()
    first = await api.post(f"/v1/tasks/{task_uuid}/cancel")
    again = await api.post(f"/v1/tasks/{task_uuid}/cancel")

    assert (first.status, first.json["state"]) == (200, "canceled")
    assert (again.status, again.json) == (200, first.json)


async def test_another_final_state_cannot_be_canceled(api: Api) -> None:
    task_uuid = await api.made()
    await api.house.tell(task_uuid, DONE)

    problem = (await api.post(f"/v1/tasks/{task_uuid}/cancel")).problem(409, "conflict")
    assert "completed" in problem.detail


async def test_a_retry_is_a_new_task_that_names_the_old_one(api: Api) -> None:
    task_uuid = await api.made(request={"model": "m", "n": 1}, labels={"a": "b"}, metadata=[1])
    await api.house.tell(task_uuid, DONE)
    reply = await api.post(f"/v1/tasks/{task_uuid}/retry")

    new = TaskView.model_validate_json(reply.raw)
    assert (reply.status, new.state, new.retryOf) == (202, "queued", task_uuid)
    assert (new.request, new.labels, new.metadata) == ({"model": "m", "n": 1}, {"a": "b"}, [1])
    assert reply.headers["Location"] == f"/v1/tasks/{new.taskUUID}"


async def test_a_repeated_retry_answers_the_task_already_made(api: Api) -> None:
    task_uuid = await api.made()
    await api.house.tell(task_uuid, DONE)
    made = await api.post(f"/v1/tasks/{task_uuid}/retry")
    repeated = await api.post(f"/v1/tasks/{task_uuid}/retry", {})
    again = await api.post(f"/v1/tasks/{task_uuid}/retry", {"again": True})

    assert (repeated.status, repeated.json) == (200, made.json)
    assert again.status == 202
    assert again.json["taskUUID"] != made.json["taskUUID"]


async def test_an_open_task_is_not_retried(api: Api) -> None:
    task_uuid = await api.made()

    (await api.post(f"/v1/tasks/{task_uuid}/retry")).problem(409, "conflict")


async def test_what_may_still_run_upstream_is_retried_by_force_only(api: Api) -> None:
    api.house.providers["runware"].answers = [SubmitUnknown(Fault("timeout", "No answer."), 1)]
    task_uuid = await api.made(priority=100)
    await api.house.send_queued()
    assert (await api.post(f"/v1/tasks/{task_uuid}/cancel")).json["state"] == "canceled"

    path = f"/v1/tasks/{task_uuid}/retry"
    (await api.post(path)).problem(409, "upstream_still_running")
    assert (await api.post(path, {"force": True})).status == 202


async def test_a_rejected_task_says_why(api: Api) -> None:
    api.house.providers["sync"].answers = [Refused(Fault("policy", "Not this."), 1)]
    task_uuid = await api.made(provider="sync", priority=100)
    await api.house.send_queued()

    shown = TaskView.model_validate_json((await api.get(f"/v1/tasks/{task_uuid}")).raw)
    assert shown.state == "rejected"
    assert shown.error is not None
    assert (shown.error.code, shown.error.message) == ("policy", "Not this.")


async def test_a_head_request_is_answered_like_its_get(api: Api) -> None:
    task_uuid = await api.made()
    whole = await api.get(f"/v1/tasks/{task_uuid}")
    head = await api.call("HEAD", f"/v1/tasks/{task_uuid}")

    assert (head.status, head.raw) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.raw))


async def test_what_is_accepted_upstream_is_shown_with_its_id(api: Api) -> None:
    api.house.providers["runware"].answers = [Accepted("up-1")]
    task_uuid = await api.made(deadlineSeconds=60, priority=100)
    await api.house.send_queued()

    shown = TaskView.model_validate_json((await api.get(f"/v1/tasks/{task_uuid}")).raw)
    assert (shown.state, shown.upstreamId, shown.attempts) == ("processing", "up-1", 1)
    assert shown.submittedAt is not None
    assert shown.deadlineAt is not None
    assert abs(shown.deadlineAt - shown.submittedAt - timedelta(seconds=60)) < timedelta(seconds=2)


async def until_waited_for(api: Api, task_uuid: UUID) -> None:
    """Wait until a request sleeps on a task."""
    async with asyncio.timeout(5):
        while task_uuid not in api.house.wake._tasks:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.005)
