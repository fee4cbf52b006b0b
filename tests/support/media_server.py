"""A server of videos on loopback, where upstreams would have them, which can hold its answers at their half."""

import asyncio
import contextlib
import hashlib
import struct
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache

from aiohttp import web

from service.simulator.media import make_video

MEGABYTE = 2**20
TICK_S = 0.025
"""A paced answer is written in pieces of so much time: about what a congested line does."""


@lru_cache(maxsize=64)
def large_video(name: str, megabytes: float) -> bytes:
    """Make a video that plays, with a box at its end that players skip; no two names have the same bytes."""
    noise = hashlib.shake_128(name.encode()).digest(int(megabytes * MEGABYTE))
    return make_video(name) + struct.pack(">I4s", 8 + len(noise), b"free") + noise


class MediaServer:
    """Serves `/{name}`: the video of this name, padded by so many megabytes.

    `pace_bytes` is how much of each answer is sent a second; zero for as fast as it goes. While `go_on` is not set
    every answer stops at its half, but the first `unheld` ones; `at_half` counts those that did, by name.
    """

    def __init__(self, megabytes: float, *, pace_bytes: int = 0, same: str | None = None) -> None:
        self.url = ""
        self.asked: Counter[str] = Counter()
        self.at_half: Counter[str] = Counter()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.unheld = 0
        self._megabytes = megabytes
        self._pace_bytes = pace_bytes
        self._same = same
        """Whose bytes all have: making large ones takes time that a measurement has not."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Send a video; whoever hangs up is let go."""
        answer = web.StreamResponse(headers={"Content-Type": "video/mp4"})
        with contextlib.suppress(ConnectionError):
            await self._send(request, answer)
        return answer

    async def _send(self, request: web.Request, answer: web.StreamResponse) -> None:
        name = request.match_info["name"]
        self.asked[name] += 1
        content = memoryview(large_video(self._same or name, self._megabytes))
        answer.content_length = len(content)
        await answer.prepare(request)
        half = len(content) // 2
        if not self.go_on.is_set() and self.asked.total() > self.unheld:
            await answer.write(content[:half])
            self.at_half[name] += 1
            await self.go_on.wait()
            await answer.write(content[half:])
        elif self._pace_bytes:
            await self._paced(answer, content)
        else:
            await answer.write(content)
        await answer.write_eof()

    async def _paced(self, answer: web.StreamResponse, content: memoryview) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        step = int(self._pace_bytes * TICK_S)
        for start in range(0, len(content), step):
            await answer.write(content[start : start + step])
            due = began + (start + step) / self._pace_bytes
            await asyncio.sleep(max(due - loop.time(), 0))


@asynccontextmanager
async def serving(server: MediaServer) -> AsyncIterator[MediaServer]:
    """Serve on a free port of 127.0.0.1 for a while."""
    app = web.Application()
    app.router.add_get("/{name}", server.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        server.go_on.set()
        await runner.cleanup()


@asynccontextmanager
async def served_by_a_child(
    megabytes: float, pace_bytes: int = 0, same: str = ""
) -> AsyncIterator[str]:
    """Serve in a process of its own, so that what is measured here is not the server; gives its URL."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.media_server"),
        *(str(megabytes), str(pace_bytes), same),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        yield (await child.stdout.readline()).decode().strip()
    finally:
        child.stdin.close()
        await child.wait()


async def main(megabytes: float, pace_bytes: int, same: str) -> None:
    """Serve until the standard input ends."""
    async with serving(MediaServer(megabytes, pace_bytes=pace_bytes, same=same or None)) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
