"""Verify a webhook of Callboard, or of anybody who signs by Standard Webhooks 1.0 (scheme `v1`).

For receivers: it needs nothing but the standard library. Verify the raw body before parsing it, and
remember the id: deliveries come at least once, and a repeated one has the same id.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX = "whsec_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
MAX_ID_LENGTH = 256
_INTEGER = re.compile(r"0|[1-9][0-9]{0,11}")


class VerificationError(Exception):
    """These headers and this body do not come from a holder of the secret, or come too late."""


@dataclass(frozen=True, slots=True)
class VerifiedWebhook:
    """What was signed besides the body: deduplicate on `id`; `timestamp` is in Unix seconds."""

    id: str
    timestamp: int


def verify(
    headers: Mapping[str, str],
    body: bytes,
    secrets: str | Sequence[str],
    *,
    now: float | None = None,
    tolerance_s: int = 300,
) -> VerifiedWebhook:
    """Check the signature over the raw body, and that it was made within `tolerance_s` of now.

    Any secret and any entry of the signature may match. `headers` may be a multidict; their names are
    compared without case.

    Raises:
        VerificationError: whatever is wrong with what came.
        ValueError: a secret is not one; that is the receiver's own mistake.
    """
    keys = [_key(secret) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    if not keys:
        raise ValueError("no secret was given")
    message_id = _header(headers, ID)
    timestamp = _header(headers, TIMESTAMP)
    signature = _header(headers, SIGNATURE)
    if len(message_id) > MAX_ID_LENGTH or "." in message_id:
        # With a dot in it, the end of the id could pass for the timestamp.
        raise VerificationError(f"{ID} is malformed")
    if not _INTEGER.fullmatch(timestamp):
        raise VerificationError(f"{TIMESTAMP} is not a whole number of seconds")
    signed_at = int(timestamp)
    clock = time.time() if now is None else now  # noqa: TID251 - a receiver need not hand in a clock
    if not abs(clock - signed_at) <= tolerance_s:
        raise VerificationError(f"{TIMESTAMP} is more than {tolerance_s} s away from now")
    # The headers' own text is signed, not what was read from it.
    message = b".".join((message_id.encode(), timestamp.encode(), body))
    if not _matches(signature, keys, message):
        raise VerificationError("no signature matches")
    return VerifiedWebhook(message_id, signed_at)


def _key(secret: str) -> bytes:
    encoded = secret.removeprefix(PREFIX)
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a signing secret is whsec_ and base64") from None
    if not MIN_SECRET_BYTES <= len(raw) <= MAX_SECRET_BYTES:
        raise ValueError(f"a signing secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")
    return raw


def _header(headers: Mapping[str, str], wanted: str) -> str:
    found = [value for name, value in headers.items() if name.lower() == wanted]
    if len(found) != 1:
        raise VerificationError(f"{wanted} is there {len(found)} times, not once")
    value = found[0]
    if not value or not value.isascii() or not value.isprintable():
        raise VerificationError(f"{wanted} is malformed")
    return value


def _matches(signature: str, keys: Sequence[bytes], message: bytes) -> bool:
    """Compare every `v1` entry with every key's, in constant time; other versions are skipped."""
    digests = [hmac.digest(key, message, hashlib.sha256) for key in keys]
    expected = [b"v1," + base64.b64encode(digest) for digest in digests]
    given = [entry.encode() for entry in signature.split(" ")]
    checks = [hmac.compare_digest(one, other) for one in given for other in expected]
    return any(checks)
