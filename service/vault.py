"""Encryption of secrets at rest, and Ed25519 keys; both by the `cryptography` package.

What is stored can only be read with a key that is not: Fernet (AES-128-CBC with HMAC-SHA256). Keys rotate: the first
one seals, all of them open.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_BYTES = 32


class VaultError(Exception):
    """None of the encryption keys fits a stored secret, or it was altered."""


class Vault:
    """Seals and opens secrets; raises ValueError for a key that is none."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_checked(k))) for k in keys])

    def seal(self, secret: bytes) -> bytes:
        """Encrypt with the first key."""
        return self._fernet.encrypt(secret)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt with whichever key fits; raises VaultError when none does."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise VaultError(
                "A stored secret cannot be read: the key that sealed it is not among"
                " CALLBOARD_ENCRYPTION_KEYS."
            ) from None


def new_key() -> bytes:
    """Make a key."""
    return base64.urlsafe_b64decode(Fernet.generate_key())


def format_key(key: bytes) -> str:
    """Write a key the way it stands in settings and files."""
    return base64.urlsafe_b64encode(_checked(key)).decode()


def parse_key(text: str) -> bytes:
    """Read a key that `format_key` wrote; raises ValueError without repeating the text."""
    try:
        key = base64.b64decode(text.strip().encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeError):
        raise ValueError("an encryption key is 32 bytes in URL-safe base64") from None
    return _checked(key)


def fingerprint(key: bytes) -> str:
    """Name a key without telling it; for any key of 16 random bytes or more."""
    return hashlib.sha256(b"callboard key fingerprint\0" + key).hexdigest()[:16]


def new_private_key() -> bytes:
    """Make an Ed25519 key: its seed of 32 bytes (RFC 8032)."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(seed: bytes) -> bytes:
    """Give the 32 bytes of the public half of an Ed25519 key."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign_ed25519(seed: bytes, message: bytes) -> bytes:
    """Sign; the same key and message give the same 64 bytes."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"an encryption key has {KEY_BYTES} bytes, not {len(key)}")
    return key
