"""Targets of deliveries in a process of their own: healthy, slow and silent ones, on one port. Prints the port.

Each call is kept as (path, event id, subject, sequence, time of arrival); `GET /seen` gives them all and forgets them.
"""

import asyncio
import sys
import time
from typing import Any

import orjson
from aiohttp import web

SLOW_S = 2.0
SEEN: list[tuple[str, str, str, str, float]] = []


async def take(request: web.Request) -> web.Response:
    """Keep an event, and answer as the first part of the path says."""
    body = await request.read()
    arrived = time.time()
    if body.startswith(b"{"):
        event: dict[str, Any] = orjson.loads(body)
        SEEN.append((request.path, event["id"], event["subject"], event["sequence"], arrived))
    kind = request.match_info["kind"]
    if kind == "slow":
        await asyncio.sleep(SLOW_S)
    elif kind == "silent":
        await asyncio.Event().wait()
    return web.Response()


async def seen(_request: web.Request) -> web.Response:
    """Give what came, and forget it."""
    body = orjson.dumps(SEEN)
    SEEN.clear()
    return web.Response(body=body)


async def main() -> None:
    """Serve until standard input ends."""
    app = web.Application()
    app.router.add_post("/{kind}/{n}", take)
    app.router.add_get("/seen", seen)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
