"""What puts files to loopback, and who takes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

from aiohttp import web

from service.egress import Egress
from service.media.places.put import Limits, Put

LOOPBACK = (ip_network("127.0.0.0/8"),)


@asynccontextmanager
async def putting(limits: Limits | None = None, *, allowed: bool = True) -> AsyncIterator[Put]:
    """Give what puts, and may call loopback if that is allowed."""
    egress = Egress(LOOPBACK if allowed else ())
    put = Put(egress, limits or Limits(connect_s=2, stall_s=5, total_s=10))
    yield put
    await put.close()
    await egress.close()


class Taker:
    """Keeps what comes and answers one status."""

    def __init__(self, status: int = 200, **headers: str) -> None:
        self.status = status
        self.headers = headers
        self.body = b""
        self.came: list[web.Request] = []

    async def take(self, request: web.Request) -> web.Response:
        """Take one request."""
        self.came.append(request)
        body = bytearray()
        async for part in request.content.iter_any():
            body += part
        self.body = bytes(body)
        return web.Response(status=self.status, headers=self.headers)
