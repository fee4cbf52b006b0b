"""The files of the simulated Runware: uploads, results and their formats, lengths, ends, and puts."""

import asyncio
import base64
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

VIDEO = "https://cdn.example/v.mp4"
MP4 = b"\0\0\0\x18ftypisom" + bytes(12)


def a_task(simulate: str = "ok", seconds: float = 5, **more: Any) -> dict[str, Any]:
    return {
        "taskType": "videoInference",
        "taskUUID": str(uuid4()),
        "model": "sync:3@0",
        "inputs": {"video": f"{VIDEO}?simulate={simulate}&seconds={seconds}", "audio": VIDEO},
        **more,
    }


def about(task: dict[str, Any], kind: str = "getResponse") -> dict[str, Any]:
    return {"taskType": kind, "taskUUID": task["taskUUID"]}


async def polled(upstream: Any, task: dict[str, Any]) -> Any:
    async with asyncio.timeout(10):
        while True:
            _, body = await upstream.runware(about(task))
            if "processing" not in {row.get("status") for row in body.get("data", [{}])}:
                return body


async def fetched(upstream: Any, url: str) -> tuple[int, str, bytes]:
    async with upstream.session.get(url, allow_redirects=False) as answer:
        return answer.status, answer.content_type, await answer.read()


def media(operation: str, content: str) -> dict[str, Any]:
    ids = {"taskType": "mediaStorage", "taskUUID": str(uuid4())}
    return {**ids, "operation": operation, "media": content}


@pytest.mark.parametrize("head", ["", "data:video/mp4;base64,"])
async def test_uploaded_media_is_served_until_it_is_deleted(upstream: Any, head: str) -> None:
    task = media("upload", head + base64.b64encode(MP4).decode())
    _, body = await upstream.runware(task)
    (item,) = body["data"]
    assert {name: item[name] for name in ("taskType", "taskUUID", "operation")} == {
        name: task[name] for name in ("taskType", "taskUUID", "operation")
    }
    assert await fetched(upstream, item["mediaURL"]) == (200, "video/mp4", MP4)
    gone = media("delete", item["mediaUUID"])
    _, body = await upstream.runware(gone)
    assert body["data"][0]["mediaUUID"] == item["mediaUUID"]
    assert "mediaURL" not in body["data"][0]
    assert (await fetched(upstream, item["mediaURL"]))[0] == 404
    assert (await upstream.runware(gone))[0] == 404


async def test_media_that_was_uploaded_by_address_leads_there(upstream: Any) -> None:
    _, body = await upstream.runware(media("upload", VIDEO))
    status, _, _ = await fetched(upstream, body["data"][0]["mediaURL"])
    assert status == 302
    task = a_task() | {"inputs": {"video": body["data"][0]["mediaUUID"], "audio": VIDEO}}
    assert (await upstream.runware(task))[0] == 200


@pytest.mark.parametrize(
    "task", [media("upload", "no base64!"), media("upload", ""), media("rename", VIDEO)]
)
async def test_bad_media_tasks_are_refused(upstream: Any, task: dict[str, Any]) -> None:
    status, body = await upstream.runware(task)
    assert (status, body["errors"][0]["taskUUID"]) == (400, task["taskUUID"])


async def test_the_older_image_upload_has_its_own_words(upstream: Any) -> None:
    image = base64.b64encode(b"\x89PNG....").decode()
    task = {"taskType": "imageUpload", "taskUUID": str(uuid4()), "image": image}
    _, body = await upstream.runware(task)
    status, kind, _ = await fetched(upstream, body["data"][0]["imageURL"])
    assert (status, kind) == (200, "image/png")


@pytest.mark.parametrize(
    ("wanted", "ending", "kind"),
    [
        ("MP4", "mp4", "video/mp4"),
        ("MOV", "mov", "video/quicktime"),
        ("WEBM", "webm", "video/webm"),
    ],
)
async def test_results_have_the_format_that_was_asked_for(
    upstream: Any, wanted: str, ending: str, kind: str
) -> None:
    task = a_task("early", outputFormat=wanted)
    await upstream.runware(task)
    (item,) = (await polled(upstream, task))["data"]
    assert item["videoURL"] == f"{upstream.base}/media/{item['videoUUID']}.{ending}"
    assert (await fetched(upstream, item["videoURL"]))[:2] == (200, kind)


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"inputs": {"audio": f"{VIDEO}?seconds=3"}}, 3),
        ({"inputs": {"audio": f"{VIDEO}?seconds=30"}}, 8),
        ({"inputs": {"audio": f"{VIDEO}?seconds=3"}, "settings": {"syncMode": "silence"}}, 8),
        ({"inputs": {"audio": f"{VIDEO}?seconds=30"}, "settings": {"syncMode": "remap"}}, 8),
        ({"inputs": {}, "speech": {"text": "a" * 60, "voice": "auto"}}, 4),
        ({"model": "klingai:5@3", "duration": 10}, 10),
    ],
)
async def test_a_result_is_as_long_and_as_dear_as_its_sync_mode_makes_it(
    upstream: Any, change: dict[str, Any], seconds: float
) -> None:
    task = a_task("early", 8, includeCost=True)
    inputs = {"video": task["inputs"]["video"], **change.get("inputs", {"audio": VIDEO})}
    task |= {**change, "inputs": inputs}
    assert (await upstream.runware(task))[0] == 200
    (item,) = (await polled(upstream, task))["data"]
    assert item["cost"] == round(0.133 * seconds, 4)
    assert item["videoURL"].endswith(f"?seconds={seconds}")


@pytest.mark.parametrize("simulate", ["early,expire:0.2", "early"])
async def test_a_video_is_gone_after_its_time(upstream: Any, simulate: str, until: Any) -> None:
    task = a_task(simulate, ttl=60)
    await upstream.runware(task)
    body = await polled(upstream, task)
    url = body["data"][0]["videoURL"]
    if "expire" not in simulate:
        assert await polled(upstream, task) == body
        assert (await fetched(upstream, url))[0] == 200
        return
    async with asyncio.timeout(5):
        while (await fetched(upstream, url))[0] != 404:  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("safety", "flagged"),
    [
        (None, False),
        ({"checkContent": True}, True),
        ({"mode": "full"}, True),
        ({"checkContent": True, "mode": "none"}, False),
    ],
)
async def test_a_result_is_flagged_only_where_it_is_checked(
    upstream: Any, safety: dict[str, Any] | None, flagged: bool
) -> None:
    task = a_task("early,nsfw") | ({"safety": safety} if safety else {})
    await upstream.runware(task)
    assert (await polled(upstream, task))["data"][0]["NSFWContent"] is flagged


@pytest.mark.parametrize(
    ("simulate", "order"),
    [("early", ["PUT", "POST"]), ("early,putafter", ["POST", "PUT"]), ("putnever,early", ["POST"])],
)
async def test_a_result_is_put_where_its_task_wants_it(
    upstream: Any, simulate: str, order: list[str]
) -> None:
    came: list[tuple[str, str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        came.append((request.method, request.content_type, await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{way}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        here = f"http://127.0.0.1:{runner.addresses[0][1]}"
        task = a_task(simulate, uploadEndpoint=f"{here}/put?sig=1", webhookURL=f"{here}/hook")
        await upstream.runware(task)
        assert [method for method, _, _ in came] == order
        (item,) = (await polled(upstream, task))["data"]
        puts = [(kind, body) for method, kind, body in came if method == "PUT"]
        _, kind, content = await fetched(upstream, item["videoURL"])
        assert puts == [(kind, content)] * len(puts)
    finally:
        await runner.cleanup()


async def test_an_upload_endpoint_that_is_not_there_hinders_nothing(
    upstream: Any, receiver: Any
) -> None:
    task = a_task("early", uploadEndpoint="http://127.0.0.1:9/put", webhookURL=receiver.url)
    await upstream.runware(task)
    assert len(receiver.calls) == 1
