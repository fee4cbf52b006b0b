"""The simulated Sync over real HTTP: answers as its documents and the official clients have them."""

import hashlib
import hmac
import json
import re
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

VIDEO, AUDIO = "https://cdn.example/v.mp4", "https://cdn.example/a.wav"
SECRET = "whsec_test"


def a_body(simulate: str = "", **more: Any) -> dict[str, Any]:
    video = f"{VIDEO}?simulate={simulate}" if simulate else VIDEO
    items = [{"type": "video", "url": video}, {"type": "audio", "url": AUDIO}]
    return {"model": "sync-3", "input": items, "options": {"sync_mode": "cut_off"}, **more}


async def finished(upstream: Any, name: str) -> Any:
    status, body = await upstream.read(f"/v2/generate/{name}", {"wait": "true", "timeout": "10"})
    assert status == 200
    return body


async def test_created_pending_then_read_completed(upstream: Any) -> None:
    body = a_body(outputFileName="job_17")
    status, made = await upstream.generate(body)
    assert (status, made["status"], made["outputUrl"], made["error"]) == (
        201,
        "PENDING",
        None,
        None,
    )
    assert {name: made[name] for name in body} == body
    assert "webhookUrl" in made
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z", made["createdAt"])
    done = await finished(upstream, made["id"])
    assert (done["status"], done["outputDuration"]) == ("COMPLETED", 5)
    assert done["outputUrl"] == f"{upstream.base}/media/{made['id']}.mp4"
    assert (await upstream.read(f"/v2/generate/{made['id']}"))[1] == done


async def test_a_wait_says_so_in_its_headers(start: Any) -> None:
    upstream = await start(generation_seconds=60)
    _, made = await upstream.generate(a_body())
    url = f"{upstream.base}/v2/generate/{made['id']}?wait=true&timeout=1"
    async with upstream.session.get(url, headers={"x-api-key": "k"}) as answer:
        assert (await answer.json())["status"] == "PENDING"
        assert answer.headers["X-Sync-Wait-Timeout-Seconds"] == "1"
        assert (answer.headers["Retry-After"], answer.headers["X-Sync-Wait-Mode"]) == (
            "2",
            "long_poll",
        )


async def test_it_is_processing_before_it_ends(start: Any) -> None:
    upstream = await start(generation_seconds=3)
    _, made = await upstream.generate(a_body())
    _, seen = await upstream.read(f"/v2/generate/{made['id']}", {"wait": "true", "timeout": "1"})
    assert seen["status"] == "PROCESSING"


async def test_missing_key_has_the_documented_body(upstream: Any) -> None:
    upstream.sync_key = None
    expected = {
        "message": "Either Cookie or x-api-key header must be provided",
        "error": "Unauthorized",
        "statusCode": 401,
    }
    assert await upstream.generate(a_body()) == (401, expected)
    assert await upstream.read("/v2/generations") == (401, expected)
    assert await upstream.read(f"/v2/generate/{uuid4()}") == (401, expected)


async def test_same_key_and_body_is_answered_again_and_billed_once(upstream: Any) -> None:
    first = await upstream.generate(a_body(), Idempotency_Key="key-1")
    await finished(upstream, first[1]["id"])
    assert await upstream.generate(a_body(), Idempotency_Key="key-1") == first
    assert [(b.provider, b.key, b.id) for b in upstream.simulator.billed] == [
        ("sync", "key-1", first[1]["id"])
    ]


async def test_same_key_with_another_body_conflicts(upstream: Any) -> None:
    await upstream.generate(a_body(), Idempotency_Key="key-1")
    status, body = await upstream.generate(a_body(model="lipsync-2"), Idempotency_Key="key-1")
    assert (status, body["errorCode"]) == (409, "IDEMPOTENCY_KEY_CONFLICT")
    assert len(upstream.simulator.billed) == 1


async def test_without_key_or_memory_a_repetition_is_billed_again(
    upstream: Any, start: Any
) -> None:
    for body in (a_body(), a_body("forget")):
        made = {(await upstream.generate(body))[1]["id"] for _ in range(2)}
        assert len(made) == 2
    keyed = [await upstream.generate(a_body("forget"), Idempotency_Key="key-1") for _ in range(2)]
    assert keyed[0][1]["id"] != keyed[1][1]["id"]
    forgetful = await start(remembers=False)
    for _ in range(2):
        await forgetful.generate(a_body(), Idempotency_Key="key-1")
    assert [billed.key for billed in forgetful.simulator.billed] == ["key-1", "key-1"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "é"])
async def test_malformed_idempotency_key_is_refused(upstream: Any, key: str) -> None:
    status, body = await upstream.generate(a_body(), Idempotency_Key=key)
    assert (status, body["errorCode"]) == (400, "INVALID_IDEMPOTENCY_KEY")


async def test_bad_request_lists_all_faults(upstream: Any) -> None:
    status, body = await upstream.generate(
        a_body(options={"sync_mode": "over", "fps": 0}, webhookUrl="nowhere")
    )
    assert (status, body["error"], len(body["message"])) == (400, "Bad Request", 3)
    assert all(re.match(r"[\w.]+ ", message) for message in body["message"])
    assert (await upstream.generate([]))[0] == 400
    assert (await upstream.generate(a_body(webhookUrl="http://app.example/hook")))[0] == 400
    assert (await upstream.generate(a_body("losst")))[0] == 400
    assert upstream.simulator.billed == []


async def test_what_is_null_or_not_known_is_ignored(upstream: Any) -> None:
    body = a_body(webhookUrl=None, options={"syncMode": "loop", "fps": None}, extra=1)
    assert (await upstream.generate(body))[0] == 201


async def test_not_json_is_refused(upstream: Any) -> None:
    url, headers = f"{upstream.base}/v2/generate", {"x-api-key": "k"}
    async with upstream.session.post(url, data=b"{", headers=headers) as answer:
        assert (answer.status, (await answer.json())["statusCode"]) == (400, 400)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/generate/0e9290c6-cbc7-466d-944f-b9af3f9e7fb9", 404),
        ("/v2/generate/nonsense", 400),
        ("/v2/generations?limit=0", 400),
        ("/v2/generations?limit=101", 400),
        ("/v2/generations?limit=%C2%B2", 400),
        ("/v2/generations?cursor=x", 400),
    ],
)
async def test_bad_reads_are_refused(upstream: Any, path: str, status: int) -> None:
    got, body = await upstream.read(path)
    assert (got, body["statusCode"]) == (status, status)


@pytest.mark.parametrize("seconds", ["0", "11", "soon", "-1"])
async def test_waits_outside_one_to_ten_seconds_are_refused(upstream: Any, seconds: str) -> None:
    _, made = await upstream.generate(a_body())
    query = {"wait": "true", "timeout": seconds}
    assert (await upstream.read(f"/v2/generate/{made['id']}", query))[0] == 400


async def test_list_is_newest_first_in_pages(upstream: Any) -> None:
    made = [(await upstream.generate(a_body()))[1]["id"] for _ in range(5)]
    _, first = await upstream.read("/v2/generations", {"limit": 3})
    _, second = await upstream.read("/v2/generations", {"limit": 3, "cursor": first[-1]["id"]})
    assert [item["id"] for item in first + second] == made[::-1]
    _, everything = await upstream.read("/v2/generations")
    assert len(everything) == 5


async def test_list_filters_in_all_three_spellings(upstream: Any) -> None:
    good = (await upstream.generate(a_body()))[1]["id"]
    bad = (await upstream.generate(a_body("fail")))[1]["id"]
    other = (await upstream.generate(a_body("delay:60")))[1]["id"]
    await finished(upstream, good)
    await finished(upstream, bad)

    async def ids(*query: tuple[str, str]) -> set[str]:
        _, items = await upstream.read("/v2/generations", list(query))
        return {item["id"] for item in items}

    assert await ids(("status", "COMPLETED"), ("status", "FAILED")) == {good, bad}
    assert await ids(("status", "COMPLETED,FAILED")) == {good, bad}
    assert await ids(("status", '["COMPLETED","FAILED"]')) == {good, bad}
    assert await ids(("ids", f'"{other}"')) == {other}
    assert await ids(("ids", good), ("status", "FAILED")) == set()


async def test_lists_may_lag_and_not_echo_the_webhook(upstream: Any, receiver: Any) -> None:
    hook = receiver.url
    _, echoed = await upstream.generate(a_body(webhookUrl=hook))
    _, silent = await upstream.generate(a_body("noecho", webhookUrl=hook))
    _, hidden = await upstream.generate(a_body("lag:60", webhookUrl=hook))
    _, items = await upstream.read("/v2/generations")
    assert {item["id"]: item["webhookUrl"] for item in items} == {
        echoed["id"]: hook,
        silent["id"]: None,
    }
    assert hidden["webhookUrl"] == hook


async def test_callback_is_the_generation_with_its_code_spelled_otherwise(
    upstream: Any, receiver: Any
) -> None:
    _, made = await upstream.generate(a_body("fail", webhookUrl=receiver.url, outputFileName="a"))
    (call,) = await receiver.wait_for(1)
    read = await finished(upstream, made["id"])
    assert call.json["error_code"] == read["errorCode"] == "generation_pipeline_failed"
    assert set(read) - set(call.json) == {"errorCode", "outputFileName"}
    assert (call.json["status"], call.json["error"]) == ("FAILED", read["error"])
    assert "Sync-Signature" not in call.headers


@pytest.mark.parametrize(
    ("simulate", "status", "code"),
    [
        ("noreason", "FAILED", None),
        ("rejected", "REJECTED", "plan_feature_unavailable"),
        ("rejected,noreason", "REJECTED", None),
        ("fail:generation_timeout", "FAILED", "generation_timeout"),
    ],
)
async def test_ways_to_fail(
    upstream: Any, receiver: Any, simulate: str, status: str, code: str | None
) -> None:
    _, made = await upstream.generate(a_body(simulate, webhookUrl=receiver.url))
    read = await finished(upstream, made["id"])
    (call,) = await receiver.wait_for(1)
    assert (read["status"], read["errorCode"]) == (status, code)
    assert (call.json["status"], call.json["error_code"]) == (status, code)


async def test_signature_covers_the_bytes_as_they_are_sent(start: Any, receiver: Any) -> None:
    upstream = await start(sync_webhook_secret=SECRET)
    voice = {"name": "elevenlabs", "voiceId": "v", "script": "été"}
    items = [{"type": "video", "url": VIDEO}, {"type": "text", "provider": voice}]
    await upstream.generate(a_body(input=items, webhookUrl=receiver.url))
    (call,) = await receiver.wait_for(1)
    match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", call.headers["Sync-Signature"])
    assert match
    signed = match[1].encode() + b"." + call.raw
    assert hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == match[2]
    compact = json.dumps(call.json, separators=(",", ":"), ensure_ascii=False)
    assert call.raw == compact.encode()


async def test_rejected_at_once(upstream: Any) -> None:
    status, body = await upstream.generate(a_body("reject"), Idempotency_Key="key-1")
    assert (status, body["statusCode"]) == (400, 400)
    assert upstream.simulator.billed == []


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("402", 402, "account_payment_required"),
        ("429", 429, "rate_limit_exceeded"),
        ("busy", 429, "concurrency_limit_reached"),
        ("500", 500, None),
        ("html", 503, None),
    ],
)
async def test_a_send_is_stopped_as_often_as_asked(
    upstream: Any, name: str, status: int, code: str | None
) -> None:
    answers = [
        await upstream.generate(a_body(f"{name}:2"), Idempotency_Key="key-1") for _ in range(3)
    ]
    assert [answer[0] for answer in answers] == [status, status, 201]
    if name != "html":
        assert answers[0][1].get("errorCode") == code
    assert len(upstream.simulator.billed) == 1


@pytest.mark.parametrize("name", ["drop", "hang:0.01"])
async def test_dropped_answer_is_given_to_the_same_key(upstream: Any, name: str) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.generate(a_body(name), Idempotency_Key="key-1")
    status, body = await upstream.generate(a_body(name), Idempotency_Key="key-1")
    assert (status, body["id"]) == (201, upstream.simulator.billed[0].id)
    assert len(upstream.simulator.billed) == 1


async def test_reset_connection_is_not_accepted(upstream: Any) -> None:
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.generate(a_body("reset"), Idempotency_Key="key-1")
    assert upstream.simulator.billed == []
    assert (await upstream.generate(a_body("reset"), Idempotency_Key="key-1"))[0] == 201


async def test_models_that_are_not_known_pass(upstream: Any) -> None:
    assert (await upstream.generate({"model": "sync-9", "input": [{"type": "x"}]}))[0] == 201
