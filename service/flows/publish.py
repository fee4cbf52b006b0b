"""A side door: the public keys that verify signatures v1a, for anybody."""

import asyncio

from service.store import subscriptions
from service.store.pool import Pool, connection


class Publish:
    """Gives the keys of all subscriptions; `keep_s` says for how long it does not ask the database again.

    Whoever asks is nobody that is known, so asking often must cost nothing.
    """

    def __init__(self, pool: Pool, *, keep_s: float = 1.0) -> None:
        self._pool = pool
        self._keep_s = keep_s
        self._kept: list[bytes] = []
        self._until = float("-inf")
        self._asking = asyncio.Lock()

    async def keys(self) -> list[bytes]:
        """List every key that a signature may be verified by now."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if now >= self._until:
                async with connection(self._pool) as conn:
                    self._kept = await subscriptions.public_keys(conn)
                self._until = now + self._keep_s
            return self._kept
