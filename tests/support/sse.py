"""A reader of Server-Sent Events, as the standard has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from tests.support.house import API_KEY
from tests.support.web import Api

LIMIT_S = 10.0


@dataclass
class Stream:
    """An open stream; `last_id` is what a browser would send when it comes again."""

    answer: aiohttp.ClientResponse
    last_id: str = ""
    beats: int = 0
    _lines: list[str] = field(default_factory=list)

    async def next(self) -> tuple[str, str]:
        """Wait for a message; gives its event and its data."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                kind, data = await self._block()
                if data is not None:
                    return kind, data
                self.beats += 1

    async def beat(self) -> None:
        """Wait for a block without data."""
        async with asyncio.timeout(LIMIT_S):
            while (await self._block())[1] is not None:
                pass

    async def _block(self) -> tuple[str, str | None]:
        kind, data = "message", None
        while line := (await self._line()):
            name, _, value = line.partition(": ")
            if name == "id":
                self.last_id = value
            elif name == "event":
                kind = value
            elif name == "data":
                data = value if data is None else f"{data}\n{value}"
        return kind, data

    async def _line(self) -> str:
        raw = await self.answer.content.readline()
        if not raw:
            raise EOFError
        return raw.decode().rstrip("\n")


@asynccontextmanager
async def stream(api: Api, query: str = "", last_id: str = "") -> AsyncIterator[Stream]:
    """Open the stream of events."""
    headers = {"Authorization": f"Bearer {API_KEY}"}
    if last_id:
        headers["Last-Event-ID"] = last_id
    url = f"{api.base}/v1/events/stream?{query}"
    async with api.session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        yield Stream(answer)
