"""The recorded samples are the judge: what the simulator sends has their fields, of their types."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

SAMPLES = Path(__file__).parent.parent / "samples"
VIDEO = "https://cdn.example/v.mp4"
ABSENT = object()


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


def differences(wanted: Any, got: Any, place: str = "") -> list[str]:
    """Return where `got` lacks something of `wanted` or has it of another type."""
    if wanted is None:
        return [] if got is not ABSENT else [place]
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return [] if isinstance(got, int | float) else [place]
    if type(wanted) is not type(got):
        return [place]
    if isinstance(wanted, dict):
        pairs = [(key, value, got.get(key, ABSENT)) for key, value in wanted.items()]
    elif isinstance(wanted, list):
        pairs = [(index, value, got[index]) for index, value in enumerate(wanted[: len(got)])]
        pairs += [("length", 0, "")] * (len(wanted) != len(got))
    else:
        return []
    return [found for key, a, b in pairs for found in differences(a, b, f"{place}/{key}")]


def runware_task(simulate: str, hook: str | None) -> dict[str, Any]:
    task = {
        "taskType": "videoInference",
        "taskUUID": str(uuid4()),
        "model": "sync:3@0",
        "inputs": {"video": f"{VIDEO}?simulate={simulate}", "audio": VIDEO},
        "webhookURL": hook,
        "includeCost": True,
        "numberResults": 2 if "partial" in simulate else 1,
    }
    return {name: value for name, value in task.items() if value is not None}


def sync_body(simulate: str, hook: str) -> dict[str, Any]:
    video = {"type": "video", "url": f"{VIDEO}?simulate={simulate}"}
    inputs = [video, {"type": "audio", "url": VIDEO}]
    return {
        "model": "sync-3",
        "input": inputs,
        "options": {"sync_mode": "cut_off"},
        "webhookUrl": hook,
    }


@pytest.mark.parametrize(
    ("name", "simulate"),
    [
        ("callback_enveloped", "ok"),
        ("callback_enveloped_without_status", "nostatus"),
        ("callback_flat", "flat,nostatus"),
        ("callback_flat_with_status", "flat"),
        ("callback_errors_envelope", "fail"),
        ("callback_flat_error", "fail,flat"),
        ("callback_flat_error_without_status", "fail,flat,nostatus"),
    ],
)
async def test_runware_callbacks(upstream: Any, receiver: Any, name: str, simulate: str) -> None:
    await upstream.runware(runware_task(simulate, receiver.url))
    (call,) = await receiver.wait_for(1)
    wanted = sample(f"runware/{name}")
    assert differences(wanted["body"], call.json) == []
    assert call.headers["Content-Type"] == wanted["headers"]["Content-Type"]
    assert set(call.json) == set(wanted["body"]) or "flat" in simulate


@pytest.mark.parametrize(
    ("name", "simulate"),
    [
        ("submit_ack", "ok"),
        ("submit_refused", "reject"),
        ("submit_too_many", "429"),
        ("submit_no_balance", "402"),
        ("submit_forbidden", "403"),
        ("submit_server_error", "500"),
    ],
)
async def test_runware_answers_to_a_submit(upstream: Any, name: str, simulate: str) -> None:
    wanted = sample(f"runware/{name}")
    status, body = await upstream.runware(runware_task(simulate, None))
    assert status == wanted["status"]
    assert differences(wanted["body"], body) == []


async def test_runware_conflict(upstream: Any) -> None:
    task, wanted = runware_task("ok", None), sample("runware/submit_conflict")
    await upstream.runware(task)
    status, body = await upstream.runware(task)
    assert status == wanted["status"]
    assert differences(wanted["body"], body) == []


@pytest.mark.parametrize(
    ("poll", "details", "simulate"),
    [
        ("poll_success", "details_success", "early"),
        ("poll_failed", "details_failed", "early,fail"),
        ("poll_partly_failed", None, "early,partial"),
        ("poll_processing", None, "delay:60"),
        ("poll_unknown", None, "lag:60"),
    ],
)
async def test_runware_polls(
    upstream: Any, receiver: Any, poll: str, details: str | None, simulate: str
) -> None:
    task = runware_task(simulate, receiver.url)
    await upstream.runware(task)
    for name, kind in ((poll, "getResponse"), (details, "getTaskDetails")):
        if name:
            asked = {"taskType": kind, "taskUUID": task["taskUUID"]}
            status, body = await upstream.runware(asked)
            wanted = sample(f"runware/{name}")
            found = differences(wanted["body"], body)
            optional = {"/data/0/progress", "/errors/0/documentation"}
            assert (status, set(found) - optional) == (wanted["status"], set())


@pytest.mark.parametrize(
    ("name", "simulate"),
    [
        ("callback_completed", "ok"),
        ("callback_completed_minimal", "ok"),
        ("callback_failed_error_code", "fail"),
        ("callback_failed_without_reason", "noreason"),
        ("callback_rejected", "rejected,noreason"),
        ("callback_rejected_with_reason", "rejected"),
    ],
)
async def test_sync_callbacks(upstream: Any, receiver: Any, name: str, simulate: str) -> None:
    await upstream.generate(sync_body(simulate, receiver.url))
    (call,) = await receiver.wait_for(1)
    wanted = sample(f"sync_so/{name}")["body"]
    assert differences(wanted, call.json) == []
    assert call.json["status"] == wanted["status"]


@pytest.mark.parametrize(
    ("name", "simulate"),
    [
        ("get_completed", "early"),
        ("get_failed_errorCode", "early,fail"),
        ("get_failed_without_reason", "early,noreason"),
        ("get_rejected", "early,rejected,noreason"),
    ],
)
async def test_sync_reads(upstream: Any, receiver: Any, name: str, simulate: str) -> None:
    body = sync_body(simulate, receiver.url) | {"outputFileName": "job_17"}
    _, made = await upstream.generate(body)
    status, read = await upstream.read(f"/v2/generate/{made['id']}")
    wanted = sample(f"sync_so/{name}")
    assert (status, read["status"]) == (wanted["status"], wanted["body"]["status"])
    assert differences(wanted["body"], read) == []


@pytest.mark.parametrize(
    ("name", "simulate"),
    [
        ("create_pending", "ok"),
        ("create_bad_key", "401"),
        ("create_concurrency_limited", "busy"),
        ("create_rate_limited", "429"),
        ("create_payment", "402"),
        ("create_plan_feature", "403"),
        ("create_server_error", "500"),
        ("create_validation", "reject"),
        ("create_unprocessable", "422"),
        ("create_outcome_unknown", "doubt"),
    ],
)
async def test_sync_answers_to_a_create(
    upstream: Any, receiver: Any, name: str, simulate: str
) -> None:
    wanted = sample(f"sync_so/{name}")
    status, body = await upstream.generate(sync_body(simulate, receiver.url))
    assert status == wanted["status"]
    optional = {"/error", "/upgradeUrl", "/message/length"}
    assert set(differences(wanted["body"], body)) - optional == set()


def batch_form(simulate: str, **fields: str) -> aiohttp.FormData:
    payload = sync_body(simulate, "")
    del payload["webhookUrl"]
    rows = (
        {"request_id": str(number), "endpoint": "/v2/generate", "payload": payload}
        for number in range(20)
    )
    text = "\n".join(map(json.dumps, rows))
    form = aiohttp.FormData()
    form.add_field("input", io.BytesIO(text.encode()), filename="batch.jsonl")
    for name, value in fields.items():
        form.add_field(name, value)
    return form


@pytest.mark.parametrize(
    ("name", "simulate", "fields"),
    [
        ("pending", "ok", {}),
        ("validated", "ok", {"dry_run": "true"}),
        ("concurrency_limited", "busy", {}),
    ],
)
async def test_sync_answers_to_a_batch(
    upstream: Any, name: str, simulate: str, fields: dict[str, str]
) -> None:
    wanted = sample(f"sync_batch/{name}")
    form = batch_form(simulate, **fields)
    status, body = await upstream.sync("POST", "/v2/batch", data=form)
    assert (status, differences(wanted["body"], body)) == (wanted["status"], [])
    assert set(body) == set(wanted["body"])


@pytest.mark.parametrize(
    ("name", "simulate"), [("callback_camel", "ok"), ("callback_mixed", "flat")]
)
async def test_sync_callbacks_of_a_batch(
    upstream: Any, receiver: Any, name: str, simulate: str
) -> None:
    form = batch_form(simulate, webhook_url=receiver.url)
    _, made = await upstream.sync("POST", "/v2/batch", data=form)
    (call,) = await receiver.wait_for(1)
    wanted = sample(f"sync_batch/{name}")["body"]
    assert differences(wanted, call.json) == []
    assert set(call.json) == set(wanted)
    _, read = await upstream.read(f"/v2/batch/{made['id']}")
    assert differences(sample("sync_batch/completed")["body"], read) == []
