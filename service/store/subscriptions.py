"""Subscriptions, and the tenant's own signing secret. Secrets come and go sealed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.store.pool import Conn, Record
from service.store.queries import load
from service.store.rows import json_text

SQL = load("subscriptions")


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A subscription that was validated."""

    id: UUID
    tenant: str
    kind: str
    url: str | None
    settings: Mapping[str, object]
    types: Sequence[str]
    provider: str | None
    labels: Mapping[str, str]
    format: str
    include_request: bool
    secret: bytes | None


async def fence(conn: Conn) -> None:
    """Wait until no transaction writes events that may not see the change that follows."""
    await conn.execute(SQL["fence_subscriptions"])


async def live(conn: Conn, tenants: Sequence[str]) -> list[Record]:
    """Load what events are matched against."""
    return list(await conn.fetch(SQL["live_subscriptions"], list(tenants)))


async def insert(conn: Conn, new: NewSubscription) -> Record:
    """Make a subscription."""
    row = await conn.fetchrow(
        SQL["insert_subscription"],
        new.id,
        new.tenant,
        new.kind,
        new.url,
        json_text(dict(new.settings)),
        list(new.types),
        new.provider,
        json_text(dict(new.labels)),
        new.format,
        new.include_request,
        new.secret,
    )
    if row is None:
        raise LookupError("the subscription was not stored")
    return row


async def page(
    conn: Conn, tenant: str, after: tuple[datetime, UUID] | None, limit: int
) -> list[Record]:
    """Give a page of subscriptions, oldest first."""
    at, last = after or (None, None)
    return list(await conn.fetch(SQL["list_subscriptions"], tenant, at, last, limit))


async def get(conn: Conn, tenant: str, subscription_id: UUID) -> Record | None:
    """Load one subscription."""
    return await conn.fetchrow(SQL["get_subscription"], tenant, subscription_id)


async def delete(conn: Conn, tenant: str, subscription_id: UUID) -> bool:
    """Delete a subscription; false when there is none."""
    return bool(await conn.fetchval(SQL["delete_subscription"], tenant, subscription_id))


async def tenant_row(conn: Conn, tenant: str) -> Record | None:
    """Load a tenant."""
    return await conn.fetchrow(SQL["get_tenant"], tenant)


async def set_signing_secret(conn: Conn, tenant: str, sealed: bytes) -> bytes:
    """Give a tenant its first signing secret; answers with the one it has now."""
    return bytes(await conn.fetchval(SQL["set_signing_secret"], tenant, sealed))


async def disable(conn: Conn, subscription_id: UUID) -> None:
    """Stop deliveries to a target that wants no more."""
    await conn.execute(SQL["disable_subscription"], subscription_id)


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
