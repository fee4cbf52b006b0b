"""An array of submissions is one call: all are stored, or none."""

from uuid import uuid4

from schemas.api.tasks import TaskPage
from tests.support.web import Api, submission


async def test_an_array_is_answered_in_its_order(api: Api) -> None:
    names = [str(uuid4()) for _ in range(100)]
    reply = await api.post("/v1/tasks", [submission(taskUUID=name) for name in names])

    assert reply.status == 202
    assert "Location" not in reply.headers
    page = TaskPage.model_validate_json(reply.raw)
    assert [str(task.taskUUID) for task in page.items] == names
    assert page.nextCursor is None


async def test_an_array_with_a_taken_name_is_not_stored_at_all(api: Api) -> None:
    taken, free = str(await api.made()), str(uuid4())
    reply = await api.post("/v1/tasks", [submission(taskUUID=free), submission(taskUUID=taken)])

    assert [f.pointer for f in reply.problem(409, "conflict").errors] == ["/1/taskUUID"]
    (await api.get(f"/v1/tasks/{free}")).problem(404, "not_found")


async def test_a_name_that_stands_twice_in_an_array_is_a_fault(api: Api) -> None:
    name = str(uuid4())
    reply = await api.post("/v1/tasks", [submission(taskUUID=name), submission(taskUUID=name)])

    assert reply.pointers() == ["/1/taskUUID"]
