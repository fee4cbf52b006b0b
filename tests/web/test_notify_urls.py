"""A webhook URL inside a request: it is told of its own task, of one in a batch too, and is no subscription."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from service.core.inputs import Report, Source
from service.store.pool import Pool
from service.web import examples
from tests.support.batches import as_lines, send, tasks_of
from tests.support.fakes import CheckingProvider
from tests.support.tasks import video
from tests.support.web import Api, serving

RUNWARE: dict[str, Any] = {"model": "klingai:5@3", "positivePrompt": "A cat", "duration": 5}
SYNC: dict[str, Any] = json.loads(json.dumps(examples.SUBMISSIONS["sync"]))["request"]
REQUESTS = {"runware": (RUNWARE, "webhookURL"), "sync": (SYNC, "webhookUrl")}
ALL = ["task.processing", "video.completed", "task.completed"]
DONE = Report(Source.POLL, videos=(video(),))


@pytest.fixture
async def api(pool: Pool) -> AsyncIterator[Api]:
    """Serve the web with providers that check requests as the real ones."""
    async with serving(pool, fake=CheckingProvider) as running:
        yield running
    for table in ("deliveries", "events", "tasks", "batches"):
        await pool.execute(f"DELETE FROM callboard.{table}")  # noqa: S608 - our own names


def submission(provider: str, url: str | None) -> dict[str, Any]:
    request, name = REQUESTS[provider]
    return {"provider": provider, "request": request | ({} if url is None else {name: url})}


async def finished(api: Api, *uuids: UUID) -> None:
    """Have tasks end, and all of their events sent."""
    for task_uuid in uuids:
        await api.house.tell(task_uuid, DONE)
    while await api.house.deliver_due():
        pass


def told(api: Api, url: str) -> list[tuple[str, str]]:
    """Give (task, type) of what a URL was sent."""
    got = [event for target, event in api.house.sink.got if target.url == url]
    return [(str(event.task_uuid), event.event_type) for event in got]


@pytest.mark.parametrize("provider", REQUESTS)
async def test_it_gets_all_events_of_its_task_signed_with_the_tenants_secret(
    api: Api, provider: str
) -> None:
    url = f"https://app.example/{provider}"
    listed = (await api.get("/v1/subscriptions")).json["items"]
    made = (await api.post("/v1/tasks", submission(provider, url))).json
    await api.post("/v1/tasks", submission(provider, None))
    await finished(api, UUID(made["taskUUID"]))

    assert told(api, url) == [(made["taskUUID"], event_type) for event_type in ALL]
    secret = (await api.get("/v1/signing-secret")).json["secret"]
    raw = base64.b64decode(secret.removeprefix("whsec_"))
    assert {event.secrets for _, event in api.house.sink.got} == {(raw,)}
    assert (await api.get("/v1/subscriptions")).json["items"] == listed
    assert REQUESTS[provider][1] not in made["request"]


async def test_each_task_of_a_batch_tells_its_own_and_none_is_told_of_the_batch(
    api: Api, pool: Pool
) -> None:
    urls = ("https://a.example/1", "https://b.example/2", None)
    lines = [submission(p, u) for p, u in zip(("runware", "sync", "sync"), urls, strict=True)]
    batch = (await send(api, as_lines(*lines))).json
    uuids = await tasks_of(pool, batch["id"])
    await finished(api, *uuids)
    assert await api.house.conclude.run_once() == 1
    await finished(api)

    for url, task_uuid in zip(urls[:2], uuids, strict=False):
        assert told(api, str(url)) == [(str(task_uuid), event_type) for event_type in ALL]
    assert {target.url for target, _ in api.house.sink.got} == set(urls[:2])


async def test_a_retry_tells_it_too(api: Api) -> None:
    url = "https://app.example/again"
    made = (await api.post("/v1/tasks", submission("runware", url))).json
    await api.post(f"/v1/tasks/{made['taskUUID']}/cancel")
    again = (await api.post(f"/v1/tasks/{made['taskUUID']}/retry")).json
    await finished(api, UUID(again["taskUUID"]))

    assert told(api, url) == [
        (made["taskUUID"], "task.canceled"),
        *[(again["taskUUID"], event_type) for event_type in ALL],
    ]


@pytest.mark.parametrize("provider", REQUESTS)
@pytest.mark.parametrize("url", ["http://0x7f000001/x", "https://u:p@a.example", "ftp://a.example"])
async def test_a_url_that_could_not_be_called_is_refused_where_it_stands(
    api: Api, provider: str, url: str
) -> None:
    name = REQUESTS[provider][1]
    reply = await api.post("/v1/tasks", submission(provider, url))
    assert reply.pointers() == [f"/request/{name}"]
    reply = await send(api, as_lines(submission(provider, None), submission(provider, url)))
    assert reply.pointers() == [f"/line/2/request/{name}"]
