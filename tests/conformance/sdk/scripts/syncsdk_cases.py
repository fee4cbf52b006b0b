"""Run by the interpreter that has `syncsdk`: does every case against the address that it is given."""

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sync import Sync  # type: ignore[import-not-found]
from sync.common import (  # type: ignore[import-not-found]
    Audio,
    ElevenLabs,
    GenerationOptions,
    Tts,
    Video,
)
from sync.core.api_error import ApiError  # type: ignore[import-not-found]

BASE = sys.argv[1]
CLIENT = Sync(base_url=BASE, api_key="any")
KEY = {"x-api-key": "any"}
VIDEO, AUDIO = "https://cdn.example/v.mp4", "https://cdn.example/a.wav"
HOUR = timedelta(hours=1)


def create(simulate: str = "ok", key: str | None = None, **more: Any) -> Any:
    inputs = [Video(url=f"{VIDEO}?simulate={simulate}"), Audio(url=AUDIO)]
    options = {"additional_headers": {"Idempotency-Key": key}} if key else {}
    return CLIENT.generations.create(
        **{"input": inputs, "model": "sync-3", "request_options": options, **more}
    )


def ended(made: Any) -> Any:
    wait = {"additional_query_parameters": {"wait": "true", "timeout": 10}}
    return CLIENT.generations.get(made.id, request_options=wait)


def success() -> Any:
    made = create("ok", options=GenerationOptions(sync_mode="cut_off"), output_file_name="job_17")
    done = ended(made)
    video = httpx.get(done.output_url).content
    return {"made": dump(made), "done": dump(done), "video": len(video)}


def spoken() -> Any:
    voice = Tts(provider=ElevenLabs(voice_id="v", script="Good morning."))
    return dump(ended(create(input=[Video(url=VIDEO), voice])))


def failure() -> Any:
    done = ended(create("fail:generation_timeout"))
    return {**dump(done), "code": done.errorCode, "own_code": done.error_code}


def listed() -> Any:
    made = [create(name) for name in ("early", "early,fail", "delay:60", "early")]
    ids = [one.id for one in made[:3]]
    found = CLIENT.generations.list(status=["COMPLETED", "FAILED"], ids=ids)
    page = {"additional_query_parameters": {"limit": 1}}
    first = CLIENT.generations.list(ids=ids, request_options=page)
    return {
        "ids": ids,
        "found": {one.id: one.status for one in found},
        "page": [one.id for one in first],
    }


def files() -> Any:
    made = CLIENT.generations.create_with_files(
        model="sync-3",
        video=("v.mp4", b"a video", "video/mp4"),
        input=json.dumps([{"type": "audio", "url": AUDIO}]),
        options=json.dumps({"sync_mode": "loop"}),
    )
    return dump(made)


def form_of_urls() -> Any:
    items = [{"type": "video", "url": VIDEO}, {"type": "audio", "url": AUDIO}]
    return dump(CLIENT.generations.create_with_files(model="sync-3", input=json.dumps(items)))


def estimated() -> Any:
    inputs = [Video(url=f"{VIDEO}?seconds=10"), Audio(url=f"{AUDIO}?seconds=10")]
    return dump(CLIENT.generations.estimate_cost(input=inputs, model="sync-3"))


def repeated() -> Any:
    lost = None
    try:
        create("drop", key="python-drop")
    except httpx.TransportError as error:
        lost = type(error).__name__
    return {"lost": lost, "made": dump(ended(create("drop", key="python-drop")))}


def retried() -> Any:
    """Its counter begins at 2, so 3 retries are one."""
    more = {"max_retries": 3, "additional_headers": {"Idempotency-Key": "python-503"}}
    return dump(create("503,retryafter:0", request_options=more))


def batch_file(simulate: str = "ok") -> tuple[str, bytes]:
    rows = []
    for number in range(20):
        url = f"{VIDEO}?simulate={simulate if number == 0 else 'ok'}"
        items = [{"type": "video", "url": url}, {"type": "audio", "url": AUDIO}]
        payload = {"model": "sync-3", "input": items}
        row = {"request_id": f"r{number}", "endpoint": "/v2/generate", "payload": payload}
        rows.append(json.dumps(row))
    return ("batch.jsonl", "\n".join(rows).encode())


def batch() -> Any:
    dry = CLIENT.batch.create(input=batch_file(), dry_run=True)
    made = CLIENT.batch.create(input=batch_file("fail"), dry_run=False)
    deadline = time.monotonic() + 10
    done = CLIENT.batch.get(made.id)
    while not done.output_url and time.monotonic() < deadline:
        time.sleep(0.05)
        done = CLIENT.batch.get(made.id)
    now = datetime.now(UTC)
    found = CLIENT.batch.list(
        status="COMPLETED", created_after=now - HOUR, created_before=now + HOUR
    )
    answer = httpx.get(done.output_url, headers=KEY, follow_redirects=True)
    return {
        "dry": dump(dry),
        "made": dump(made),
        "done": dump(done),
        "found": [one.id for one in found],
        "later": len(CLIENT.batch.list(created_after=now + HOUR)),
        "rows": [json.loads(line) for line in answer.text.splitlines()],
    }


def post(path: str, body: Any) -> Any:
    return httpx.post(BASE + path, json=body, headers=KEY).json()


def assets() -> Any:
    """The SDK only reads the library, so it is filled by hand."""
    wanted = {"fileName": "v.mp4", "contentType": "video/mp4", "size": 7}
    place = post("/v2/assets/upload", wanted)
    headers = {"Content-Type": "video/mp4"}
    httpx.put(place["uploadUrl"], content=b"a video", headers=headers)
    made = [
        post("/v2/assets", {"url": place["url"], "type": "VIDEO", "name": "clip"}),
        post("/v2/assets", {"url": AUDIO, "type": "AUDIO"}),
    ]
    page = CLIENT.assets.list(limit=1)
    rest = CLIENT.assets.list(limit=1, cursor=page.next_cursor)
    videos = CLIENT.assets.list(types=["VIDEO", "IMAGE"], search_query="CLIP", sort_by="nameAsc")
    return {
        "made": [one["id"] for one in made],
        "pages": [one.id for one in (*page.items, *rest.items)],
        "videos": [one.id for one in videos.items],
        "total": page.total_count,
        "one": dump(CLIENT.assets.get(made[0]["id"])),
    }


def with_bad_key() -> Any:
    return Sync(base_url=BASE, api_key="bad-key").models.list()


CASES: dict[str, Callable[[], Any]] = {
    "success": success,
    "spoken": spoken,
    "failure": failure,
    "listed": listed,
    "files": files,
    "form of urls": form_of_urls,
    "estimated": estimated,
    "repeated": repeated,
    "retried": retried,
    "batch": batch,
    "assets": assets,
    "models": lambda: dump(CLIENT.models.list()),
    "bad key": with_bad_key,
    "invalid": lambda: create(options=GenerationOptions(temperature=2)),
    "throttled": lambda: create("429"),
    "busy": lambda: create("busy"),
    "broken": lambda: create("500"),
    "unpaid": lambda: create("402"),
    "proxy": lambda: create("html"),
    "unknown": lambda: CLIENT.generations.get("6533643b-acbe-4c40-967e-d9ba9baac39e"),
    "unknown asset": lambda: CLIENT.assets.get("6533643b-acbe-4c40-967e-d9ba9baac39e"),
    "unknown batch": lambda: CLIENT.batch.get("batch_0"),
    "batch plan": lambda: CLIENT.batch.create(input=batch_file("402")),
    "batch busy": lambda: CLIENT.batch.create(input=batch_file("busy")),
    "batch invalid": lambda: CLIENT.batch.create(input=("batch.jsonl", b"{}")),
}


def dump(value: Any) -> Any:
    return [dump(one) for one in value] if isinstance(value, list) else value.dict()


def outcome(case: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"value": case()}
    except ApiError as error:
        body = error.body if isinstance(error.body, dict | str) else error.body.dict()
        return {"error": {"kind": type(error).__name__, "status": error.status_code, "body": body}}


print(json.dumps({name: outcome(case) for name, case in CASES.items()}, default=str))  # noqa: T201 - read by the test
