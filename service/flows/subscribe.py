"""A side door: subscriptions, and the secret that signs what goes to a notifyURL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from service.core.errors import NotFound
from service.core.signing import format_secret
from service.flows import cursors
from service.flows.look import Rows
from service.ports import Dice
from service.store import subscriptions
from service.store.pool import Pool, Record, connection, transaction
from service.store.subscriptions import NewSubscription
from service.vault import Vault

SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription whose fields are valid."""

    kind: str
    url: str | None
    settings: Mapping[str, object]
    types: Sequence[str]
    provider: str | None
    labels: Mapping[str, str]
    format: str
    include_request: bool


class Subscribe:
    """Creates, lists and deletes subscriptions."""

    def __init__(self, pool: Pool, dice: Dice, vault: Vault) -> None:
        self._pool = pool
        self._dice = dice
        self._vault = vault

    async def create(self, tenant: str, wanted: Wanted) -> tuple[Record, str | None]:
        """Make a subscription; its secret is given back this once.

        It misses no event that is written after this returns.
        """
        raw = self._dice.secret(SECRET_BYTES) if wanted.kind == "webhook" else None
        new = NewSubscription(
            self._dice.uuid(),
            tenant,
            wanted.kind,
            wanted.url,
            wanted.settings,
            wanted.types,
            wanted.provider,
            wanted.labels,
            wanted.format,
            wanted.include_request,
            None if raw is None else self._vault.seal(raw),
        )
        async with transaction(self._pool) as conn:
            await subscriptions.fence(conn)
            row = await subscriptions.insert(conn, new)
        return row, None if raw is None else format_secret(raw)

    async def page(self, tenant: str, cursor: str | None, limit: int) -> Rows:
        """List subscriptions, oldest first."""
        after = None
        if cursor:
            at, last = cursors.decode(cursor, 2)
            after = (cursors.moment(at), cursors.identifier(last))
        async with connection(self._pool) as conn:
            found = await subscriptions.page(conn, tenant, after, limit)
        more = len(found) == limit
        following = cursors.encode(found[-1]["created_at"], found[-1]["id"]) if more else None
        return Rows(found, following)

    async def get(self, tenant: str, subscription_id: UUID) -> Record:
        """Load a subscription."""
        async with connection(self._pool) as conn:
            found = await subscriptions.get(conn, tenant, subscription_id)
        if found is None:
            raise NotFound("There is no such subscription.")
        return found

    async def delete(self, tenant: str, subscription_id: UUID) -> None:
        """Delete a subscription; nothing is sent to it that is written after this returns."""
        async with transaction(self._pool) as conn:
            await subscriptions.fence(conn)
            if not await subscriptions.delete(conn, tenant, subscription_id):
                raise NotFound("There is no such subscription.")

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
