"""The name that a delivery has outside: it says in which day's partition the delivery lies, so that one probe finds it.

Callers take it as it is. The timeline's SQL writes the same.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

PATTERN: Final = r"[0-9]{1,17}-[0-9]{1,18}"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def encode(created_at: datetime, number: int) -> str:
    """Name a delivery: microseconds since 1970, and its number."""
    return f"{(created_at - _EPOCH) // _MICROSECOND}-{number}"


def decode(text: str) -> tuple[datetime, int] | None:
    """Read the name of a delivery; none for what is no such name."""
    if not re.fullmatch(PATTERN, text, re.ASCII):
        return None
    microseconds, _, number = text.partition("-")
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), int(number)
    except OverflowError:
        return None
