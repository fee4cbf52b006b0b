"""Where calls to addresses of strangers may go: resolved once, checked, and connected to as checked."""

import asyncio
import socket
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from service.core import url_guard
from service.core.url_guard import IPNetwork


class RefusedAddress(Exception):
    """A name or a literal leads where we do not connect to."""


class GuardedResolver(AbstractResolver):
    """Resolves a name once and lets through only addresses that may be connected to."""

    def __init__(self, inner: AbstractResolver, allowed: Sequence[IPNetwork]) -> None:
        self._inner = inner
        self._allowed = tuple(allowed)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve and check; raises RefusedAddress, which is no OSError on purpose."""
        found = await self._inner.resolve(host, port, family)
        for result in found:
            _refuse(result["host"], self._allowed)
        return found

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


async def checked_addresses(
    host: str, port: int, allowed: Sequence[IPNetwork], resolver: AbstractResolver | None = None
) -> list[str]:
    """Resolve a host to addresses that may be connected to; raises RefusedAddress, or OSError for no such name."""
    if url_guard.is_literal(host):
        _refuse(host, allowed)
        return [host]
    if resolver is None:
        resolver = aiohttp.ThreadedResolver(loop=asyncio.get_running_loop())
    found = await GuardedResolver(resolver, allowed).resolve(host, port)
    return [result["host"] for result in found]


def _refuse(address: str, allowed: Sequence[IPNetwork]) -> None:
    if url_guard.refusal(address, allowed) is not None:
        raise RefusedAddress
