"""NKeys: the Ed25519 keys of NATS in their text form, and `.creds` files that hold one with a JWT.

The form: base32 without padding of prefix (2 bytes for a seed, else 1), key (32 bytes), CRC-16 (XMODEM, low byte
first). Source: github.com/nats-io/nkeys. Only seeds of users sign logins: they begin with SU.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

USER: Final = 20 << 3
SEED: Final = 18 << 3
_BLOCK = re.compile(
    r"-+BEGIN (?P<what>[A-Z ]+)-+\s+(?P<text>[A-Za-z0-9_.=-]+?)\s+-+END (?P=what)-+", re.ASCII
)


@dataclass(frozen=True, slots=True, repr=False)
class Nkey:
    """A user's key: its public name, and what signs."""

    public: str
    private: Ed25519PrivateKey

    def sign(self, nonce: str) -> bytes:
        """Sign a server's nonce, in base64, the way clients answer."""
        return base64.b64encode(self.private.sign(nonce.encode()))


def read_seed(text: str) -> Nkey:
    """Read the seed of a user, `SU…`; raises ValueError for anything else."""
    raw = base64.b32decode(text + "=" * (-len(text) % 8))
    body, check = raw[:-2], raw[-2:]
    # The prefix of a seed is ten bits long: five say "seed", five whose.
    prefix = bytes([SEED | USER >> 5, (USER & 31) << 3])
    if len(body) != 34 or body[:2] != prefix or check != _crc(body):  # noqa: PLR2004 - 2 and 32 bytes
        raise ValueError("not the seed of a user")
    private = Ed25519PrivateKey.from_private_bytes(body[2:])
    public = bytes([USER]) + private.public_key().public_bytes_raw()
    return Nkey(base64.b32encode(public + _crc(public)).decode().rstrip("="), private)


def read_creds(text: str) -> tuple[str, Nkey]:
    """Read the JWT and the key of a `.creds` file; raises ValueError where one is missing."""
    blocks = {found["what"]: found["text"] for found in _BLOCK.finditer(text)}
    try:
        return blocks["NATS USER JWT"], read_seed(blocks["USER NKEY SEED"])
    except KeyError:
        raise ValueError("a JWT or a seed is missing") from None


def _crc(data: bytes) -> bytes:
    return binascii.crc_hqx(data, 0).to_bytes(2, "little")
