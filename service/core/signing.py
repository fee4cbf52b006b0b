"""Standard Webhooks 1.0: what is signed, scheme `v1` (HMAC-SHA256), and how secrets and keys are written.

Ed25519 itself (scheme `v1a`) is in `service.vault`; the verifier is `schemas.verify`. Source: the Standard
Webhooks specification, "Signature scheme".
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

PREFIX = "whsec_"
PRIVATE_PREFIX, PUBLIC_PREFIX = "whsk_", "whpk_"
MIN_BYTES, MAX_BYTES = 24, 64
"""The specification's bounds of a secret's length."""
KEY_BYTES = 32
"""The length of an Ed25519 seed, and of a public key."""


def secret_bytes(secret: str) -> bytes:
    """Decode `whsec_<base64>` (padding may be missing); raises ValueError for anything else."""
    if not secret.startswith(PREFIX):
        raise ValueError("a signing secret starts with whsec_")
    raw = _decoded(secret.removeprefix(PREFIX), "a signing secret is whsec_ and base64")
    if not MIN_BYTES <= len(raw) <= MAX_BYTES:
        raise ValueError(f"a signing secret has {MIN_BYTES} to {MAX_BYTES} bytes, not {len(raw)}")
    return raw


def format_secret(raw: bytes) -> str:
    """Write a secret the way people see it."""
    return PREFIX + base64.b64encode(raw).decode()


def private_key_bytes(key: str) -> bytes:
    """Decode `whsk_<base64>`, a seed with or without its public key behind it, to the seed of 32 bytes.

    Raises:
        ValueError: it is anything else; the text is not repeated.
    """
    if not key.startswith(PRIVATE_PREFIX):
        raise ValueError("a private key starts with whsk_")
    raw = _decoded(key.removeprefix(PRIVATE_PREFIX), "a private key is whsk_ and base64")
    if len(raw) not in {KEY_BYTES, 2 * KEY_BYTES}:
        raise ValueError(f"a private key has {KEY_BYTES} or {2 * KEY_BYTES} bytes, not {len(raw)}")
    return raw[:KEY_BYTES]


def format_private_key(seed: bytes, public: bytes) -> str:
    """Write a key pair as `whsk_`, the way others who sign by `v1a` do: the seed, then the public key."""
    return PRIVATE_PREFIX + base64.b64encode(_key(seed) + _key(public)).decode()


def public_key_bytes(key: str) -> bytes:
    """Decode `whpk_<base64>` to 32 bytes; raises ValueError for anything else."""
    if not key.startswith(PUBLIC_PREFIX):
        raise ValueError("a public key starts with whpk_")
    return _key(_decoded(key.removeprefix(PUBLIC_PREFIX), "a public key is whpk_ and base64"))


def format_public_key(public: bytes) -> str:
    """Write a public key the way people see it."""
    return PUBLIC_PREFIX + base64.b64encode(_key(public)).decode()


def signed_message(message_id: str, timestamp: int, body: bytes) -> bytes:
    """Give the bytes that every scheme signs; `timestamp` is the Unix time of the attempt in seconds."""
    return b".".join((message_id.encode(), str(timestamp).encode(), body))


def sign_v1(secrets: Sequence[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """Make the `v1` entries of `webhook-signature` over the very bytes sent, one per valid secret."""
    message = signed_message(message_id, timestamp, body)
    return " ".join(entry("v1", hmac.digest(key, message, hashlib.sha256)) for key in secrets)


def entry(version: str, signature: bytes) -> str:
    """Write one entry of `webhook-signature`."""
    return f"{version},{base64.b64encode(signature).decode()}"


def _decoded(encoded: str, otherwise: str) -> bytes:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        raise ValueError(otherwise) from None


def _key(raw: bytes) -> bytes:
    if len(raw) != KEY_BYTES:
        raise ValueError(f"an Ed25519 key has {KEY_BYTES} bytes, not {len(raw)}")
    return raw
