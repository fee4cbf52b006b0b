"""Encryption of secrets at rest: what is stored can only be read with a key that is not. And Ed25519.

Fernet (AES-128-CBC with HMAC-SHA256) of the `cryptography` package. Keys rotate: the first one seals,
all of them open. Ed25519 (RFC 8032) signs webhooks by scheme `v1a`; a private key is its seed of 32 bytes.
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

        self._first = Fernet(base64.urlsafe_b64encode(keys[0]))

    def is_current(self, sealed: bytes) -> bool:
        """Whether the first key alone opens it, so that the others are not needed for it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True

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
    """Make an Ed25519 private key: a seed of 32 bytes."""
    return Ed25519PrivateKey.generate().private_bytes_raw()


def public_key(seed: bytes) -> bytes:
    """Give the public key of a seed, 32 bytes; raises ValueError for a seed of another length."""
    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()


def sign_ed25519(seed: bytes, message: bytes) -> bytes:
    """Sign with a seed: 64 bytes, always the same ones; raises ValueError for a seed of another length."""
    return Ed25519PrivateKey.from_private_bytes(seed).sign(message)


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise ValueError(f"an encryption key has {KEY_BYTES} bytes, not {len(key)}")
    return key
