"""A side door: subscriptions, and the secret that signs what goes to a notifyURL.

A secret is answered once, by what makes it. So that a client whose answer was lost is not left with a secret that
nobody knows, an answer that is kept for an Idempotency-Key holds it, too; it is kept sealed by the vault, as the
subscription's own secret is, and for two days.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson

from service.core.errors import Conflict, NotFound
from service.core.signing import format_secret
from service.flows import cursors
from service.flows.draft import Draft, Wanted, checked
from service.flows.idempotent import Answer, once
from service.flows.look import Rows
from service.ports import Dice
from service.store import lanes, subscriptions
from service.store.keys import Scope
from service.store.pool import Conn, Pool, Record, connection, transaction
from service.store.subscriptions import Changeable, Signing
from service.vault import Vault, VaultError, new_private_key, public_key
from service.wire.subscriptions import Document, document, subscription_view

SECRET_BYTES = 32
SIGNED = "webhook"
"""The one kind whose events are signed: brokers know who writes to them."""
NO_SUCH = "There is no such subscription."


class Subscribe:
    """Creates, changes, lists and deletes subscriptions."""

    def __init__(self, pool: Pool, dice: Dice, vault: Vault) -> None:
        self._pool = pool
        self._dice = dice
        self._vault = vault

    async def create(
        self, tenant: str, draft: Draft, *, scope: Scope | None = None, body: object = None
    ) -> Answer:
        """Make a subscription and show it with its secret. Raises Invalid with every fault.

        It misses no event that is written after this returns.
        """

        async def effect(conn: Conn) -> Answer:
            wanted = await checked(conn, draft, None)
            raw = self._dice.secret(SECRET_BYTES) if wanted.kind == SIGNED else None
            seed = new_private_key() if wanted.v1a else None
            new = self._changeable(wanted, {})
            await subscriptions.fence(conn)
            row = await subscriptions.insert(
                conn, self._dice.uuid(), tenant, wanted.kind, new, self._signing(raw, seed)
            )
            return _with_secret(201, row, raw)

        return await self._once(scope, body, effect)

    async def change(
        self, tenant: str, subscription_id: UUID, redo: Callable[[Document], Draft]
    ) -> Record:
        """Change a subscription; `redo` makes a draft of the body that would make it as it is.

        Raises Invalid with every fault. What is written after this returns meets the new filters; what was written
        before stays as it is.
        """
        async with transaction(self._pool) as conn:
            await subscriptions.fence(conn)
            row = await subscriptions.lock(conn, tenant, subscription_id)
            if row is None:
                raise NotFound(NO_SUCH)
            before = self._opened(row["credentials"])
            draft = redo(document(row, before))
            wanted = await checked(conn, draft, row["condition"])
            new = self._changeable(wanted, self._opened(row["headers"]) or {})
            changed = await subscriptions.update(
                conn, subscription_id, new, self._signing_of(row, v1a=wanted.v1a)
            )
            if wanted.enabled and (not row["enabled"] or _leads_elsewhere(row, before, wanted)):
                changed = await _reopened(conn, subscription_id)
        return changed

    async def rotate(
        self,
        tenant: str,
        subscription_id: UUID,
        overlap_s: int,
        *,
        scope: Scope | None = None,
    ) -> Answer:
        """Give a subscription a new secret and show it; the one before signs too for a while.

        Raises Conflict where nothing is signed.
        """

        async def effect(conn: Conn) -> Answer:
            row = await subscriptions.lock(conn, tenant, subscription_id)
            if row is None:
                raise NotFound(NO_SUCH)
            if row["secret"] is None:
                raise Conflict(f"Nothing is signed for the kind {row['kind']}: there is no secret.")
            raw = self._dice.secret(SECRET_BYTES)
            seed = None if row["signing_key"] is None else new_private_key()
            signing = self._signing(raw, seed)
            rotated = await subscriptions.rotate(conn, subscription_id, signing, overlap_s)
            return _with_secret(200, rotated, raw)

        return await self._once(scope, {"overlapSeconds": overlap_s}, effect)

    async def page(
        self,
        tenant: str,
        cursor: str | None,
        limit: int,
        *,
        kind: str | None = None,
        enabled: bool | None = None,
    ) -> Rows:
        """List subscriptions, oldest first."""
        after = None
        if cursor:
            at, last = cursors.decode(cursor, 2)
            after = (cursors.moment(at), cursors.identifier(last))
        async with connection(self._pool) as conn:
            found = await subscriptions.page(conn, tenant, after, limit, kind=kind, enabled=enabled)
        more = len(found) == limit
        following = cursors.encode(found[-1]["created_at"], found[-1]["id"]) if more else None
        return Rows(found, following)

    async def get(self, tenant: str, subscription_id: UUID) -> Record:
        """Load a subscription."""
        async with connection(self._pool) as conn:
            found = await subscriptions.get(conn, tenant, subscription_id)
        if found is None:
            raise NotFound(NO_SUCH)
        return found

    async def delete(self, tenant: str, subscription_id: UUID) -> None:
        """Delete a subscription; nothing is sent to it that is written after this returns."""
        async with transaction(self._pool) as conn:
            await subscriptions.fence(conn)
            if not await subscriptions.delete(conn, tenant, subscription_id):
                raise NotFound(NO_SUCH)

    async def signing_secret(self, tenant: str) -> str:
        """Give the tenant's default secret; it is made when it is first needed."""
        async with connection(self._pool) as conn:
            row = await subscriptions.tenant_row(conn, tenant)
            if row is None:
                raise NotFound("There is no such tenant.")
            sealed = row["signing_secret"]
            if sealed is None:
                fresh = self._vault.seal(self._dice.secret(SECRET_BYTES))
                sealed = await subscriptions.set_signing_secret(conn, tenant, fresh)
        return format_secret(self._vault.open(sealed))

    async def _once(
        self, scope: Scope | None, body: object, effect: Callable[[Conn], Awaitable[Answer]]
    ) -> Answer:
        """Have an effect once for a key; the answer that is kept is sealed."""

        async def sealed(conn: Conn) -> Answer:
            answer = await effect(conn)
            return replace(answer, body=self._vault.seal(answer.body))

        answer = await once(self._pool, scope, body, sealed)
        try:
            return replace(answer, body=self._vault.open(answer.body))
        except VaultError:
            text = (
                "What was answered to this Idempotency-Key cannot be read any more: the key that sealed it is gone. "
                "Nothing was done again; rotate-secret gives a new secret."
            )
            raise Conflict(text) from None

    def _changeable(self, wanted: Wanted, there: Mapping[str, Any]) -> Changeable:
        """Make what is stored; `there` are the headers as they are."""
        kept = {name.lower(): value for name, value in there.items()}
        headers = {n: kept[n.lower()] if v is None else v for n, v in wanted.headers.items()}
        return Changeable(
            url=wanted.url,
            settings=wanted.settings,
            description=wanted.description,
            types=wanted.types,
            provider=wanted.provider,
            model=wanted.model,
            labels=wanted.labels,
            condition=wanted.condition,
            format=wanted.format,
            batch_size=wanted.batch_size,
            headers=self._sealed(headers or None),
            header_names=list(headers),
            credentials=self._sealed(wanted.credentials),
            concurrency=wanted.concurrency,
            rate_per_minute=wanted.rate_per_minute,
            timeout_s=wanted.timeout_s,
            include_request=wanted.include_request,
            handshake=wanted.handshake,
            enabled=wanted.enabled,
        )

    def _signing(self, secret: bytes | None, seed: bytes | None) -> Signing:
        return Signing(
            None if secret is None else self._vault.seal(secret),
            None if seed is None else self._vault.seal(seed),
            None if seed is None else public_key(seed),
        )

    def _signing_of(self, row: Record, *, v1a: bool) -> Signing:
        """Keep the key pair, make the first one, or forget it."""
        if v1a and row["signing_key"] is not None:
            return Signing(None, row["signing_key"], row["public_key"])
        return self._signing(None, new_private_key() if v1a else None)

    def _sealed(self, value: Mapping[str, object] | None) -> bytes | None:
        return None if value is None else self._vault.seal(orjson.dumps(value))

    def _opened(self, sealed: bytes | None) -> dict[str, Any] | None:
        if sealed is None:
            return None
        opened: dict[str, Any] = orjson.loads(self._vault.open(sealed))
        return opened


async def _reopened(conn: Conn, subscription_id: UUID) -> Record:
    """Let a target begin anew that was enabled again, or leads elsewhere now."""
    await lanes.reset(conn, subscription_id)
    return await subscriptions.reopen(conn, subscription_id)


def _leads_elsewhere(row: Record, credentials: Mapping[str, Any] | None, wanted: Wanted) -> bool:
    before = (row["url"], json.loads(row["settings"]), credentials)
    return before != (wanted.url, wanted.settings, wanted.credentials)


def _with_secret(status: int, row: Record, raw: bytes | None) -> Answer:
    secret = None if raw is None else format_secret(raw)
    shown = orjson.dumps(subscription_view(row) | {"secret": secret})
    return Answer(status, f"/v1/subscriptions/{row['id']}", shown)
