"""A stranger's server that gives a video, also badly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Upstream:
    """A server of a stranger: gives `content`, cut off after each of `cuts` bytes in turn; `status` instead of it."""

    url: str = ""
    content: bytes = b""
    etag: str | None = None
    status: int = 200
    cuts: list[int] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)

    async def give(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({k.lower(): v for k, v in request.headers.items()})
        if self.status != 200:
            return web.Response(status=self.status)
        start = request.http_range.start or 0
        response = web.StreamResponse(status=206 if start else 200)
        if start:
            last = len(self.content) - 1
            response.headers["Content-Range"] = f"bytes {start}-{last}/{last + 1}"
        if self.etag:
            response.headers["ETag"] = self.etag
        response.content_type = "video/webm"
        response.content_length = len(self.content) - start
        await response.prepare(request)
        if not self.cuts:
            await response.write(self.content[start:])
            return response
        await response.write(self.content[start : start + self.cuts.pop(0)])
        # Closed, not aborted: what was written arrives.
        assert request.transport is not None
        request.transport.close()
        return response


@asynccontextmanager
async def giving(content: bytes) -> AsyncIterator[Upstream]:
    """Serve a video on loopback until the block ends."""
    stranger = Upstream(content=content)
    app = web.Application()
    app.router.add_get("/v", stranger.give)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    stranger.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v"
    try:
        yield stranger
    finally:
        await runner.cleanup()
