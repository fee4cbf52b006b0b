"""API keys, kept by their hashes, and idempotency keys."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("keys")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an idempotency key is unique."""

    tenant: str
    method: str
    path: str
    key: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What was answered to an idempotency key before; no status and no answer when a task it showed was erased."""

    body_hash: bytes
    status: int | None
    location: str | None
    answer: bytes | None


async def live(conn: Conn) -> list[Record]:
    """Load the hashes of all keys that are good."""
    return list(await conn.fetch(SQL["live_keys"]))


async def insert(
    conn: Conn, key_id: UUID, tenant: str, name: str, prefix: str, digest: bytes
) -> None:
    """Keep a new key by its hash."""
    await conn.execute(SQL["insert_key"], key_id, tenant, name, prefix, digest)


async def lock(conn: Conn) -> None:
    """Keep others from making keys until the transaction ends."""
    await conn.execute(SQL["lock_keys"])


async def all_keys(conn: Conn) -> list[Record]:
    """Load all keys, revoked ones included."""
    return list(await conn.fetch(SQL["list_keys"]))


async def revoke(conn: Conn, key_id: UUID) -> bool:
    """Revoke a key; false when there is none that is good."""
    return await conn.fetchval(SQL["revoke_key"], key_id) is not None


async def take(conn: Conn, scope: Scope, body_hash: bytes) -> Kept | None:
    """Take an idempotency key, or give what was answered to it before.

    Waits for a rival under way up to the lock time-out; raises RivalUnderWay then.
    """
    where = (scope.tenant, scope.method, scope.path, scope.key)
    try:
        taken = await conn.fetchval(SQL["take_idempotency_key"], *where, body_hash)
    except asyncpg.LockNotAvailableError as error:
        raise RivalUnderWay from error
    if taken is not None:
        return None
    row = await conn.fetchrow(SQL["get_idempotency_key"], *where)
    if row is None:
        # The rival rolled back between the two statements.
        return await take(conn, scope, body_hash)
    return Kept(row["body_hash"], row["status"], row["location"], row["answer"])


async def answer(
    conn: Conn,
    scope: Scope,
    status: int,
    location: str | None,
    body: bytes,
    tasks: Sequence[UUID] = (),
) -> None:
    """Keep the answer to an idempotency key, and which tasks it shows."""
    where = (scope.tenant, scope.method, scope.path, scope.key)
    await conn.execute(SQL["answer_idempotency_key"], *where, status, location, body, list(tasks))


class RivalUnderWay(Exception):
    """Another transaction holds the key and did not end in time."""


async def drop_old(conn: Conn) -> None:
    """Forget idempotency keys that are old enough."""
    await conn.execute(SQL["drop_old_idempotency_keys"])
