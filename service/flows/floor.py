"""Where claims begin to read their index.

While somebody holds an old snapshot, the index entries of what was claimed and ended cannot be cleaned away, and they
stand exactly where a claim begins: it walks over all of them (queues.md E6). So a claim begins at a floor: the
smallest key that is still waiting. A floor may be wrong for a moment, because a row below it may commit late; that
is mended by the next floor, and by the claims that go without one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.store.pool import Conn

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FloorPolicy:
    """How far floors are trusted; both are settings."""

    seconds: float = 10.0
    """How long a floor is used before it is looked for again."""
    without_every: int = 20
    """One in so many claims goes without a floor."""


USUAL = FloorPolicy()


class Floor(Generic[T]):
    """The floor of one claim; `find` asks the database for it."""

    def __init__(self, policy: FloorPolicy, find: Callable[[Conn], Awaitable[T | None]]) -> None:
        self._policy = policy
        self._find = find
        self._found: T | None = None
        self._until = float("-inf")
        self._claims = 0

    async def next(self, conn: Conn) -> T | None:
        """Give the floor of the next claim; none when it has to read everything."""
        self._claims += 1
        if self._claims % self._policy.without_every == 0:
            return None
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._found = await self._find(conn)
            self._until = now + self._policy.seconds
        return self._found
