"""Fetchers and probes for tests: quick limits, and only loopback is allowed."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver

from service.core.fault import FaultKind
from service.core.media import Media
from service.core.url_guard import IPNetwork
from service.egress import Egress
from service.media.fetch import Fetch, Limits
from service.media.probe import Probe
from service.media.space import Space
from service.ports import FetchError

QUICK = Limits(max_bytes=64 * 2**20, connect_s=2, stall_s=0.5, total_s=20, tries=2, redirects=5)
LOOPBACK = (ip_network("127.0.0.0/8"),)


def make_fetch(
    folder: Path,
    *,
    space: Space | None = None,
    allowed: Sequence[IPNetwork] = LOOPBACK,
    resolver: AbstractResolver | None = None,
    **limits: Any,
) -> Fetch:
    """Make a fetcher that may call this machine alone."""
    egress = Egress(allowed, resolver=resolver)
    return Fetch(egress, replace(QUICK, **limits), space or Space(folder), Probe())


async def refused(fetch: Fetch, url: str, into: Path) -> tuple[str, FaultKind, bool]:
    """Fetch what cannot be fetched: the code, its kind, and whether the address is the trouble."""
    with pytest.raises(FetchError, match=r"\w") as caught:
        await fetch.fetch(url, into)
    return caught.value.fault.code, caught.value.fault.kind, caught.value.expired


def sha256(content: bytes) -> str:
    """Hash in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def content_of(path: Path) -> bytes:
    """Read a file that a test fetched."""
    return path.read_bytes()


def size_of(path: Path) -> int:
    """Say how many bytes a file has; -1 if there is none."""
    return path.stat().st_size if path.exists() else -1


@asynccontextmanager
async def closing(probe: Probe) -> AsyncIterator[Probe]:
    """Close a probe in the end."""
    try:
        yield probe
    finally:
        await probe.close()


async def look(content: bytes, probe: Probe | None = None, **more: Any) -> Media:
    """Look into a file of this content."""
    with NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        given = {"sha256": "0" * 64, "size": len(content), **more}
        async with closing(probe or Probe()) as looking:
            return await looking.look(Path(file.name), **given)
