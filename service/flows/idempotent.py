"""Idempotency keys: the key and the effect are one transaction.

The first 2xx answer is kept and replayed. A rival under way is waited for, by the lock of its uncommitted row;
errors keep nothing, because their transaction rolls back.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from service.core.errors import Conflict, Erased, IdempotencyMismatch
from service.store import keys
from service.store.keys import Scope
from service.store.pool import Collided, Conn, Pool, limit_lock_wait, transaction

RIVAL_WAIT_S = 5
COLLISIONS = 2
"""How often a transaction that collided is begun again."""
COLLISION_REST_S = 0.02
"""The other one gets on with it meanwhile."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and may be kept: a 2xx status, a Location, a JSON body."""

    status: int
    location: str | None
    body: bytes
    replayed: bool = False
    tasks: tuple[UUID, ...] = ()
    """Which tasks it shows: once one of them is erased, so is the answer."""


def scope(tenant: str, method: str, path: str, key: str | None) -> Scope | None:
    """Say where an idempotency key counts; none without a key."""
    return None if key is None else Scope(tenant, method, path, key)


def canonical_hash(body: object) -> bytes:
    """Hash a body so that spacing and the order of keys do not matter."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


async def once(
    pool: Pool, scope: Scope | None, body: object, effect: Callable[[Conn], Awaitable[Answer]]
) -> Answer:
    """Have the effect once for a key; without a key, simply have it.

    Whoever collides with others has it from the beginning again. Raises IdempotencyMismatch for another body,
    Conflict when a rival takes too long, Erased when a task that was shown is gone.
    """
    for collision in range(1, COLLISIONS + 1):
        try:
            return await _once(pool, scope, body, effect)
        except Collided:
            await asyncio.sleep(COLLISION_REST_S * collision)
    return await _once(pool, scope, body, effect)


async def _once(
    pool: Pool, scope: Scope | None, body: object, effect: Callable[[Conn], Awaitable[Answer]]
) -> Answer:
    async with transaction(pool) as conn:
        if scope is None:
            return await effect(conn)
        digest = canonical_hash(body)
        kept = await _take(conn, scope, digest)
        if kept is not None:
            if kept.status is None or kept.answer is None:
                raise Erased
            if kept.body_hash != digest:
                raise IdempotencyMismatch
            return Answer(kept.status, kept.location, kept.answer, replayed=True)
        answer = await effect(conn)
        await keys.answer(conn, scope, answer.status, answer.location, answer.body, answer.tasks)
        return answer


async def _take(conn: Conn, scope: Scope, digest: bytes) -> keys.Kept | None:
    await limit_lock_wait(conn, RIVAL_WAIT_S)
    try:
        return await keys.take(conn, scope, digest)
    except keys.RivalUnderWay:
        text = "A request with this Idempotency-Key is still under way; try again."
        raise Conflict(text) from None
