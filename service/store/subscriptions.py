"""Subscriptions, and the tenant's own signing secret. Secrets come and go sealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.store.pool import Conn, Record
from service.store.queries import load
from service.store.rows import json_text, without_nul

SQL = load("subscriptions")


@dataclass(frozen=True, slots=True)
class Changeable:
    """What can be changed of a subscription, validated; what is secret is sealed."""

    url: str | None
    settings: Mapping[str, object]
    description: str
    types: Sequence[str]
    provider: str | None
    model: str | None
    labels: Mapping[str, str]
    condition: str | None
    format: str
    batch_size: int | None
    headers: bytes | None
    header_names: Sequence[str]
    credentials: bytes | None
    concurrency: int | None
    rate_per_minute: int | None
    timeout_s: float | None
    include_request: bool
    handshake: bool
    enabled: bool

    def values(self) -> tuple[object, ...]:
        """Give the values in the order of the statements."""
        return (
            *(self.url, json_text(dict(self.settings)), self.description, list(self.types)),
            *(self.provider, self.model, json_text(dict(self.labels)), self.condition),
            *(self.format, self.batch_size, self.headers, list(self.header_names)),
            *(self.credentials, self.concurrency, self.rate_per_minute, self.timeout_s),
            *(self.include_request, self.handshake, self.enabled),
        )


@dataclass(frozen=True, slots=True)
class Signing:
    """What signs: a sealed secret, and the sealed seed of an Ed25519 key pair with its public half."""

    secret: bytes | None = None
    seed: bytes | None = None
    public_key: bytes | None = None


async def fence(conn: Conn) -> None:
    """Wait until no transaction writes events that may not see the change that follows."""
    await conn.execute(SQL["fence_subscriptions"])


async def live(conn: Conn, tenants: Sequence[str]) -> list[Record]:
    """Load what events are matched against."""
    return list(await conn.fetch(SQL["live_subscriptions"], list(tenants)))


async def match_conditions(
    conn: Conn, data: Sequence[bytes], pairs: Sequence[tuple[int, str]]
) -> set[int]:
    """Say which pairs (position of the data, condition) match, by their own positions.

    One statement, which no data and no condition makes fail: a NUL, which jsonb cannot hold, is left out, and what
    jsonb does not take matches nothing.
    """
    found = await conn.fetch(
        SQL["match_conditions"],
        [without_nul(d.decode()) for d in data],
        [position + 1 for position, _ in pairs],
        [condition for _, condition in pairs],
    )
    return {row["n"] - 1 for row in found}


async def read_condition(conn: Conn, condition: str) -> tuple[str | None, str | None]:
    """Have Postgres read a condition; gives its own spelling, and what is wrong with it."""
    row = await conn.fetchrow(SQL["read_condition"], condition)
    if row is None:
        raise LookupError("the condition was not read")
    return row["canonical"], row["fault"]


async def insert(
    conn: Conn, subscription_id: UUID, tenant: str, kind: str, new: Changeable, signing: Signing
) -> Record:
    """Make a subscription."""
    return await _row(
        conn,
        SQL["insert_subscription"],
        *(subscription_id, tenant, kind, *new.values()),
        *(signing.secret, signing.seed, signing.public_key),
    )


async def update(conn: Conn, subscription_id: UUID, new: Changeable, signing: Signing) -> Record:
    """Change a subscription that is locked; its secret stays."""
    return await _row(
        conn,
        SQL["update_subscription"],
        *(subscription_id, *new.values(), signing.seed, signing.public_key),
    )


async def reopen(conn: Conn, subscription_id: UUID) -> Record:
    """Let a target begin anew."""
    return await _row(conn, SQL["reopen_subscription"], subscription_id)


async def rotate(conn: Conn, subscription_id: UUID, signing: Signing, overlap_s: float) -> Record:
    """Give a locked subscription a new secret; the one before signs too for a while."""
    return await _row(
        conn,
        SQL["rotate_secret"],
        *(subscription_id, signing.secret, signing.seed, signing.public_key, overlap_s),
    )


async def page(
    conn: Conn,
    tenant: str,
    after: tuple[datetime, UUID] | None,
    limit: int,
    *,
    kind: str | None = None,
    enabled: bool | None = None,
) -> list[Record]:
    """Give a page of subscriptions, oldest first."""
    at, last = after or (None, None)
    wanted = (tenant, at, last, kind, enabled, limit)
    return list(await conn.fetch(SQL["list_subscriptions"], *wanted))


async def get(conn: Conn, tenant: str, subscription_id: UUID) -> Record | None:
    """Load one subscription."""
    return await conn.fetchrow(SQL["get_subscription"], tenant, subscription_id)


async def lock(conn: Conn, tenant: str, subscription_id: UUID) -> Record | None:
    """Load one subscription, locked; to be asked for after the fence, as everybody does."""
    return await conn.fetchrow(SQL["lock_subscription"], tenant, subscription_id)


async def public_keys(conn: Conn, now: datetime | None = None) -> list[bytes]:
    """Load every key that a signature may be verified by now."""
    return [r["public_key"] for r in await conn.fetch(SQL["public_keys"], now)]


async def _row(conn: Conn, statement: str, *values: object) -> Record:
    row = await conn.fetchrow(statement, *values)
    if row is None:
        raise LookupError("the subscription was not stored")
    return row


async def delete(conn: Conn, tenant: str, subscription_id: UUID) -> bool:
    """Delete a subscription; false when there is none."""
    return bool(await conn.fetchval(SQL["delete_subscription"], tenant, subscription_id))


async def tenant_row(conn: Conn, tenant: str) -> Record | None:
    """Load a tenant."""
    return await conn.fetchrow(SQL["get_tenant"], tenant)


async def set_signing_secret(conn: Conn, tenant: str, sealed: bytes) -> bytes:
    """Give a tenant its first signing secret; answers with the one it has now."""
    return bytes(await conn.fetchval(SQL["set_signing_secret"], tenant, sealed))


async def lock_enabled(conn: Conn, subscription_id: UUID) -> Record | None:
    """Lock a subscription that is enabled, for events that tell of it; none when it is not, or no more.

    Behind the fence, as all that writes events. With it comes how its lane is, and the time.
    """
    return await conn.fetchrow(SQL["lock_enabled_subscription"], subscription_id)


async def disable(conn: Conn, subscription_id: UUID, reason: str = "gone") -> Record | None:
    """Stop deliveries to a target, because it is `gone` or `failing`; what comes later is held."""
    return await conn.fetchrow(SQL["disable_subscription"], subscription_id, reason)


async def note_consent(
    conn: Conn, subscription_id: UUID, url: str, rate: int | None, *, ok: bool
) -> datetime | None:
    """Keep a target's consent, or that it gave none; answers with when, none without consent.

    `rate` is deliveries a minute, none for any. Nothing is kept where the URL is another by now.
    """
    found: datetime | None = await conn.fetchval(
        SQL["note_consent"], subscription_id, url, ok, rate
    )
    return found
