"""Cursors: opaque to callers, a small JSON list inside. Pure."""

import base64
import binascii
import json
from datetime import datetime
from uuid import UUID

from service.core.errors import Malformed

BAD = "The cursor is not one of ours; take nextCursor from the page before as it is."


def encode(*parts: int | str | datetime | UUID) -> str:
    """Write a place in a list."""
    plain = [p if isinstance(p, int) else str(p) for p in parts]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def decode(cursor: str, size: int) -> list[int | str]:
    """Read a place in a list; raises Malformed for anything that is not a cursor of this size."""
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        parts = json.loads(raw)
    except (UnicodeError, binascii.Error, ValueError, RecursionError):
        raise Malformed(BAD) from None
    fits = isinstance(parts, list) and len(parts) == size
    if not fits or not all(isinstance(p, int | str) for p in parts):
        raise Malformed(BAD)
    return list(parts)


def integers(cursor: str, size: int) -> list[int]:
    """Read a place that is made of numbers of at most 63 bits."""
    parts = decode(cursor, size)
    numbers = [p for p in parts if isinstance(p, int) and 0 <= p < 2**63]
    if len(numbers) != size:
        raise Malformed(BAD)
    return numbers


def small(part: int | str) -> int:
    """Read a number in a place that a 32-bit column is compared with."""
    if not isinstance(part, int) or not 0 <= part < 2**31:
        raise Malformed(BAD)
    return part


def whole(part: int | str) -> int:
    """Read a number of at most 63 bits in a place."""
    if not isinstance(part, int) or not 0 <= part < 2**63:
        raise Malformed(BAD)
    return part


def moment(part: int | str) -> datetime:
    """Read the time in a place."""
    try:
        found = datetime.fromisoformat(str(part))
    except ValueError:
        raise Malformed(BAD) from None
    if found.tzinfo is None:
        raise Malformed(BAD)
    return found


def identifier(part: int | str) -> UUID:
    """Read the uuid in a place."""
    try:
        return UUID(str(part))
    except ValueError:
        raise Malformed(BAD) from None
