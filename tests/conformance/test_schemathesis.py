"""schemathesis, unchanged, holds a running service against its own OpenAPI document.

It lives in an environment of its own. One thing is left out: an answer without an end. What it cannot know it is told in CONFIG.
"""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from service.store.pool import Pool
from tests.support.batches import made
from tests.support.fakes import CheckingProvider, said
from tests.support.house import API_KEY
from tests.support.sdk_environment import interpreter, settings
from tests.support.videos import Folder, kept
from tests.support.web import Api, serving

FOLDER, PACKAGE, VERSION = ".venv-sdk-schemathesis", "schemathesis", "4.32.5"
SEED, EXAMPLES = 20261121, 12
LIMIT_S = 120
"""How long the run may take; on two cores that eight others share it takes half of it."""

HOOKS = """
import schemathesis

# It knows no JSON lines. To OpenAPI 3.1 they are a text.
schemathesis.serializer.alias(["application/x-ndjson", "application/jsonl"], "text/plain")
"""
CONFIG = """
hooks = "hooks.py"

[warnings]
# An operation that was only ever refused has not been tested. `validation_mismatch` alone does not
# fail the run: bodies which fit the schema may mostly be 422, and the last rule below says why.
fail-on = [
  "missing_auth", "missing_test_data", "method_not_allowed", "missing_deserializer", "rate_limited",
  "unmatched_filter", "unresolvable_reference", "unsupported_regex", "unused_openapi_auth",
]

[[operations]]
# With a task that is queued for good, each call would wait as long as it says.
include-operation-id = "getTask"
parameters = {{ "query.wait" = 1 }}

# A cursor is opaque: only those that the service gave are good, which no schema can say.
[[operations]]
include-operation-id = "listTasks"
parameters = {{ "query.cursor" = {tasks} }}
[[operations]]
include-operation-id = "getTimeline"
parameters = {{ "path.id" = {task}, "query.cursor" = {timeline} }}
[[operations]]
include-operation-id = "listEvents"
parameters = {{ "query.cursor" = {events} }}
# An answer without an end.
[[operations]]
include-operation-id = "streamEvents"
enabled = false

[[operations]]
include-operation-id = ["getEvent", "getEventData"]
parameters = {{ "path.id" = {event} }}
[[operations]]
include-operation-id = "listSubscriptions"
parameters = {{ "query.cursor" = {subscriptions} }}
[[operations]]
include-operation-id = "listCallbacks"
parameters = {{ "query.cursor" = {callbacks} }}
[[operations]]
include-operation-id = "listBatches"
parameters = {{ "query.cursor" = {batches} }}

[[operations]]
include-operation-id = "listDeliveries"
parameters = {{ "query.cursor" = {deliveries} }}
[[operations]]
include-operation-id = "listSubscriptionDeliveries"
parameters = {{ "path.id" = {subscription}, "query.cursor" = {deliveries} }}
[[operations]]
include-operation-id = "listReplays"
parameters = {{ "path.id" = {subscription}, "query.cursor" = {replays} }}
[[operations]]
include-operation-id = "replaySubscription"
parameters = {{ "path.id" = {subscription} }}
[[operations]]
include-operation-id = ["getReplay", "cancelReplay"]
parameters = {{ "path.id" = {replay} }}
[[operations]]
include-operation-id = ["getDelivery", "retryDelivery"]
parameters = {{ "path.id" = {delivery} }}

[[operations]]
include-operation-id = ["getBatch", "cancelBatch"]
parameters = {{ "path.id" = {batch} }}

# What was erased may be erased again; another task would have to be final, and is erased once.
[[operations]]
include-operation-id = "eraseTask"
parameters = {{ "path.id" = {erased} }}

# A file is kept by a worker, and its ETag no schema can say: one that it is not is 412.
[[operations]]
include-operation-id = ["getVideo", "linkVideo", "archiveVideo"]
parameters = {{ "path.id" = {video}, "path.n" = 0 }}
[[operations]]
include-operation-id = "getVideo"
checks.positive_data_acceptance.expected-statuses = ["2xx", 304, 401, 403, 412, 416, "5xx"]

# Whose token is good is no matter of its shape, and callbacks are made by upstreams, not over the API.
[[operations]]
include-operation-id = "receiveCallback"
parameters = {{ "path.provider" = "runware", "path.task" = {task}, "path.token" = {token} }}
[[operations]]
include-operation-id = "getCallback"
parameters = {{ "path.id" = {callback} }}

# An account is made on the command line; there is the one of the settings.
[[operations]]
include-operation-id = ["getAccount", "pauseAccount", "resumeAccount"]
parameters = {{ "path.provider" = "runware", "path.account" = "default" }}

# A body that fits the schema may be 422 here: inside `request` the rules of the provider hold, which URL
# may be called is no matter of its shape, nor is an Idempotency-Key that came with another body before.
[[operations]]
include-operation-id = ["submitTasks", "submitBatch", "estimateCost", "createSubscription", "updateSubscription",
  "rotateSubscriptionSecret", "retryTask", "replaySubscription"]
checks.positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422, "5xx"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Give a place for files."""
    return Folder(tmp_path / "place")


@pytest.fixture
async def api(pool: Pool, folder: Folder) -> AsyncIterator[Api]:
    """Serve the web with providers that check and price as the real ones."""
    async with serving(pool, fake=CheckingProvider, places=folder) as running:
        yield running


@pytest.mark.slow
async def test_schemathesis_finds_nothing(
    api: Api, pool: Pool, folder: Folder, tmp_path: Path
) -> None:
    python = interpreter(FOLDER, PACKAGE, VERSION)
    (tmp_path / "hooks.py").write_text(HOOKS)
    config = tmp_path / "schemathesis.toml"
    facts = await known(api) | {"video": str((await kept(pool, api, folder, b"video")).task_uuid)}
    config.write_text(CONFIG.format(**{n: json.dumps(v) for n, v in facts.items()}))
    command = (
        *(python.with_name("schemathesis"), "--config-file", config, "run"),
        *(f"{api.base}/openapi.json", "--header", f"Authorization: Bearer {API_KEY}"),
        *("--checks", "all", "--phases", "examples,coverage,fuzzing,stateful"),
        *("--seed", SEED, "--max-examples", EXAMPLES, "--continue-on-failure", "--no-color"),
    )
    running = await asyncio.create_subprocess_exec(
        *map(str, command),
        cwd=tmp_path,
        env=settings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LIMIT_S):
            told, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()

    assert running.returncode == 0, told.decode()


async def known(api: Api) -> dict[str, object]:
    """Have something happen, and collect what only the service can say."""
    task: UUID = await api.made(request={"model": "klingai:5@3"})
    await api.made(request={"model": "klingai:5@3"})
    for name in ("one", "two"):
        await api.post("/v1/subscriptions", {"url": f"https://app.example/{name}"})
        await api.call_back(task, said(upstream_id=name))
    subscription = (await api.get("/v1/subscriptions")).json["items"][0]["id"]
    path = f"/v1/subscriptions/{subscription}/replay"
    replay = ""
    for _ in range(2):
        replay = (await api.post(path, {"since": datetime.now(UTC).isoformat()})).json["id"]
        await api.post(f"/v1/replays/{replay}/cancel")
    erased: UUID = await api.made(request={"model": "klingai:5@3"})
    await api.post(f"/v1/tasks/{erased}/cancel")
    assert (await api.call("DELETE", f"/v1/tasks/{erased}")).status == 204
    batches = [await made(api, request={"model": "klingai:5@3"}) for _ in range(2)]
    callbacks = (await api.get("/v1/callbacks?limit=1")).json
    lists = {
        "tasks": "/v1/tasks?limit=1",
        "timeline": f"/v1/tasks/{task}/timeline?limit=1",
        "events": "/v1/events?limit=1",
        "subscriptions": "/v1/subscriptions?limit=1",
        "callbacks": "/v1/callbacks?limit=1",
        "batches": "/v1/batches?limit=1",
        "deliveries": "/v1/deliveries?limit=1",
        "replays": f"{path}s?limit=1",
    }
    cursors = {name: (await api.get(path)).json["nextCursor"] for name, path in lists.items()}
    assert all(cursors.values()), cursors
    return {
        **cursors,
        "task": str(task),
        "erased": str(erased),
        "event": (await api.get("/v1/events?limit=1")).json["items"][0]["id"],
        "subscription": subscription,
        "replay": replay,
        "delivery": (await api.get(f"/v1/deliveries?task={task}")).json["items"][0]["id"],
        "batch": batches[0]["id"],
        "token": api.callback_path(task).rpartition("/")[2],
        "callback": callbacks["items"][0]["id"],
    }
