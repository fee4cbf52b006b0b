"""Public keys, for those who verify signatures v1a."""

from typing import Literal

from pydantic import Field

from ..base import Strict


class PublicKey(Strict):
    """A public key as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str = Field(description="32 bytes, base64url.")
    use: Literal["sig"]
    alg: Literal["EdDSA"]
    kid: str = Field(description="Its RFC 7638 thumbprint.")


class PublicKeySet(Strict):
    """A JWK Set (RFC 7517)."""

    keys: list[PublicKey]
