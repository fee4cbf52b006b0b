"""Does with `runware-sdk` what it is told; run by the interpreter that has it.

Arguments: host and port of the upstream, the cases as JSON, the transport. Prints JSON.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

sdk: Any = importlib.import_module("runware")
RETRY_MS = 10
"""First wait before the SDK's own second try: 1,000 unless told."""


async def run(client: Any, task: dict[str, Any], told: dict[str, Any]) -> Any:
    told |= {"results": [], "progress": []}
    options = sdk.RunOptions(
        on_result=told["results"].append, on_progress=told["progress"].append, timeout=20_000
    )
    return await client.run({"taskType": "videoInference", **task}, options)


async def run_then_read(client: Any, task: dict[str, Any], told: dict[str, Any]) -> Any:
    """Run; whatever comes of it, ask for results and details of the same task."""
    uuid = {"taskUUID": task["taskUUID"]}
    try:
        told["ran"] = await run(client, task, told)
    except sdk.RunwareError as error:
        told["first_error"] = shown(error)
        await asyncio.sleep(0.5)  # its job goes on meanwhile
    told["response"] = await client.get_response(uuid)
    return await client.get_task_details(uuid)


async def media(client: Any, task: dict[str, Any], told: dict[str, Any]) -> Any:
    upload = {"operation": "upload", "media": task["inputs"]["video"]}
    told["uploaded"] = await client.media_storage(upload)
    uuid = told["uploaded"][0]["mediaUUID"]
    told["image"] = await client.image_upload({"image": task["inputs"]["video"]})
    task["inputs"] = {**task["inputs"], "video": uuid}
    told["ran"] = await run(client, task, told)
    return await client.media_storage({"operation": "delete", "media": uuid})


ACTIONS: dict[str, Callable[[Any, dict[str, Any], dict[str, Any]], Awaitable[Any]]] = {
    "run": run,
    "run_then_read": run_then_read,
    "media": media,
}


def shown(error: Any) -> dict[str, Any]:
    fields = ("code", "retryable", "parameter", "task_type", "task_uuid", "status_code")
    return {"message": str(error), **{name: getattr(error, name) for name in fields}}


async def do(host: str, transport: str, plan: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    client = sdk.Runware(
        api_key=plan["key"],
        transport=transport,
        http_base_url=f"http://{host}/v1",
        ws_base_url=f"ws://{host}/v1",
        retry_delay=RETRY_MS,
    )
    try:
        async with client:
            told["items"] = await ACTIONS[plan["action"]](client, plan["task"], told)
    except sdk.RunwareError as error:
        told["error"] = shown(error)
    return told


async def main(host: str, cases: str, transport: str) -> None:
    plans = json.loads(cases)
    said = await asyncio.gather(*(do(host, transport, plan) for plan in plans.values()))
    print(json.dumps(dict(zip(plans, said, strict=True))))  # noqa: T201 - the answer


asyncio.run(main(*sys.argv[1:]))
