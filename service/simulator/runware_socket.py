"""Runware over WebSockets: sessions that outlive their connections, and results that are pushed."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import WSMsgType, web

from service.simulator.caller import Caller
from service.simulator.runware_replies import Reply, bad_body, key_fault
from service.simulator.runware_results import frame
from service.simulator.runware_tasks import Tasks
from service.simulator.state import Job

FRAME_LIMIT_BYTES = 10 * 2**20

Frame = dict[str, Any]


@dataclass(slots=True)
class Session:
    """What a `connectionSessionUUID` stands for: its key, its connection, and what waits for one."""

    id: str
    key: str
    connection: "Connection | None" = None
    left_at: float = 0
    """When it last lost its connection."""
    undelivered: list[tuple[float, Frame]] = field(default_factory=list)


@dataclass(slots=True)
class Connection:
    """One open WebSocket, before and after it said who it is."""

    request: web.Request
    socket: web.WebSocketResponse
    dry: bool
    named: Sequence[str]
    session: Session | None = None

    async def send(self, body: Frame) -> bool:
        """Send a frame; say whether there still was a connection to send it on."""
        if self.socket.closed or self.request.transport is None:
            return False
        try:
            await self.socket.send_str(json.dumps(body))
        except ConnectionError:
            return False
        return True

    def abort(self) -> None:
        """Break the connection off, without the handshake of a proper end."""
        if self.request.transport:
            self.request.transport.abort()


class Sockets:
    """Owns the sessions; all tasks go to the same `Tasks` as those that come by POST."""

    def __init__(
        self,
        tasks: Tasks,
        caller: Caller,
        *,
        silence_seconds: float,
        buffer_seconds: float,
        restart: Callable[[float], None],
    ) -> None:
        """Close what is silent that long; keep what could not be delivered that long."""
        self._tasks = tasks
        self._caller = caller
        self._silence_seconds = silence_seconds
        self._buffer_seconds = buffer_seconds
        self._restart = restart
        self._sessions: dict[str, Session] = {}
        self._open: list[Connection] = []

    async def serve(
        self, request: web.Request, *, dry: bool, named: Sequence[str]
    ) -> web.WebSocketResponse:
        """Serve one connection to its end."""
        socket = web.WebSocketResponse(max_msg_size=FRAME_LIMIT_BYTES)
        await socket.prepare(request)
        connection = Connection(request, socket, dry, named)
        self._open.append(connection)
        try:
            while (text := await self._next(socket)) is not None:
                await self._take(connection, text)
        finally:
            self._open.remove(connection)
            self._leave(connection)
        return socket

    def authenticated(self, task: Mapping[str, Any]) -> Frame:
        """Begin a session, or take one up again, and return the item that answers."""
        return _welcome(self._session(task))

    def close_all(self) -> None:
        """Break all connections off, as a restart does."""
        for connection in self._open:
            connection.abort()

    async def _next(self, socket: web.WebSocketResponse) -> str | None:
        """Return the next text; None at the end, or after too long a silence."""
        try:
            async with asyncio.timeout(self._silence_seconds):
                message = await socket.receive()
        except TimeoutError:
            await socket.close(message=b"Inactive")
            return None
        return message.data if message.type is WSMsgType.TEXT else None

    async def _take(self, connection: Connection, text: str) -> None:
        try:
            tasks = json.loads(text)
        except ValueError:
            tasks = None
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            await connection.send({"errors": [bad_body()]})
            return
        for task in tasks:
            if task.get("taskType") == "authentication":
                await self._authenticate(connection, task)
            elif connection.session is None:
                await connection.send({"errors": [key_fault("")]})
            else:
                reply = await self._tasks.reply(task, dry=connection.dry, named=connection.named)
                await self._answer(connection, connection.session, reply)

    async def _authenticate(self, connection: Connection, task: Mapping[str, Any]) -> None:
        if fault := key_fault(str(task.get("apiKey") or "")):
            await connection.send({"errors": [fault]})
            return
        session = self._session(task)
        connection.session, session.connection = session, connection
        await connection.send({"data": [_welcome(session)]})
        kept_since = asyncio.get_running_loop().time() - self._buffer_seconds
        waiting, session.undelivered = session.undelivered, []
        for at, body in waiting:
            if at >= kept_since:
                await self._push(session, body)

    async def _answer(self, connection: Connection, session: Session, reply: Reply) -> None:
        if reply.owed:
            self._caller.run(self._push_results(session, reply.owed))
        if reply.connection == "closed" or reply.html:
            self._caller.run(_abort_later(connection, reply.hang_seconds))
            return
        body = {"data": reply.data, "errors": reply.errors}
        body = {name: rows for name, rows in body.items() if rows}
        if body or not reply.owed:
            await connection.send(body or {"data": []})
        if reply.restart_seconds:
            self._restart(reply.restart_seconds)

    async def _push_results(self, session: Session, job: Job) -> None:
        loop = asyncio.get_running_loop()
        for outcome in sorted(job.outcomes, key=lambda one: one.settles_at):
            await asyncio.sleep(max(0, outcome.settles_at - loop.time()))
            item = self._tasks.results.item(job, outcome)
            body = frame(item, failed=outcome.failed, inline=job.plan.inline)
            await self._push(session, body)

    async def _push(self, session: Session, body: Frame) -> None:
        """Send what nobody asked for just now; without a connection it waits for the next one."""
        if session.connection is None or not await session.connection.send(body):
            session.undelivered.append((asyncio.get_running_loop().time(), body))

    def _session(self, task: Mapping[str, Any]) -> Session:
        key, now = str(task.get("apiKey") or ""), asyncio.get_running_loop().time()
        known = self._sessions.get(str(task.get("connectionSessionUUID")))
        if known and known.key == key:
            if known.connection or now - known.left_at <= self._buffer_seconds:
                return known
            del self._sessions[known.id]
        made = Session(str(uuid4()), key, left_at=now)
        self._sessions[made.id] = made
        return made

    def _leave(self, connection: Connection) -> None:
        session = connection.session
        if session and session.connection is connection:
            session.connection = None
            session.left_at = asyncio.get_running_loop().time()


def _welcome(session: Session) -> Frame:
    return {"taskType": "authentication", "connectionSessionUUID": session.id}


async def _abort_later(connection: Connection, seconds: float) -> None:
    await asyncio.sleep(seconds)
    connection.abort()
