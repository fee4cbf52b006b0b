"""Verify a webhook of Callboard, or of anybody who signs by Standard Webhooks 1.0 (schemes `v1` and `v1a`).

For receivers: `v1` needs nothing but the standard library, `v1a` the package `cryptography`. Verify the
raw body before parsing it, and remember the id: deliveries come at least once, and a repeated one has the same id.
"""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
PREFIX, PUBLIC_PREFIX = "whsec_", "whpk_"
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
PUBLIC_KEY_BYTES = 32
MAX_ID_LENGTH = 256
MAX_SIGNATURE_LENGTH = 8192
"""What common servers take of one header. It bounds the work that a stranger can cause."""
_INTEGER = re.compile(r"0|[1-9][0-9]{0,11}")

Headers = Mapping[str, str] | Iterable[tuple[str, str]] | Iterable[tuple[bytes, bytes]]
"""A mapping, a multidict, or pairs as WSGI and ASGI have them; names are compared without case."""
Reason = Literal[
    "missing_header", "repeated_header", "malformed_header", "too_old", "too_new", "no_match"
]


class VerificationError(Exception):
    """These headers and this body do not come from a holder of the secret, or come too late.

    `reason` is one stable word for it; the text is for people and repeats nothing of what came.
    """

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason: Reason = reason


@dataclass(frozen=True, slots=True)
class VerifiedWebhook:
    """What was signed besides the body: deduplicate on `id`; `timestamp` is in Unix seconds."""

    id: str
    timestamp: int


def verify(
    headers: Headers,
    body: bytes,
    secrets: str | Sequence[str] = (),
    *,
    public_keys: str | Sequence[str] = (),
    now: float | None = None,
    tolerance_s: int = 300,
) -> VerifiedWebhook:
    """Check the signature over the raw body, and that it was made within `tolerance_s` of now.

    Any secret (`whsec_…`, scheme `v1`), any public key (`whpk_…`, scheme `v1a`) and any entry of the
    signature may match. Public keys are a list that you trust, never taken from the request.

    Raises:
        VerificationError: whatever is wrong with what came.
        ValueError: a secret or a public key is not one, or there is none; that is the receiver's own mistake.
        TypeError: the body is not bytes.
        ImportError: public keys were given, and `cryptography` is not installed.
    """
    checks: list[Check] = [_secret(secret) for secret in _several(secrets)]
    checks += [_public_key(key) for key in _several(public_keys)]
    if not checks:
        raise ValueError("no secret and no public key was given")
    pairs = list(header_pairs(headers))
    message_id, timestamp, signature = (_header(pairs, n) for n in (ID, TIMESTAMP, SIGNATURE))
    if len(message_id) > MAX_ID_LENGTH or "." in message_id:
        # With a dot in it, the end of the id could pass for the timestamp.
        raise VerificationError("malformed_header", f"{ID} is malformed")
    if not _INTEGER.fullmatch(timestamp):
        raise VerificationError("malformed_header", f"{TIMESTAMP} is not a whole number of seconds")
    if len(signature) > MAX_SIGNATURE_LENGTH:
        raise VerificationError("malformed_header", f"{SIGNATURE} is too long")
    signed_at = int(timestamp)
    clock = time.time() if now is None else now  # noqa: TID251 - a receiver need not hand in a clock
    if not abs(clock - signed_at) <= tolerance_s:
        away = f"{TIMESTAMP} is more than {tolerance_s} s away from now"
        raise VerificationError("too_new" if signed_at > clock else "too_old", away)
    # The headers' own text is signed, not what was read from it.
    message = b".".join((message_id.encode(), timestamp.encode(), body))
    found = [check(signature.split(" "), message) for check in checks]
    if not any(found):
        raise VerificationError("no_match", "no signature matches")
    return VerifiedWebhook(message_id, signed_at)


def jwks_keys(document: object) -> list[str]:
    """Give the Ed25519 keys of a JWK set (RFC 7517, RFC 8037) as `whpk_…`; keys of other kinds are skipped.

    Callboard's are at `/.well-known/webhooks-keys`, those of all subscriptions: an event that was signed for
    another one verifies too. Where that matters, keep the one `whpk_…` that your subscription shows.

    Raises:
        ValueError: it is no such document.
    """
    keys = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(keys, list) or not all(isinstance(key, Mapping) for key in keys):
        raise ValueError("a JWK set is an object with a list of keys")
    found: list[str] = []
    for key in keys:
        if key.get("kty") == "OKP" and key.get("crv") == "Ed25519" and key.get("use") != "enc":
            raw = _decoded(str(key.get("x", "")).translate(_URL_SAFE), "a JWK's x is base64url")
            found.append(PUBLIC_PREFIX + base64.b64encode(_of_a_key(raw)).decode())
    return found


def header_pairs(headers: Headers) -> Iterator[tuple[str, str]]:
    """Give names, in lower case, and values of headers; what is no text is given as a value that no header has."""
    # The standard library's own server has headers that are no Mapping.
    items: Any = getattr(headers, "items", None)
    pairs: Iterable[Any] = headers if items is None else items()
    for name, value in pairs:
        if isinstance(name, bytes | str):
            yield _text(name).lower(), _text(value)


Check = Callable[[Sequence[str], bytes], bool]
"""Says whether one of the entries is one key's signature of the message."""
_URL_SAFE = str.maketrans("-_", "+/")


def _several(given: str | Sequence[str]) -> Sequence[str]:
    return [given] if isinstance(given, str) else given


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else "\0"


def _header(pairs: Sequence[tuple[str, str]], wanted: str) -> str:
    found = [value for name, value in pairs if name == wanted]
    if not found:
        raise VerificationError("missing_header", f"{wanted} is missing")
    if len(found) > 1:
        raise VerificationError(
            "repeated_header", f"{wanted} is there {len(found)} times, not once"
        )
    value = found[0]
    if not value or not value.isascii() or not value.isprintable():
        raise VerificationError("malformed_header", f"{wanted} is malformed")
    return value


def _decoded(encoded: str, otherwise: str) -> bytes:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(otherwise) from None


def _of_a_key(raw: bytes) -> bytes:
    if len(raw) != PUBLIC_KEY_BYTES:
        raise ValueError(f"a public key has {PUBLIC_KEY_BYTES} bytes, not {len(raw)}")
    return raw


def _secret(secret: str) -> Check:
    """Make the check of scheme `v1`, in constant time; entries of other schemes are skipped."""
    key = _decoded(secret.removeprefix(PREFIX), "a signing secret is whsec_ and base64")
    if not MIN_SECRET_BYTES <= len(key) <= MAX_SECRET_BYTES:
        raise ValueError(f"a signing secret has {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes")

    def check(entries: Sequence[str], message: bytes) -> bool:
        digest = base64.b64encode(hmac.digest(key, message, hashlib.sha256))
        found = [hmac.compare_digest(e.encode(), b"v1," + digest) for e in entries]
        return any(found)

    return check


def _public_key(text: str) -> Check:
    """Make the check of scheme `v1a`; entries of other schemes are skipped."""
    if not text.startswith(PUBLIC_PREFIX):
        raise ValueError("a public key starts with whpk_")
    raw = _decoded(text.removeprefix(PUBLIC_PREFIX), "a public key is whpk_ and base64")
    _of_a_key(raw)
    try:
        # Here, so that receivers of `v1` need not install it.
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415
            Ed25519PublicKey,
        )
    except ImportError:
        raise ImportError(
            "public keys (scheme v1a) need the package cryptography: pip install cryptography"
        ) from None

    key = Ed25519PublicKey.from_public_bytes(raw)

    def check(entries: Sequence[str], message: bytes) -> bool:
        for entry in entries:
            version, _, encoded = entry.partition(",")
            try:
                if version == "v1a":
                    key.verify(base64.b64decode(encoded, validate=True), message)
                    return True
            except (ValueError, InvalidSignature):
                continue
        return False

    return check
