"""Does with `runware` 0.5 what it is told; run by the interpreter that has it.

Arguments: host and port of the upstream, the cases as JSON. Prints JSON.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, is_dataclass
from typing import Any

sdk: Any = importlib.import_module("runware")


async def submit(client: Any, task: dict[str, Any], _: dict[str, Any]) -> Any:
    return await client.videoInference(sdk.IVideoInference(**task))


async def run(client: Any, task: dict[str, Any], told: dict[str, Any]) -> Any:
    told["acknowledged"] = plain(await submit(client, task, told))
    return await client.getResponse(task["taskUUID"], task.get("numberResults", 1))


async def run_then_read(client: Any, task: dict[str, Any], told: dict[str, Any]) -> Any:
    told["ran"] = plain(await run(client, task, told))
    return await client.getTaskDetails(task["taskUUID"])


async def media(client: Any, task: dict[str, Any], told: dict[str, Any]) -> Any:
    told["uploaded"] = plain(await client.uploadMedia(task["inputs"]["video"]))
    uuid = told["uploaded"]["mediaUUID"]
    task["inputs"] = {**task["inputs"], "video": uuid}
    return await run(client, task, told)


ACTIONS: dict[str, Callable[[Any, dict[str, Any], dict[str, Any]], Awaitable[Any]]] = {
    "submit": submit,
    "run": run,
    "run_then_read": run_then_read,
    "media": media,
}


def plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(kept) for name, kept in asdict(value).items() if kept is not None}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value


async def do(host: str, plan: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    client = sdk.Runware(api_key=plan["key"], url=f"ws://{host}/v1")
    try:
        await client.connect()
        told["items"] = plain(await ACTIONS[plan["action"]](client, plan["task"], told))
    except Exception as error:  # noqa: BLE001 - this SDK raises bare exceptions too
        kind, code = type(error).__name__, getattr(error, "code", None)
        told["error"] = {"kind": kind, "code": code, "message": str(error)}
    finally:
        await client.disconnect()
    return told


async def main(host: str, cases: str) -> None:
    plans = json.loads(cases)
    said = await asyncio.gather(*(do(host, plan) for plan in plans.values()))
    print(json.dumps(dict(zip(plans, said, strict=True)), default=str))  # noqa: T201 - the answer


asyncio.run(main(*sys.argv[1:]))
