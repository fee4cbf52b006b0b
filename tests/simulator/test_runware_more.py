"""The rest of the simulated Runware: dry runs, held answers, rarer forms and faults."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

VIDEO = "https://cdn.example/v.mp4"


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


def upload() -> dict[str, Any]:
    ids = {"taskType": "mediaStorage", "taskUUID": str(uuid4())}
    return {**ids, "operation": "upload", "media": VIDEO}


async def test_a_dry_run_prices_and_refuses_but_does_nothing(upstream: Any) -> None:
    task = a_task(seconds=10, numberResults=2)
    dry = {"X-Runware-Dry-Run": "1"}
    status, body = await upstream.runware(task, **dry)
    assert (status, body["data"][0]["taskUUID"]) == (200, task["taskUUID"])
    assert body["data"][0]["cost"] == 2.66
    assert (await upstream.runware(task | {"ttl": 1}, **dry))[0] == 400
    _, stored = await upstream.runware(upload(), **dry)
    async with upstream.session.get(stored["data"][0]["mediaURL"]) as answer:
        assert answer.status != 302
    assert upstream.simulator.billed == []
    assert (await upstream.runware(task))[0] == 200


async def test_an_answer_may_be_held_until_the_results_are_there(upstream: Any) -> None:
    task = a_task("partial", model="klingai:5@3", deliveryMethod="sync", numberResults=2)
    status, body = await upstream.runware(task)
    assert (status, len(body["data"]), len(body["errors"])) == (200, 1, 1)


async def test_good_and_bad_tasks_of_one_array_are_told_apart(upstream: Any) -> None:
    good, bad = a_task("delay:30"), a_task("reject")
    status, body = await upstream.runware(good, bad, upload())
    assert status == 200
    assert [item["taskType"] for item in body["data"]] == ["videoInference", "mediaStorage"]
    assert [error["taskUUID"] for error in body["errors"]] == [bad["taskUUID"]]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (
            {"outputFormat": "AVI"},
            {"parameter": "outputFormat", "allowedValues": ["MP4", "WEBM", "MOV"]},
        ),
        ({"ttl": 5}, {"parameter": "ttl", "code": "valueTooSmall"}),
        (
            {"settings": {"activeSpeakerDetection": {"frameNumber": 1}}},
            {
                "parameter": [
                    "settings.activeSpeakerDetection.coordinates",
                    "settings.activeSpeakerDetection.frameNumber",
                ]
            },
        ),
        ({"settings": {"temperature": "hot"}}, {"type": "float"}),
        ({"uploadEndpoint": "http://app.example/put"}, {"parameter": "uploadEndpoint"}),
    ],
)
async def test_a_refusal_points_to_what_is_wrong(
    upstream: Any, change: dict[str, Any], error: dict[str, Any]
) -> None:
    status, body = await upstream.runware(a_task(**change))
    assert status == 400
    assert {name: body["errors"][0].get(name) for name in error} == error


async def test_a_bad_key_is_401_in_the_header_and_in_the_body(upstream: Any) -> None:
    upstream.runware_key = "bad-key"
    status, body = await upstream.runware(a_task())
    assert (status, body["errors"][0]["code"]) == (401, "invalidApiKey")
    upstream.runware_key = None
    status, _ = await upstream.runware({"taskType": "authentication", "apiKey": "bad"}, a_task())
    assert status == 401


@pytest.mark.parametrize(
    ("simulate", "status", "retry_after", "kind"),
    [
        ("429", 429, None, "application/json"),
        ("429,retryafter:7", 429, "7", "application/json"),
        ("html,retryafter:3", 503, "3", "text/html"),
        ("html500", 500, None, "text/html"),
        ("html504", 504, None, "text/html"),
        ("404", 404, None, "application/json"),
    ],
)
async def test_what_stops_a_send_may_be_a_page_and_may_say_when_to_come_again(
    upstream: Any, simulate: str, status: int, retry_after: str | None, kind: str
) -> None:
    options = {"json": [a_task(simulate)], "headers": {"Authorization": "Bearer any"}}
    async with upstream.session.post(f"{upstream.base}/v1", **options) as answer:
        assert (answer.status, answer.content_type) == (status, kind)
        assert answer.headers.get("Retry-After") == retry_after


async def test_reads_may_be_refused_for_a_while(upstream: Any) -> None:
    task = a_task("early,blind:2")
    await upstream.runware(task)
    statuses = [(await upstream.runware(about(task)))[0] for _ in range(3)]
    assert statuses == [503, 503, 200]


async def test_a_task_may_be_unknown_to_polls_by_name_or_for_good(upstream: Any) -> None:
    task, kept = a_task("early,notfound:30"), a_task("early,archived")
    await upstream.runware(task, kept)
    status, body = await upstream.runware(about(task))
    assert (status, body["errors"][0]["code"]) == (200, "taskFailedOrNotFound")
    assert await upstream.runware(about(kept)) == (200, {"data": []})
    _, details = await upstream.runware(about(kept, "getTaskDetails"))
    assert details["data"][0]["response"]["data"][0]["videoUUID"]


async def test_the_archive_begins_with_the_acknowledgement(upstream: Any) -> None:
    task = a_task("delay:30")
    _, acknowledged = await upstream.runware(task)
    _, details = await upstream.runware(about(task, "getTaskDetails"))
    assert details["data"][0]["response"] == acknowledged


@pytest.mark.parametrize(("simulate", "rows"), [("progress", 3), ("progress,onerow", 1)])
async def test_rows_of_what_is_under_way(upstream: Any, simulate: str, rows: int) -> None:
    task = a_task(f"{simulate},delay:30", numberResults=3)
    await upstream.runware(task)
    _, body = await upstream.runware(about(task))
    assert [(row["status"], row["progress"]) for row in body["data"]] == [("processing", 0)] * rows


async def test_a_failure_may_be_an_error_inside_of_the_data(upstream: Any, receiver: Any) -> None:
    task = a_task("inline,fail:timeoutProvider", webhookURL=receiver.url)
    await upstream.runware(task)
    body = await polled(upstream, task)
    assert (body["data"][0]["status"], body["data"][0]["error"]["code"]) == (
        "error",
        "timeoutProvider",
    )
    assert (await receiver.wait_for(1))[0].json == body


async def test_rarer_forms_of_callbacks(upstream: Any, receiver: Any) -> None:
    await upstream.runware(a_task("bare,early", webhookURL=receiver.url))
    await upstream.runware(a_task("singular,fail,early", webhookURL=receiver.url))
    bare, singular = await receiver.wait_for(2)
    assert bare.json[0]["videoUUID"]
    assert singular.json["error"]["code"] == "providerError"


async def test_hung_answer_ends_in_a_closed_connection(upstream: Any) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.runware(a_task("hang:0.05"))


@pytest.mark.parametrize(("forget", "bills"), [(False, 1), (True, 2)])
async def test_a_restart_keeps_what_was_made_and_may_forget_which_uuids_were_used(
    upstream: Any, forget: bool, bills: int
) -> None:
    task = a_task("early")
    await upstream.runware(task)
    upstream.simulator.restart_runware(forget=forget)
    assert (await polled(upstream, task))["data"][0]["videoUUID"]
    assert (await upstream.runware(task))[0] == (200 if forget else 400)
    assert len(upstream.simulator.billed) == bills
    upstream.simulator.restart_runware(60)
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.runware(about(task))
