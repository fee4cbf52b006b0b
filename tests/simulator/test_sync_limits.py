"""What the simulated Sync refuses to take now, and how it falls over."""

import asyncio
import hashlib
import hmac
import re
from typing import Any

import aiohttp
import pytest

SECRET = "whsec_test"
ITEMS = ("https://cdn.example/v.mp4", "https://cdn.example/a.wav")


def a_body(simulate: str = "ok", **more: Any) -> dict[str, Any]:
    video, audio = ITEMS
    items = [
        {"type": "video", "url": f"{video}?simulate={simulate}"},
        {"type": "audio", "url": audio},
    ]
    return {"model": "sync-3", "input": items, **more}


async def test_what_is_pending_or_processing_counts_as_concurrent(start: Any) -> None:
    upstream = await start(sync_concurrency=2)
    await upstream.generate(a_body("delay:60"))
    _, short = await upstream.generate(a_body("delay:1"))
    status, body = await upstream.generate(a_body())
    assert (status, body["errorCode"]) == (429, "concurrency_limit_reached")
    assert (body["activeGenerations"], body["concurrencyLimit"]) == (2, 2)
    assert 1 <= body["retryAfterSeconds"] <= 2
    assert body["upgradeUrl"]
    await upstream.read(f"/v2/generate/{short['id']}", {"wait": "true"})
    assert (await upstream.generate(a_body()))[0] == 201
    assert len(upstream.simulator.billed) == 3


async def test_a_known_key_is_answered_though_no_place_is_free(start: Any) -> None:
    upstream = await start(sync_concurrency=1)
    first = await upstream.generate(a_body("delay:60"), Idempotency_Key="key-1")
    assert await upstream.generate(a_body("delay:60"), Idempotency_Key="key-1") == first


async def test_sends_of_a_minute_are_counted(start: Any) -> None:
    upstream = await start(sync_creates_per_minute=2)
    answers = [await upstream.generate(a_body()) for _ in range(3)]
    assert [status for status, _ in answers] == [201, 201, 429]
    assert answers[2][1] == {
        "statusCode": 429,
        "errorCode": "rate_limit_exceeded",
        "message": "Rate limit exceeded. Please try again later.",
        "error": "Too Many Requests",
    }


@pytest.mark.parametrize("name", ["429", "busy", "503", "html"])
@pytest.mark.parametrize("wait", ["", "7"])
async def test_retry_after_is_there_if_asked_for(upstream: Any, name: str, wait: str) -> None:
    body = a_body(f"{name},retryafter:{wait}" if wait else name)
    url, headers = f"{upstream.base}/v2/generate", {"x-api-key": "k"}
    async with upstream.session.post(url, json=body, headers=headers) as answer:
        assert answer.headers.get("Retry-After", "") == wait


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("403", 403, "plan_feature_unavailable"),
        ("404", 404, None),
        ("409", 409, "generation_conflict"),
        ("413", 413, "file_size_exceeds_plan_limit"),
        ("422", 422, "generation_input_video_inaccessible"),
        ("503", 503, None),
        ("504", 504, None),
    ],
)
async def test_all_kinds_of_refusals(
    upstream: Any, name: str, status: int, code: str | None
) -> None:
    got, body = await upstream.generate(a_body(name))
    assert (got, body["statusCode"], body.get("errorCode")) == (status, status, code)
    assert upstream.simulator.billed == []


@pytest.mark.parametrize(("name", "status"), [("html500", 500), ("html", 503), ("html504", 504)])
async def test_pages_of_a_proxy(upstream: Any, name: str, status: int) -> None:
    got, page = await upstream.generate(a_body(name))
    assert (got, "<html>" in page) == (status, True)


async def test_a_doubted_send_names_its_generation(upstream: Any) -> None:
    status, body = await upstream.generate(a_body("doubt"), Idempotency_Key="key-1")
    assert (status, body["errorCode"]) == (409, "IDEMPOTENCY_OUTCOME_UNKNOWN")
    assert body["generationId"] == upstream.simulator.billed[0].id
    _, again = await upstream.generate(a_body("doubt"), Idempotency_Key="key-1")
    assert again["id"] == body["generationId"]


async def test_after_a_restart_its_keys_may_be_forgotten(upstream: Any) -> None:
    _, first = await upstream.generate(a_body(), Idempotency_Key="key-1")
    upstream.simulator.restart_sync()
    _, second = await upstream.generate(a_body(), Idempotency_Key="key-1")
    upstream.simulator.restart_sync(forget=True)
    _, third = await upstream.generate(a_body(), Idempotency_Key="key-1")
    assert first["id"] == second["id"] != third["id"]


async def test_while_it_restarts_nobody_is_answered(upstream: Any) -> None:
    _, made = await upstream.generate(a_body("restart:0.2"))
    shown = None
    with pytest.raises(aiohttp.ClientConnectionError):
        await upstream.read("/v2/models")
    async with asyncio.timeout(10):
        while shown is None:
            try:
                _, shown = await upstream.read(f"/v2/generate/{made['id']}")
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)  # nothing tells when it is back
    assert shown["id"] == made["id"]


async def test_callbacks_unsigned_forged_and_in_milliseconds(start: Any, receiver: Any) -> None:
    upstream = await start(sync_webhook_secret=SECRET)
    for number, name in enumerate(("unsigned", "forged", "millis"), 1):
        await upstream.generate(a_body(name, webhookUrl=receiver.url))
        call = (await receiver.wait_for(number))[-1]
        header = call.headers.get("Sync-Signature")
        assert (header is None) == (name == "unsigned")
        if header is not None:
            match = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", header)
            assert match
            signed = match[1].encode() + b"." + call.raw
            good = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest() == match[2]
            assert (good, len(match[1])) == ((True, 13) if name == "millis" else (False, 10))
