"""The feed of events over HTTP: nothing twice, nothing skipped, narrowed as asked."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from schemas.api.events import EventPage
from service.core.inputs import Report, Source
from service.flows import cursors
from service.store.pool import Pool
from service.web.events import wanted_types
from tests.support.tasks import video
from tests.support.web import Api

DONE = Report(Source.POLL, videos=(video(),))
TYPES = ["task.processing", "video.completed", "task.completed"]


async def feed(api: Api, query: str = "") -> EventPage:
    return EventPage.model_validate_json((await api.get(f"/v1/events?{query}")).raw)


async def completed(api: Api) -> UUID:
    task_uuid = await api.made()
    await api.house.tell(task_uuid, DONE)
    return task_uuid


async def test_events_of_a_task_come_in_order(api: Api) -> None:
    task_uuid = await completed(api)
    page = await feed(api, f"task={task_uuid}")

    assert [event.type for event in page.items] == TYPES
    assert [event.sequence for event in page.items] == ["0000000001", "0000000002", "0000000003"]
    assert {event.subject for event in page.items} == {task_uuid}
    assert {event.source for event in page.items} == {"https://board.example"}


async def test_a_reader_that_follows_the_cursor_sees_each_event_once(api: Api) -> None:
    cursor = (await feed(api, "cursor=now")).nextCursor
    names = [await completed(api) for _ in range(4)]
    seen = []
    while page := (found := await feed(api, f"limit=5&cursor={cursor}")).items:
        seen += [(event.subject, event.type) for event in page]
        cursor = found.nextCursor

    assert seen == [(name, kind) for name in names for kind in TYPES]


async def test_an_empty_page_has_a_cursor_that_goes_on(api: Api) -> None:
    now = await feed(api, "cursor=now")
    empty = await feed(api, f"cursor={now.nextCursor}")
    task_uuid = await completed(api)
    page = await feed(api, f"cursor={empty.nextCursor}")

    assert (now.items, empty.items) == ([], [])
    assert [event.subject for event in page.items] == [task_uuid] * 3


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("type=task.*", ["task.processing", "task.completed"]),
        ("type=video.*", ["video.completed"]),
        ("type=task.completed,video.completed", ["video.completed", "task.completed"]),
        ("type=task.processing&type=video.*", ["task.processing", "video.completed"]),
        ("type=*", TYPES),
        ("type=", TYPES),
        ("type=task.failed", []),
    ],
)
async def test_types_are_chosen_by_name_and_family(api: Api, query: str, wanted: list[str]) -> None:
    task_uuid = await completed(api)

    assert [e.type for e in (await feed(api, f"task={task_uuid}&{query}")).items] == wanted


def test_no_type_means_all_of_them() -> None:
    assert wanted_types([]) is None
    assert wanted_types([" , "]) is None
    assert wanted_types(["task.canceled, task.canceled"]) == ["task.canceled"]


async def test_of_a_stranger_there_are_no_events(api: Api) -> None:
    assert (await feed(api, f"task={uuid4()}")).items == []


async def test_a_cursor_that_retention_took_is_gone(api: Api, old_feed: None) -> None:
    cursor = cursors.encode(0, 1, 1)
    problem = (await api.get(f"/v1/events?cursor={cursor}")).problem(410, "cursor_expired")

    assert "cursor=now" in problem.detail
    assert (await api.get("/v1/events")).status == 200


@pytest.fixture
async def old_feed(pool: Pool) -> AsyncIterator[None]:
    """A feed whose beginning was dropped."""
    await pool.execute("UPDATE callboard.feed SET dropped_xid = '5', dropped_seq = 5")
    yield
    await pool.execute("UPDATE callboard.feed SET dropped_xid = '0', dropped_seq = 0")


@pytest.mark.parametrize(
    "parts", [(2**40, 1, 1), (2**31 - 1, 1, 1), (1, 2**63 - 1, 1), (-1, 1, 1), (1, "x", 1)]
)
async def test_a_forged_cursor_is_no_error_of_ours(api: Api, parts: tuple[int | str, ...]) -> None:
    reply = await api.get(f"/v1/events?cursor={cursors.encode(*parts)}")

    assert reply.status in {200, 400}
