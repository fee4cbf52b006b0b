"""Standard Webhooks 1.0 signatures, scheme `v1` (HMAC-SHA256). The verifier is `schemas.verify`.

Source: the Standard Webhooks specification, "Signature scheme".
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
MIN_BYTES, MAX_BYTES = 24, 64
"""The specification's bounds of a secret's length."""


def secret_bytes(secret: str) -> bytes:
    """Decode `whsec_<base64>` (padding may be missing); raises ValueError for anything else."""
    if not secret.startswith(PREFIX):
        raise ValueError("a signing secret starts with whsec_")
    encoded = secret.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError("a signing secret is whsec_ and base64") from None
    if not MIN_BYTES <= len(raw) <= MAX_BYTES:
        raise ValueError(f"a signing secret has {MIN_BYTES} to {MAX_BYTES} bytes, not {len(raw)}")
    return raw


def format_secret(raw: bytes) -> str:
    """Write a secret the way people see it."""
    return PREFIX + base64.b64encode(raw).decode()


def sign_v1(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Make the `webhook-signature` value over the very bytes sent, one entry per valid secret.

    `timestamp` is the Unix time of the attempt in seconds.
    """
    message = b".".join((message_id.encode(), str(timestamp).encode(), body))
    entries = (base64.b64encode(hmac.digest(key, message, hashlib.sha256)) for key in secrets)
    return " ".join("v1," + entry.decode() for entry in entries)
