"""Ed25519 public keys as JSON Web Keys (RFC 7517, RFC 8037)."""

import base64
import hashlib
import json
from collections.abc import Iterable


def key_set(keys: Iterable[bytes]) -> dict[str, list[dict[str, str]]]:
    """Make a JWK Set of public keys."""
    return {"keys": [_jwk(raw) for raw in keys]}


def thumbprint(raw: bytes) -> str:
    """Name a key by its RFC 7638 thumbprint: SHA-256 over its required members in the order of their names."""
    members = json.dumps(
        {"crv": "Ed25519", "kty": "OKP", "x": _base64url(raw)}, separators=(",", ":")
    )
    return _base64url(hashlib.sha256(members.encode()).digest())


def _jwk(raw: bytes) -> dict[str, str]:
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _base64url(raw),
        "use": "sig",
        "alg": "EdDSA",
        "kid": thumbprint(raw),
    }


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
