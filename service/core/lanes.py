"""What deliveries share with their neighbours: limits, and the pauses of a target that fails.

The lane of a subscription is its own id. All notifyURLs of one host share a lane, because one server answers them.
"""

from typing import Final
from urllib.parse import urlsplit
from uuid import UUID, uuid5

HOSTS: Final = UUID("6f2c2a1e-8a53-4b7e-9d0b-5d6a3c1f7e42")
"""Our own namespace of lane ids made from hosts; it must never change."""


def host_of(url: str) -> str:
    """Give the host and port that a URL leads to, in lower case; the URL was checked before."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{(parts.hostname or '').lower()}:{port}"


def lane_of_url(url: str) -> UUID:
    """Give the lane of a notifyURL."""
    return uuid5(HOSTS, host_of(url))
