"""The secret part of a callback URL: who knows it was given it by us, through the upstream.

A capability, not a signature: an HMAC over provider and taskUUID, so nothing has to be looked up to
check it. Keys rotate: the first one mints, all of them verify.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from uuid import UUID

TOKEN_LENGTH = 32
"""24 bytes of the HMAC (192 bits) as URL-safe base64 without padding."""


def mint(keys: Sequence[bytes], provider: str, task_uuid: UUID) -> str:
    """Make the token of a task with the first key."""
    return _token(keys[0], provider, task_uuid)


def verify(keys: Sequence[bytes], provider: str, task_uuid: UUID, token: str) -> bool:
    """Say whether any key made this token; every key is tried, in constant time."""
    given = token.encode("utf-8", "surrogatepass")
    checks = [hmac.compare_digest(_token(key, provider, task_uuid).encode(), given) for key in keys]
    return any(checks)


def _token(key: bytes, provider: str, task_uuid: UUID) -> str:
    message = f"callback:{provider}:{task_uuid}".encode()
    digest = hmac.digest(key, message, hashlib.sha256)[:24]
    return base64.urlsafe_b64encode(digest).decode()
