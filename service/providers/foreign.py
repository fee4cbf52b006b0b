"""What of foreign bytes is let in: JSON, texts, addresses and numbers, each within bounds.

Upstreams are not enemies, but what they send passes through strangers' hands. Nothing here raises:
what does not fit is None.
"""

import re
from decimal import Decimal
from urllib.parse import urlsplit
from uuid import UUID

import orjson

MESSAGE_LENGTH = 2_000
URL_LENGTH = 8_192
"""Signed addresses of object stores have up to some 2,000 characters."""
ID_LENGTH = 200
"""Codes and ids; the longest code in the documents has 52."""
MAX_ITEMS = 100
"""Results read of one answer or callback: five times what may be asked for."""
RETRY_AFTER_MAX_S = 86_400.0
SEED_MIN, SEED_MAX = -(2**63), 2**63 - 1

_SLASH = r"(?:\\?/|%2[Ff])"
_CALLBACK = re.compile(
    rf"({_SLASH}callbacks{_SLASH}(?P<provider>[a-z0-9_-]{{1,32}}){_SLASH}"
    rf"(?P<task>[0-9a-fA-F-]{{36}}){_SLASH})[A-Za-z0-9_=-]+"
)
"""The path of our webhook URLs, also as JSON and URLs escape it; what follows it is the token."""


def read_json(body: bytes) -> object:
    """Parse JSON; None for anything else (orjson bounds the depth and refuses NaN)."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value


def text(value: object, limit: int = MESSAGE_LENGTH) -> str | None:
    """Take a text without our tokens, and without NUL, which Postgres cannot store."""
    if not isinstance(value, str):
        return None
    return cut_tokens(value[:limit].replace("\0", ""))[:limit].strip() or None


def cut_tokens(value: str) -> str:
    """Cut the tokens out of our own webhook URLs: Sync echoes them, and a token is a secret."""
    return _CALLBACK.sub(r"\1[cut]", value)


def called_task(url: object, provider: str) -> UUID | None:
    """Return the task whose webhook URL this is, None where it is not one of ours."""
    found = _CALLBACK.search(url[:URL_LENGTH]) if isinstance(url, str) else None
    if found is None or found["provider"] != provider:
        return None
    return uuid(found["task"])


def uuid(value: object) -> UUID | None:
    """Read a UUID in its usual form, in any case."""
    if not isinstance(value, str) or len(value) != 36:  # noqa: PLR2004 - 32 digits and 4 hyphens
        return None
    try:
        return UUID(value)
    except ValueError:
        return None


def address(value: object) -> str | None:
    """Take an absolute http or https URL."""
    if not isinstance(value, str) or len(value) > URL_LENGTH:
        return None
    if any(letter <= " " or letter == "\x7f" for letter in value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    return value if parts.scheme in {"http", "https"} and parts.hostname else None


def seed(value: int | None) -> int | None:
    """Take a seed that fits a signed 64-bit integer."""
    return value if value is not None and SEED_MIN <= value <= SEED_MAX else None


def usd(value: float | None) -> Decimal | None:
    """Take a sum of money as it was written: through its text, not its binary fraction."""
    if value is None:
        return None
    cost = Decimal(str(value))
    return cost if cost.is_finite() and cost >= 0 else None


def wait_seconds(*values: object) -> float | None:
    """Return the first of these that is a number of seconds to wait (a date is not)."""
    for value in values:
        try:
            wait = float(value) if isinstance(value, str | int | float) else -1.0
        except (ValueError, OverflowError):
            continue
        if wait >= 0:
            return min(wait, RETRY_AFTER_MAX_S)
    return None
