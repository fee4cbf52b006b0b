"""A server whose every byte is written down: what no real server does when it is asked to."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent, part by part, and what becomes of the connection then."""

    parts: Sequence[bytes]
    then: Literal["close", "reset", "hang"] = "close"
    after: Callable[[], bool] = lambda: True
    """What has to come true before."""


Script = Callable[[str], Answer]
"""Makes an answer of the head of a request."""


@dataclass
class RawServer:
    """What was asked of it."""

    scripts: Sequence[Script]
    url: str = ""
    heads: list[str] = field(default_factory=list)
    open: set[asyncio.Task[None]] = field(default_factory=set)
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once an answer was sent that hangs."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request; the last script stays."""
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            turn = len(self.heads)
            self.heads.append(head)
            await self._answer(self.scripts[min(turn, len(self.scripts) - 1)](head), writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _answer(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        for part in answer.parts:
            writer.write(part)
            await writer.drain()
        while not answer.after():  # noqa: ASYNC110 - nothing signals it
            await asyncio.sleep(0.005)
        if answer.then == "hang":
            self.sent.set()
            await asyncio.Event().wait()
        if answer.then == "reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


@asynccontextmanager
async def raw_server(*scripts: Script, host: str = "127.0.0.1") -> AsyncIterator[RawServer]:
    """Serve these, one a request."""
    raw = RawServer(scripts)
    server = await asyncio.start_server(raw.serve, host, 0)
    raw.url = f"http://{host}:{server.sockets[0].getsockname()[1]}/v.mp4"
    try:
        yield raw
    finally:
        server.close()
        for task in raw.open:
            task.cancel()
        await asyncio.gather(*raw.open, return_exceptions=True)


def head(status: str, **headers: object) -> bytes:
    """Write the head of an answer; `Content_Length=1` is a header."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode()


def header(text: str, name: str) -> str | None:
    """Read a header of a request."""
    for line in text.split("\r\n")[1:]:
        found, _, value = line.partition(": ")
        if found.lower() == name.lower():
            return value
    return None


def always(*parts: bytes, then: Literal["close", "reset", "hang"] = "close") -> Script:
    """Answer this, whatever is asked."""
    return lambda _: Answer(parts, then)
