"""The simulated Runware over real HTTP: answers as its documents and the official clients have them."""

import asyncio
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

VIDEO = "https://cdn.example/v.mp4"


def a_task(simulate: str = "", **more: Any) -> dict[str, Any]:
    video = f"{VIDEO}?simulate={simulate}" if simulate else VIDEO
    return {
        "taskType": "videoInference",
        "taskUUID": str(uuid4()),
        "model": "sync:3@0",
        "inputs": {"video": video, "audio": "https://cdn.example/a.wav"},
        **more,
    }


def about(task: dict[str, Any], kind: str = "getResponse") -> dict[str, Any]:
    return {"taskType": kind, "taskUUID": task["taskUUID"]}


def acknowledgement(task: dict[str, Any]) -> dict[str, Any]:
    return {"data": [{"taskType": "videoInference", "taskUUID": task["taskUUID"]}]}


async def finished(upstream: Any, task: dict[str, Any]) -> Any:
    """Poll until nothing of the task is running."""
    async with asyncio.timeout(10):
        while True:
            _, body = await upstream.runware(about(task))
            rows = body["data"]
            settled = rows or body.get("errors")
            if settled and all(row.get("status") != "processing" for row in rows):
                return body


async def test_acknowledged_then_polled_then_done(upstream: Any) -> None:
    task = a_task("delay:0.4", includeCost=True)
    assert await upstream.runware(task) == (200, acknowledgement(task))
    status, body = await upstream.runware(about(task))
    assert (status, body["data"][0]["status"]) == (200, "processing")
    (item,) = (await finished(upstream, task))["data"]
    assert item["videoURL"] == f"{upstream.base}/media/{item['videoUUID']}.mp4"
    assert (item["status"], item["cost"], item["NSFWContent"]) == ("success", 0.665, False)


async def test_no_cost_unless_asked_for(upstream: Any) -> None:
    task = a_task()
    await upstream.runware(task)
    assert "cost" not in (await finished(upstream, task))["data"][0]


async def test_each_result_is_called_back_once(upstream: Any, receiver: Any) -> None:
    task = a_task(numberResults=3, webhookURL=receiver.url)
    assert await upstream.runware(task) == (200, acknowledgement(task))
    calls = await receiver.wait_for(3)
    items = [call.json["data"][0] for call in calls]
    polled = (await finished(upstream, task))["data"]
    assert items == polled
    assert len({item["videoUUID"] for item in items}) == 3
    assert {call.path for call in calls} == {"/hook?token=abc"}
    assert [(b.provider, b.key, b.results) for b in upstream.simulator.billed] == [
        ("runware", task["taskUUID"], 3)
    ]


async def test_key_may_come_as_a_first_task(upstream: Any) -> None:
    upstream.runware_key = None
    task = a_task()
    key = {"taskType": "authentication", "apiKey": "k"}
    status, body = await upstream.runware(key, task, {"taskType": "ping", "ping": True})
    assert status == 200
    assert body["data"][0]["connectionSessionUUID"]
    assert body["data"][1:] == [*acknowledgement(task)["data"], {"taskType": "ping", "pong": True}]


async def test_missing_key_is_401(upstream: Any) -> None:
    upstream.runware_key = None
    status, body = await upstream.runware(a_task())
    assert (status, body["errors"][0]["code"]) == (401, "missingApiKey")
    assert upstream.simulator.billed == []


@pytest.mark.parametrize(
    ("change", "parameter"),
    [
        ({"numberResults": 21}, "numberResults"),
        ({"speech": {"text": "a", "voice": "auto"}}, "speech"),
        ({"shimmer": 1}, "shimmer"),
        ({"taskUUID": "mine"}, "taskUUID"),
        ({"inputs": 3}, "inputs"),
        ({"webhookURL": "http://app.example/hook"}, "webhookURL"),
    ],
)
async def test_bad_requests_are_refused_with_their_parameter(
    upstream: Any, change: dict[str, Any], parameter: str
) -> None:
    status, body = await upstream.runware(a_task() | change)
    assert (status, body["data"]) == (400, [])
    named = [error["parameter"] for error in body["errors"]]
    assert any(parameter in (one if isinstance(one, list) else [one]) for one in named)
    assert upstream.simulator.billed == []


async def test_a_task_without_uuid_or_of_an_unknown_type_is_refused(upstream: Any) -> None:
    without = a_task()
    del without["taskUUID"]
    assert (await upstream.runware(without))[0] == 400
    assert (await upstream.runware({"taskType": "teaInference"}))[0] == 400
    assert (await upstream.runware("text"))[0] == 400


async def test_repeated_uuid_conflicts_and_is_not_billed_again(upstream: Any) -> None:
    task = a_task()
    await upstream.runware(task)
    status, body = await upstream.runware(task)
    assert (status, body["data"]) == (400, [])
    assert (body["errors"][0]["code"], body["errors"][0]["taskUUID"]) == (
        "conflictTaskUUID",
        task["taskUUID"],
    )
    assert len(upstream.simulator.billed) == 1


async def test_without_memory_a_repetition_is_billed_again(start: Any) -> None:
    upstream, task = await start(remembers=False), a_task()
    assert await upstream.runware(task) == await upstream.runware(task)
    forgetful, forgotten = await start(), a_task("forget")
    assert await forgetful.runware(forgotten) == await forgetful.runware(forgotten)
    assert len(upstream.simulator.billed) == len(forgetful.simulator.billed) == 2


async def test_unknown_uuid_polls_as_empty(upstream: Any) -> None:
    assert await upstream.runware(about(a_task())) == (200, {"data": []})


async def test_details_show_request_and_last_response(upstream: Any) -> None:
    task = a_task()
    await upstream.runware(task)
    done = await finished(upstream, task)
    _, body = await upstream.runware(about(task, "getTaskDetails"))
    assert body["data"][0]["request"] == [task]
    assert body["data"][0]["response"] == done
    await upstream.runware(task)
    _, body = await upstream.runware(about(task, "getTaskDetails"))
    assert body["data"][0]["response"]["errors"][0]["code"] == "conflictTaskUUID"


async def test_partial_failure_is_told_by_poll_and_callbacks(upstream: Any, receiver: Any) -> None:
    task = a_task("partial", numberResults=2, webhookURL=receiver.url)
    await upstream.runware(task)
    first, second = await receiver.wait_for(2)
    body = await finished(upstream, task)
    assert first.json == {"data": body["data"]}
    assert second.json == {"errors": body["errors"]}
    assert body["errors"][0]["status"] == "error"


async def test_failure_has_the_code_that_was_asked_for(upstream: Any, receiver: Any) -> None:
    task = a_task("fail:timeoutProvider,flat,nostatus", webhookURL=receiver.url)
    await upstream.runware(task)
    (call,) = await receiver.wait_for(1)
    assert (call.json["code"], call.json["taskUUID"]) == ("timeoutProvider", task["taskUUID"])
    assert "status" not in call.json
    assert (await finished(upstream, task))["data"] == []


async def test_rejected_at_once_with_allowed_values(upstream: Any) -> None:
    status, body = await upstream.runware(a_task("reject"))
    assert (status, body["errors"][0]["allowedValues"]) == (400, [6])
    assert upstream.simulator.billed == []


@pytest.mark.parametrize(
    ("name", "status"), [("401", 401), ("402", 402), ("429", 429), ("503", 503), ("html", 503)]
)
async def test_a_send_is_stopped_as_often_as_asked(upstream: Any, name: str, status: int) -> None:
    task = a_task(f"{name}:2")
    answers = [await upstream.runware(task) for _ in range(3)]
    assert [answer[0] for answer in answers] == [status, status, 200]
    assert isinstance(answers[0][1], str) == (name == "html")
    assert len(upstream.simulator.billed) == 1


async def test_reset_connection_is_not_accepted(upstream: Any) -> None:
    task = a_task("reset")
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.runware(task)
    assert upstream.simulator.billed == []
    assert (await upstream.runware(task))[0] == 200


@pytest.mark.parametrize("name", ["drop", "hang:0.01"])
async def test_dropped_answer_leaves_an_accepted_task(upstream: Any, name: str) -> None:
    task = a_task(name)
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.runware(task)
    assert len(upstream.simulator.billed) == 1
    assert (await upstream.runware(task))[0] == 400
    assert (await finished(upstream, task))["data"][0]["videoUUID"]


async def test_lagging_task_is_not_found_at_first(upstream: Any) -> None:
    task = a_task("lag:0.5")
    await upstream.runware(task)
    assert await upstream.runware(about(task)) == (200, {"data": []})
    assert (await finished(upstream, task))["data"][0]["videoUUID"]


async def test_scenarios_of_header_and_address_come_together(upstream: Any) -> None:
    status, body = await upstream.runware(a_task("early"), **{"X-Simulate": "reject, lost"})
    assert (status, body["errors"][0]["code"]) == (400, "unsupportedDuration")


async def test_unknown_scenario_is_refused(upstream: Any) -> None:
    status, body = await upstream.runware(a_task("losst"))
    assert (status, body["errors"][0]["code"]) == (400, "invalidScenario")


async def test_other_models_pass(upstream: Any) -> None:
    task = a_task() | {"model": "klingai:5@3", "inputs": [], "duration": 5}
    assert (await upstream.runware(task))[0] == 200
