"""Fetchers for tests: quick limits, and only loopback is allowed."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from aiohttp.abc import AbstractResolver

from service.core.fault import FaultKind
from service.core.url_guard import IPNetwork
from service.egress import Egress
from service.media.fetch import Fetch, Limits
from service.media.probe import Probe
from service.media.space import Space
from service.ports import FetchError

QUICK = Limits(max_bytes=64 * 2**20, connect_s=2, stall_s=0.3, total_s=20, tries=2, redirects=5)
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
    try:
        media = await fetch.fetch(url, into)
    except FetchError as error:
        return error.fault.code, error.fault.kind, error.expired
    raise AssertionError(f"it was fetched: {media}")


def sha256(content: bytes) -> str:
    """Hash in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
