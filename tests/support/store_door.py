"""A door before an object store on loopback: it lets requests through, or answers itself, or hangs up."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
from aiohttp import web
from yarl import URL

HOP = {"transfer-encoding", "connection", "content-encoding", "content-length"}
Verdict = int | str | None


class Door:
    """What came to it (`METHOD path?query`), and what is answered instead of the store.

    `verdict` gives a status to answer, `reset` to hang up, or None to let a request through.
    """

    def __init__(self, behind: str) -> None:
        self.url = ""
        self.asked: list[str] = []
        self.verdict: Callable[[str], Verdict] = lambda _: None
        self._behind = URL(behind)
        self._session = aiohttp.ClientSession(auto_decompress=False)

    def times(self, verdict: Verdict, often: int, having: str = "") -> None:
        """Answer so the first requests that have a text in their line."""
        left = often

        def judge(line: str) -> Verdict:
            nonlocal left
            if having not in line or not left:
                return None
            left -= 1
            return verdict

        self.verdict = judge

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take one request."""
        line = f"{request.method} {request.raw_path}"
        self.asked.append(line)
        verdict = self.verdict(line)
        if verdict == "reset":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        body = await request.read()
        if isinstance(verdict, int):
            return web.Response(status=verdict, text="<Error><Code>SlowDown</Code></Error>")
        # The name of the door is what is signed.
        onward = URL(str(self._behind.origin()) + request.raw_path, encoded=True)
        async with self._session.request(
            request.method,
            onward,
            headers=request.headers,
            data=BytesIO(body),
            allow_redirects=False,
        ) as got:
            # The length of an answer to HEAD is that of a body which does not come.
            dropped = HOP - {"content-length"} if request.method == "HEAD" else HOP
            kept = [(k, v) for k, v in got.headers.items() if k.lower() not in dropped]
            if request.method == "HEAD":
                return web.Response(status=got.status, headers=dict(kept))
            answer = BytesIO(await got.read())
            return web.Response(status=got.status, headers=dict(kept), body=answer)

    async def close(self) -> None:
        """Close its connections."""
        await self._session.close()


@asynccontextmanager
async def store_door(behind: str) -> AsyncIterator[Door]:
    """Open a door before a store."""
    door = Door(behind)
    app = web.Application(client_max_size=2**30)
    app.router.add_route("*", "/{path:.*}", door.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    door.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield door
    finally:
        await runner.cleanup()
        await door.close()
