"""A small HTTP proxy on loopback: CONNECT and plain requests, with names of its own."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class HttpProxy:
    """What was asked of it. `hosts` says where names lead; nothing else can be reached."""

    hosts: Mapping[str, tuple[str, int]]
    auth: str | None = None
    url: str = ""
    asked: list[str] = field(default_factory=list)
    open: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await self._request(reader, writer)
        await _close(writer)

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        method, target, _ = line.decode().split(" ")
        self.asked.append(f"{method} {target}")
        given = self.auth and b64encode(self.auth.encode())
        if given and b"proxy-authorization: basic " + given.lower() not in head.lower():
            writer.write(b"HTTP/1.1 407 Nobody\r\nContent-Length: 0\r\n\r\n")
            return
        parts = urlsplit(target if "://" in target else f"//{target}")
        place = self.hosts.get(parts.hostname or "")
        if place is None:
            writer.write(b"HTTP/1.1 502 Unknown\r\nContent-Length: 0\r\n\r\n")
            return
        there, onward = await asyncio.open_connection(*place)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
        else:
            path = parts.path or "/"
            onward.write(f"{method} {path} HTTP/1.1\r\n".encode() + rest)
        try:
            await asyncio.gather(_pass_on(reader, onward), _pass_on(there, writer))
        finally:
            await _close(onward)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@asynccontextmanager
async def http_proxy(
    hosts: Mapping[str, tuple[str, int]], *, auth: str | None = None
) -> AsyncIterator[HttpProxy]:
    """Run a proxy."""
    proxy = HttpProxy(hosts, auth)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        for task in proxy.open:
            task.cancel()
        await asyncio.gather(*proxy.open, return_exceptions=True)
