"""Links to a kept video for people without a key: what is signed, and who may have signed it.

An HMAC over the path, whose file it is, until when, and the hash of its content: a link ends with its time, with
its file, or with the key that made it. Nothing is stored of it. Keys rotate: the first signs, all of them verify.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_S = 604_800
"""A week: who needs a file for longer has a key."""
_DOMAIN = b"callboard:link:v1"
"""Callback tokens are made with the same keys: neither is ever good as the other."""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link is for. `expires` is a Unix time in whole seconds; `sha256` is in hexadecimal."""

    path: str
    tenant: str
    sha256: str
    expires: int


def sign(keys: Sequence[bytes], link: Link) -> str:
    """Sign a link with the first key: 43 characters of URL-safe base64 without padding."""
    return _signature(keys[0], link)


def is_good(keys: Sequence[bytes], link: Link, signature: str) -> bool:
    """Say whether any key made this signature; every key is tried, in constant time.

    The text is compared, not the bytes it stands for: base64 has several texts for the same bytes.
    """
    given = signature.encode("utf-8", "surrogatepass")
    checks = [hmac.compare_digest(_signature(key, link).encode(), given) for key in keys]
    return any(checks)


def _signature(key: bytes, link: Link) -> str:
    own = hmac.digest(key, _DOMAIN, hashlib.sha256)
    parts = (link.path, link.tenant, link.sha256, str(link.expires))
    # Each with its length, so that no two links are the same bytes.
    message = b"".join(b"%d:%b" % (len(part), part) for part in map(str.encode, parts))
    digest = hmac.digest(own, message, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
