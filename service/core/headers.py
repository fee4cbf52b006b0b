"""Headers of outgoing calls: which are ours, and never replaced by what an owner adds; and what an answer asks for."""

import math
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

OURS = frozenset(
    {
        *("accept-encoding", "content-encoding", "content-length", "content-type", "user-agent"),
        *("connection", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding"),
        *("proxy-authorization", "proxy-connection", "upgrade"),
    }
)
"""Names, in lower case: what describes the body, and what belongs to the connection."""
PREFIXES = ("ce-", "webhook-")
"""CloudEvents in binary mode, Standard Webhooks, and the handshake of CloudEvents web hooks."""

MOST_DIGITS = 9
"""Digits of a `Retry-After` that is still meant seriously: 31 years."""
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""
_VALUE = re.compile(r"[\t -~\xa0-\ud7ff\ue000-\U0010ffff]*")
"""Without control characters, and without halves of characters."""


class UnsendableHeader(ValueError):
    """A header would be no header, or would bring others along."""


def reserved(name: str) -> bool:
    """Say whether a header's name is one that only we set."""
    lower = name.lower()
    return lower in OURS or lower.startswith(PREFIXES)


def sendable(name: str, value: str) -> bool:
    """Say whether this is a header as HTTP has them."""
    return bool(_NAME.fullmatch(name) and _VALUE.fullmatch(value))


def owners(headers: Mapping[str, str]) -> dict[str, str]:
    """Give of the owner's headers those that are not ours; raises UnsendableHeader."""
    if not all(sendable(name, value) for name, value in headers.items()):
        raise UnsendableHeader
    return {name: value for name, value in headers.items() if not reserved(name)}


def retry_after_s(value: str | None, now: int) -> float | None:
    """Read `Retry-After`, seconds or a date, as seconds from `now`; none for what is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= MOST_DIGITS else None
    try:
        date = parsedate_to_datetime(text)
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        wait = aware.timestamp() - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(wait, 0.0) if math.isfinite(wait) else None
