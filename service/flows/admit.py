"""A side door: who may come in. API keys are kept by their SHA-256; they are 256 random bits."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from service.ports import Dice
from service.store import keys
from service.store.pool import Conn, Pool, Record, connection, transaction

PREFIX = "cb_"
REFRESH_S = 5.0
"""How long a revoked key may still be good in another process."""


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key, shown this once."""

    id: UUID
    key: str


class Admit:
    """Checks API keys."""

    def __init__(self, pool: Pool, dice: Dice, configured: Sequence[str]) -> None:
        self._pool = pool
        self._dice = dice
        self._configured = [(digest(k), "default") for k in configured]
        self._known: list[tuple[bytes, str]] = []
        self._loaded_at = float("-inf")

    async def tenant_of(self, key: str) -> str | None:
        """Say whose key this is; every known key is compared, in constant time."""
        given = digest(key)
        now = asyncio.get_running_loop().time()
        if now - self._loaded_at > REFRESH_S:
            await self._load(now)
        tenant = self._match(given)
        if tenant is None and now - self._loaded_at > REFRESH_S / 10:
            # It may be newer than what is remembered.
            await self._load(now)
            tenant = self._match(given)
        return tenant

    def _match(self, given: bytes) -> str | None:
        found: str | None = None
        for known, tenant in (*self._configured, *self._known):
            if hmac.compare_digest(known, given):
                found = tenant
        return found

    async def _load(self, now: float) -> None:
        async with connection(self._pool) as conn:
            self._known = [(r["hash"], r["tenant"]) for r in await keys.live(conn)]
        self._loaded_at = now

    async def first_key(self) -> str | None:
        """Make a first key when there is none at all."""
        if self._configured:
            return None
        async with transaction(self._pool) as conn:
            # Of several processes that start at once, one makes it.
            await keys.lock(conn)
            if await keys.all_keys(conn):
                return None
            return (await self._make(conn, "first")).key

    async def create(self, name: str) -> MadeKey:
        """Make a key; it cannot be shown again."""
        async with connection(self._pool) as conn:
            return await self._make(conn, name)

    async def _make(self, conn: Conn, name: str) -> MadeKey:
        key = PREFIX + self._dice.secret(32).hex()
        made = MadeKey(self._dice.uuid(), key)
        await keys.insert(conn, made.id, "default", name, key[:9], digest(key))
        self._loaded_at = float("-inf")
        return made

    async def list(self) -> list[Record]:
        """List all keys."""
        async with connection(self._pool) as conn:
            return await keys.all_keys(conn)

    async def revoke(self, key_id: UUID) -> bool:
        """Revoke a key; false when there is none that is good."""
        async with connection(self._pool) as conn:
            revoked = await keys.revoke(conn, key_id)
        self._loaded_at = float("-inf")
        return revoked


def digest(key: str) -> bytes:
    """Hash a key the way it is kept."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
