"""Plays Runware at one URL: arrays of tasks by POST, or one after the other over a WebSocket."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from service.simulator.caller import Caller
from service.simulator.files import Files
from service.simulator.refusals import hang_up, html_page
from service.simulator.runware_replies import Reply, bad_body, key_fault, refused
from service.simulator.runware_socket import Sockets
from service.simulator.runware_tasks import Tasks
from service.simulator.scenario import HEADER, names_of
from service.simulator.state import Job, World

DRY_RUN = "X-Runware-Dry-Run"
"""Names scenarios as an input's URL does; on the handshake of a WebSocket, for all its tasks."""
LONGEST_HOLD_SECONDS = 120.0
"""How long an answer waits for the results of a task with `deliveryMethod: sync`."""


class Runware:
    """Handles `/v1`."""

    def __init__(
        self,
        world: World,
        caller: Caller,
        files: Files,
        *,
        attempts: int,
        silence_seconds: float,
        buffer_seconds: float,
    ) -> None:
        """Call back up to `attempts` times; the rest is for WebSockets, see `Sockets`."""
        self._tasks = Tasks(world, caller, files, attempts=attempts)
        self._sockets = Sockets(
            self._tasks,
            caller,
            silence_seconds=silence_seconds,
            buffer_seconds=buffer_seconds,
            restart=self.restart,
        )
        self._down_until = 0.0

    async def handle(self, request: web.Request) -> web.Response:
        """Answer an array of tasks, each on its own."""
        if self._down():
            return hang_up(request)
        try:
            tasks = json.loads(await request.read())
        except ValueError:
            tasks = None
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            return web.json_response({"errors": [bad_body()]}, status=400)
        if fault := key_fault(_api_key(request, tasks)):
            return web.json_response({"errors": [fault]}, status=401)
        dry = request.headers.get(DRY_RUN) == "1"
        named = names_of(request.headers.get(HEADER, ""))
        replies = [await self._reply(task, dry=dry, named=named) for task in tasks]
        return await self._answer(request, replies)

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Answer GET: the handshake of a WebSocket, and all that follows."""
        if self._down():
            return hang_up(request)
        if not web.WebSocketResponse().can_prepare(request).ok:
            fault = {"code": "methodNotAllowed", "message": "Tasks are posted."}
            return web.json_response({"errors": [fault]}, status=405)
        dry = "1" in {request.headers.get(DRY_RUN), request.query.get("dryRun")}
        named = names_of(request.headers.get(HEADER, ""))
        return await self._sockets.serve(request, dry=dry, named=named)

    async def _reply(self, task: dict[str, Any], *, dry: bool, named: Sequence[str]) -> Reply:
        if task.get("taskType") == "authentication":
            return Reply([self._sockets.authenticated(task)])
        reply = await self._tasks.reply(task, dry=dry, named=named)
        if reply.owed and not reply.data:
            return await self._hold(reply.owed, task)
        return reply

    async def _hold(self, job: Job, task: dict[str, Any]) -> Reply:
        """Wait for the results; what takes longer goes on, and is there for polls."""
        loop = asyncio.get_running_loop()
        left = job.outcomes[-1].settles_at - loop.time()
        await asyncio.sleep(max(0, min(left, LONGEST_HOLD_SECONDS)))
        if left > LONGEST_HOLD_SECONDS:
            return refused(
                "timeout", "It takes longer than a connection is held.", task, status=504
            )
        return self._tasks.results.settled(job, loop.time())

    async def _answer(self, request: web.Request, replies: list[Reply]) -> web.Response:
        if any(reply.connection == "closed" for reply in replies):
            await asyncio.sleep(max(reply.hang_seconds for reply in replies))
            return hang_up(request)
        if down := max((reply.restart_seconds for reply in replies), default=0):
            self.restart(down)
        headers = {name: text for reply in replies for name, text in reply.headers.items()}
        if page := next((reply.html for reply in replies if reply.html), None):
            answer = html_page(page)
            answer.headers.update(headers)
            return answer
        data = [item for reply in replies for item in reply.data]
        errors = [item for reply in replies for item in reply.errors]
        status = 200 if data else max((reply.status for reply in replies), default=200)
        # `errors` is left out when empty: the official client takes its presence for a failure.
        body = {"data": data, "errors": errors} if errors else {"data": data}
        return web.json_response(body, status=status, headers=headers)

    def restart(self, seconds: float, *, forget: bool = False) -> None:
        """Break all connections off and refuse new ones for a while; generations go on."""
        self._down_until = asyncio.get_running_loop().time() + seconds
        self._sockets.close_all()
        if forget:
            self._tasks.forget()

    def _down(self) -> bool:
        return asyncio.get_running_loop().time() < self._down_until


def _api_key(request: web.Request, tasks: list[dict[str, Any]]) -> str:
    """Return the key, from a first task of its own or from the header; empty if there is none."""
    first = tasks[0] if tasks else {}
    if first.get("taskType") == "authentication" and first.get("apiKey"):
        return str(first["apiKey"])
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""
