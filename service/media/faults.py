"""Why a video could not be fetched, in stable words; `service.media.fetch` explains each."""

import errno
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from service.core.fault import Fault, FaultKind
from service.egress import RefusedAddress
from service.ports import FetchError

FULL: Final = {errno.ENOSPC, errno.EDQUOT}
EXPIRED: Final = {
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.GONE,
}
"""What stores answer where an address was good once; a fresh one may be again."""
LATER: Final = {
    *(HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY),
    HTTPStatus.TOO_MANY_REQUESTS,
}
NETWORK: Final = (
    *(RefusedAddress, TimeoutError, OSError),
    *(aiohttp.ClientError, HttpProcessingError),
)
"""What a request and its body may end with; `of_network` has a word for each."""
WORDS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], str, str], ...]] = (
    (RefusedAddress, "refused_address", "leads to an address that is not called"),
    (aiohttp.InvalidURL, "invalid_url", "is not a URL"),
    (aiohttp.ConnectionTimeoutError, "connect", "did not take the connection in time"),
    (TimeoutError, "stalled", "sent nothing for too long"),
    (aiohttp.ClientConnectorDNSError, "dns", "has no address"),
    (
        (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError),
        "proxy",
        "was not reached through the proxy",
    ),
    (aiohttp.ClientSSLError, "tls", "has no certificate that we trust, or speaks no TLS"),
    (aiohttp.ClientConnectorError, "connect", "did not take the connection"),
    (aiohttp.ClientPayloadError, "truncated", "ended before all of the file was sent"),
    ((OSError, aiohttp.ServerDisconnectedError), "disconnected", "broke the connection off"),
)
"""The first that fits: what it is called, and what the host did."""
PERMANENT: Final = {"refused_address", "invalid_url"}
BROKEN: Final = {"stalled", "truncated", "disconnected", "connect", "dns"}
"""What a body that was begun can be gone on with after."""


def transient(code: str, message: str, *, expired: bool = False) -> FetchError:
    """Make an error that may pass."""
    return FetchError(Fault(code, message, FaultKind.TRANSIENT), expired=expired)


def permanent(code: str, message: str) -> FetchError:
    """Make an error that stays."""
    return FetchError(Fault(code, message, FaultKind.PERMANENT))


def of_network(error: Exception, host: str) -> FetchError:
    """Name what went wrong on the way; the error's own text may hold what is nobody's business."""
    code, what = next(
        ((code, what) for kinds, code, what in WORDS if isinstance(error, kinds)),
        ("protocol", "did not speak HTTP as it should"),
    )
    make = permanent if code in PERMANENT else transient
    return make(code, f"{host} {what}.")


def of_status(status: int, host: str) -> FetchError:
    """Judge an answer that is neither a video nor a redirect."""
    code, message = f"http_{status}", f"{host} answered {status} instead of the video."
    if status in EXPIRED:
        return transient(code, message, expired=True)
    refused = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return permanent(code, message) if refused and status not in LATER else transient(code, message)


def of_disk(error: OSError) -> FetchError:
    """Name what the disk did; its path is nobody's business."""
    if error.errno in FULL:
        return full()
    why = error.strerror or type(error).__name__
    return transient("disk_error", f"The file could not be written: {why}.")


def full() -> FetchError:
    """Say that there is no room."""
    return transient("disk_full", "There is no room on the disk for the video; make some.")


def too_large(limit: int) -> FetchError:
    """Say that it is more than is fetched."""
    return permanent("too_large", f"The video has more than {limit} bytes, the most that is kept.")
