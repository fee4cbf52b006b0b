"""The simulated Sync's Batch API, where our own client does not go (see conformance)."""

import io
import json
from typing import Any

import aiohttp
import pytest

LINES = 20


def a_line(number: int, simulate: str = "ok", **more: Any) -> dict[str, Any]:
    items = [
        {"type": "video", "url": f"https://cdn.example/v.mp4?simulate={simulate}"},
        {"type": "audio", "url": "https://cdn.example/a.wav"},
    ]
    payload = {"model": "sync-3", "input": items}
    return {
        "request_id": f"line-{number}",
        "endpoint": "/v2/generate",
        "payload": payload,
        **more,
    }


def a_file(*first: Any, count: int = LINES) -> aiohttp.FormData:
    lines = [*first, *(a_line(number) for number in range(len(first), count))]
    content = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    form = aiohttp.FormData()
    form.add_field("input", io.BytesIO(content.encode()), filename="batch.jsonl")
    return form


async def send(upstream: Any, form: aiohttp.FormData, **fields: str) -> tuple[int, Any]:
    for name, value in fields.items():
        form.add_field(name, value)
    answer: tuple[int, Any] = await upstream.sync("POST", "/v2/batch", data=form)
    return answer


async def test_all_faults_are_told_by_their_lines(upstream: Any) -> None:
    bad_payload = {**a_line(1), "payload": {"model": "sync-3"}}
    bad_endpoint = a_line(2, endpoint="/v2/other")
    form = a_file(a_line(0), bad_payload, bad_endpoint, "not JSON", a_line(0), a_line(5))
    status, body = await send(upstream, form, webhook_url="http://app.example/hook")
    assert status == 400
    told = {message.partition(":")[0] for message in body["message"]}
    assert told == {f"line {number}" for number in (1, 2, 3, 4, 5)} | {
        "webhook_url must be an https URL"
    }
    assert upstream.simulator.billed == []


@pytest.mark.parametrize("count", [19, 501])
async def test_too_few_or_too_many_lines(upstream: Any, count: int) -> None:
    assert (await send(upstream, a_file(count=count)))[0] == 400


async def test_a_file_that_is_too_large(upstream: Any) -> None:
    form = a_file(a_line(0, note="x" * 5 * 2**20))
    status, body = await send(upstream, form)
    assert (status, body["errorCode"]) == (413, "file_size_exceeds_plan_limit")


async def test_what_is_no_file_or_no_form(upstream: Any) -> None:
    form = aiohttp.FormData(default_to_multipart=True)
    assert (await send(upstream, form, input="{}"))[0] == 400
    assert (await upstream.sync("POST", "/v2/batch", json=[]))[0] == 400


async def test_a_batch_does_not_count_as_concurrent(start: Any) -> None:
    upstream = await start(sync_concurrency=1)
    status, made = await send(upstream, a_file(a_line(0, "delay:60")))
    assert (status, made["metrics"]["pending_count"]) == (201, LINES)
    assert (await upstream.generate(a_line(0)["payload"]))[0] == 201
    _, items = await upstream.read("/v2/generations", {"source": "batch"})
    assert len(items) == LINES


async def test_lines_have_callbacks_of_their_own(upstream: Any, receiver: Any) -> None:
    line = a_line(0)
    line["payload"]["webhookUrl"] = receiver.url
    await send(upstream, a_file(line))
    (call,) = await receiver.wait_for(1)
    assert (call.json["status"], call.json["model"]) == ("COMPLETED", "sync-3")


async def test_all_failed_is_a_failed_batch(upstream: Any, receiver: Any) -> None:
    lines = [a_line(number, "fail,flat") for number in range(LINES)]
    await send(upstream, a_file(*lines), webhook_url=receiver.url)
    (call,) = await receiver.wait_for(1)
    assert (call.json["status"], call.json["metrics"]["failed_count"]) == ("FAILED", LINES)


async def test_results_are_for_who_has_the_signed_address(upstream: Any) -> None:
    _, made = await send(upstream, a_file(*(a_line(n, "early") for n in range(LINES))))
    _, done = await upstream.read(f"/v2/batch/{made['id']}")
    headers = {"x-api-key": "k"}
    async with upstream.session.get(
        done["outputUrl"], headers=headers, allow_redirects=False
    ) as answer:
        assert answer.status == 302
        address = answer.headers["Location"]
    async with upstream.session.get(address) as answer:
        rows = [json.loads(line) for line in (await answer.text()).splitlines()]
    assert [row["request_id"] for row in rows] == [f"line-{n}" for n in range(LINES)]
    async with upstream.session.get(address.replace("signature=", "signature=0")) as answer:
        assert answer.status == 403
    assert (await upstream.read("/v2/batch?created_after=yesterday"))[0] == 400
