"""What a submission may say of keeping its videos, and what is shown of that."""

from typing import Any

import pytest

from schemas.api.tasks import TaskView
from service.core.fault import Fault
from service.core.inputs import Archived, Report, Source
from service.core.media import NOTHING, Archive, ArchiveState, Wanted, read_wanted
from service.flows.accept import Defaults
from service.store.pool import Pool
from tests.support.tasks import video
from tests.support.web import Api, submission

PRESIGNED = "https://bucket.example/a%20b.mp4?X-Amz-Signature=abc"


async def row(pool: Pool, task_uuid: object) -> tuple[bool, int | None, Wanted | None]:
    found = await pool.fetchrow(
        "SELECT t.archives, t.hold_s, p.archive FROM callboard.tasks AS t"
        " JOIN callboard.task_payloads AS p USING (task_uuid) WHERE t.task_uuid = $1",
        task_uuid,
    )
    assert found is not None
    wanted = None if found["archive"] is None else read_wanted(found["archive"])
    return found["archives"], found["hold_s"], wanted


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("disk", Wanted("disk")),
        ({"to": "disk", "retentionDays": 7}, Wanted("disk", keep_days=7)),
        ({"to": "disk", "beforeCompleted": True}, Wanted("disk", before_completed=True)),
        (PRESIGNED, Wanted((PRESIGNED,))),
        ([PRESIGNED, PRESIGNED + "2"], Wanted((PRESIGNED, PRESIGNED + "2"))),
    ],
    ids=str,
)
async def test_where_videos_are_kept_is_stored_in_either_form(
    api: Api, pool: Pool, given: object, wanted: Wanted
) -> None:
    task_uuid = await api.made(archive=given)
    hold = 600 if wanted.before_completed else None
    assert await row(pool, task_uuid) == (True, hold, wanted)


@pytest.mark.parametrize("given", ["none", {"to": "none"}, {"to": "none", "beforeCompleted": True}])
async def test_none_is_as_if_nothing_was_said(api: Api, pool: Pool, given: object) -> None:
    task_uuid = await api.made(archive=given)
    assert await row(pool, task_uuid) == (False, None, None)
    assert "archive" not in (await api.get(f"/v1/tasks/{task_uuid}")).json


async def test_a_presigned_url_is_shown_without_its_query(api: Api) -> None:
    task_uuid = await api.made(archive=[PRESIGNED])
    shown = (await api.get(f"/v1/tasks/{task_uuid}")).json["archive"]
    assert shown == {
        "to": ["https://bucket.example/a%20b.mp4"],
        "beforeCompleted": False,
        "retentionDays": None,
    }


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        (7, "/archive"),
        (None, "/archive"),
        ("", "/archive"),
        ([], "/archive"),
        (["disk"], "/archive"),
        ("tape", "/archive"),
        ("s3://somebodys-bucket/x", "/archive"),
        ("ftp://files.example/x", "/archive"),
        (["https://a.example/1"] * 21, "/archive"),
        ({}, "/archive/to"),
        ({"to": 7}, "/archive/to"),
        ({"to": "disk", "before": True}, "/archive/before"),
        ({"to": "disk", "retentionDays": 0}, "/archive/retentionDays"),
        ({"to": "disk", "beforeCompleted": "yes"}, "/archive/beforeCompleted"),
    ],
    ids=str,
)
async def test_a_wish_that_cannot_be_read_says_where(api: Api, given: object, pointer: str) -> None:
    reply = await api.post("/v1/tasks", submission(archive=given))
    assert reply.pointers() == [pointer]


async def test_every_result_wants_an_address_of_its_own(api: Api) -> None:
    request: dict[str, Any] = {"model": "m", "numberResults": 3}
    reply = await api.post("/v1/tasks", submission(request=request, archive=[PRESIGNED] * 2))
    assert reply.pointers() == ["/archive"]
    assert "3 results" in reply.json["errors"][0]["detail"]


async def test_what_is_tried_instead_wants_addresses_too(api: Api) -> None:
    instead = [{"provider": "runware", "request": {"model": "m", "numberResults": 2}}]
    reply = await api.post("/v1/tasks", submission(fallback=instead, archive=[PRESIGNED]))
    assert reply.pointers() == ["/archive"]


async def test_the_settings_say_what_is_done_where_a_submission_does_not(
    api: Api, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Defaults(60, 60, archive=Wanted("disk", before_completed=True), hold_s=9)
    monkeypatch.setattr(api.house.accept, "_defaults", kept)
    assert await row(pool, await api.made()) == (True, 9, kept.archive)
    assert await row(pool, await api.made(archive="none")) == (False, None, None)
    assert NOTHING.to == "none"


async def test_a_retry_keeps_its_video_where_the_first_task_would_have(
    api: Api, pool: Pool
) -> None:
    first = await api.made(archive={"to": "disk", "beforeCompleted": True, "retentionDays": 3})
    await api.post(f"/v1/tasks/{first}/cancel")
    again = (await api.post(f"/v1/tasks/{first}/retry", {})).json["taskUUID"]
    assert await row(pool, again) == await row(pool, first)


async def test_what_could_not_be_kept_is_fetched_again_when_asked_for(api: Api, pool: Pool) -> None:
    task_uuid = await api.made(archive="disk")
    path = f"/v1/tasks/{task_uuid}/results/0/archive"
    (await api.post(path, {})).problem(404, "no_video")
    failed = Archive(ArchiveState.FAILED, error=Fault("not_a_video", "It is a page."))
    for event in (Report(Source.CALLBACK, videos=(video(),)), Archived(0, failed)):
        await api.house.tell(task_uuid, event)
    (await api.post(path, {})).problem(409, "conflict")
    await pool.execute("UPDATE callboard.archives SET state = 'failed', next_at = NULL")
    reply = await api.post(path, {})
    assert reply.status == 202
    shown = TaskView.model_validate_json(reply.raw)
    assert shown.taskUUID == task_uuid
    row = await pool.fetchrow("SELECT state, next_at FROM callboard.archives")
    assert row is not None
    assert (row["state"], row["next_at"] is None) == ("pending", False)
