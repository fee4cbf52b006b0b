"""A side door: deliveries as they are looked at, one that is sent again, and replays of many.

A replay is only begun, shown and canceled here; `flows.replay` does its work.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from service.core.delivery_id import decode, encode
from service.core.errors import (
    Conflict,
    Erased,
    FieldError,
    Invalid,
    NotFound,
    ReplayRunning,
    SubscriptionDisabled,
)
from service.core.event import matches
from service.core.signing import format_secret
from service.flows import cursors
from service.flows.idempotent import Answer, once
from service.flows.look import Shown
from service.flows.subscribe import SECRET_BYTES
from service.flows.wake import Topic, Wake
from service.ports import Dice
from service.store import delivery_lists, erasure, replays, subscriptions, tenants, upkeep
from service.store.delivery_lists import Key, Narrowed
from service.store.keys import Scope
from service.store.pool import Conn, Pool, Record, connection
from service.store.replays import NewReplay
from service.vault import Vault
from service.wire.again import attempt_view, delivery_view, replay_view
from service.wire.api import rfc3339

STATES = ("pending", "sending", "delivered", "failed", "held", "canceled")
"""Of a delivery."""
MOST_LOOKED = 1000
"""How many deliveries one page of a list by type looks through: the page may be short, and goes on at its cursor."""
MOST_ATTEMPTS = 200
"""Ten are made by the schedule; the rest by hand."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""How far ahead of the database's clock a replay may end; it ends now then."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A replay that is asked for."""

    since: datetime
    until: datetime | None
    state: str
    types: Sequence[str] | None
    rate: int | None


@dataclass(frozen=True, slots=True)
class AgainPolicy:
    """The limits of what is sent again; both are settings."""

    retention_days: int
    rate: int
    """Deliveries a second of a replay that names no rate."""


def narrowed_to(
    target: UUID | None, task_uuid: UUID | None, event_id: UUID | None, states: Sequence[str]
) -> Narrowed:
    """Say what a list of deliveries is narrowed to; the same state twice counts once."""
    return Narrowed(target, task_uuid, event_id, tuple(dict.fromkeys(states)))


class Again:
    """Shows deliveries, and sends them again."""

    def __init__(
        self, pool: Pool, wake: Wake, dice: Dice, vault: Vault, policy: AgainPolicy
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._vault = vault
        self._policy = policy

    async def deliveries(
        self,
        tenant: str,
        narrowed: Narrowed,
        types: Sequence[str] | None,
        cursor: str | None,
        limit: int,
    ) -> Shown:
        """List deliveries, newest first. With `types` a page may hold less than there is room for."""
        before = _place(cursor)
        look = limit if types is None else max(limit, MOST_LOOKED)
        async with connection(self._pool) as conn:
            looked = await delivery_lists.keys(conn, tenant, narrowed, before, look)
            rows = await delivery_lists.show(conn, tenant, looked)
        fitting = [r for r in rows if types is None or matches(types, r["type"])]
        shown = fitting[:limit]
        # Without a row the target is another tenant's: nothing of it is told, its cursor neither.
        last: Key | None = looked[-1] if len(looked) == look and rows else None
        if len(fitting) > limit:
            last = Key(shown[-1]["created_at"], shown[-1]["id"])
        return Shown([delivery_view(r) for r in shown], cursors.encode(*last) if last else None)

    async def deliveries_to(
        self,
        tenant: str,
        narrowed: Narrowed,
        types: Sequence[str] | None,
        cursor: str | None,
        limit: int,
    ) -> Shown:
        """List the deliveries of one subscription; raises NotFound when there is none."""
        async with connection(self._pool) as conn:
            await _own(conn, tenant, narrowed.target)
        return await self.deliveries(tenant, narrowed, types, cursor, limit)

    async def delivery(self, tenant: str, name: str) -> dict[str, object]:
        """Show a delivery with its attempts."""
        async with connection(self._pool) as conn:
            return await _shown(conn, tenant, _key(name))

    async def retry(self, tenant: str, name: str, scope: Scope | None) -> Answer:
        """Send a delivery now, whatever became of it.

        Raises Conflict while it is being sent, or when its subscription is disabled or deleted; Erased when its
        task is gone.
        """
        key = _key(name)

        async def effect(conn: Conn) -> Answer:
            row = await self._lock_ended(conn, tenant, key)
            await delivery_lists.retry(conn, key)
            body = orjson.dumps(await _shown(conn, tenant, key))
            return Answer(202, f"/v1/deliveries/{name}", body, tasks=(row["task_uuid"],))

        answer = await once(self._pool, scope, {}, effect)
        self._wake.ring([Topic.DELIVER])
        return answer

    async def _lock_ended(self, conn: Conn, tenant: str, key: Key) -> Record:
        row = await delivery_lists.lock(conn, tenant, key)
        if row is None:
            raise NotFound("There is no such delivery.")
        # After the lock: an erasure is seen here, or finds the delivery pending and cancels it.
        if await erasure.erased_of(conn, row["task_uuid"]) is not None:
            raise Erased("The task of this delivery was erased; nothing of it can be sent.")
        if row["state"] == "sending":
            raise Conflict("The delivery is being sent just now; look at it again in a moment.")
        if row["subscription_id"] is not None:
            found = await subscriptions.get(conn, tenant, row["subscription_id"])
            if found is None:
                raise Conflict("The subscription of this delivery was deleted.")
            if not found["enabled"]:
                raise SubscriptionDisabled
        return row

    async def replay(
        self, tenant: str, subscription_id: UUID, wanted: Wanted, scope: Scope | None, body: object
    ) -> Answer:
        """Begin a replay of a subscription; only one at a time runs, the others are refused."""

        async def effect(conn: Conn) -> Answer:
            found = await _own(conn, tenant, subscription_id)
            now = await upkeep.clock(conn)
            oldest = await replays.oldest_kept(conn, self._policy.retention_days)
            since, until = _range(wanted, now, oldest)
            if not found["enabled"]:
                raise SubscriptionDisabled
            new = NewReplay(
                self._dice.uuid(),
                tenant,
                subscription_id,
                since,
                until,
                wanted.state,
                wanted.types,
                wanted.rate or self._policy.rate,
            )
            row = await replays.insert(conn, new, now)
            if row is None:
                running = await replays.running(conn, subscription_id)
                text = f"The replay {running} of this subscription is running; wait for it, or cancel it."
                raise ReplayRunning(text)
            (view,) = await _replays(conn, [row])
            return Answer(202, f"/v1/replays/{new.id}", orjson.dumps(view))

        return await once(self._pool, scope, body, effect)

    async def show_replay(self, tenant: str, replay_id: UUID) -> dict[str, object]:
        """Show how far a replay is."""
        async with connection(self._pool) as conn:
            found = await replays.get(conn, tenant, replay_id)
            if found is None:
                raise NotFound("There is no such replay.")
            return (await _replays(conn, [found]))[0]

    async def replays(
        self, tenant: str, subscription_id: UUID, cursor: str | None, limit: int
    ) -> Shown:
        """List the replays of a subscription, newest first."""
        before = cursors.integers(cursor, 1)[0] if cursor else None
        async with connection(self._pool) as conn:
            await _own(conn, tenant, subscription_id)
            found = await replays.page(conn, tenant, subscription_id, before, limit)
            items = await _replays(conn, found)
        more = len(found) == limit
        return Shown(items, cursors.encode(found[-1]["seq"]) if more else None)

    async def cancel_replay(self, tenant: str, replay_id: UUID) -> dict[str, object]:
        """Stop a replay: it queues no more. What it queued already is still sent.

        Raises Conflict when it is completed; one that was canceled stays so.
        """
        async with connection(self._pool) as conn:
            canceled = await replays.cancel(conn, tenant, replay_id)
        shown = await self.show_replay(tenant, replay_id)
        if not canceled and shown["state"] == "completed":
            raise Conflict("The replay is completed: all that it matched was queued.")
        return shown

    async def rotate_signing_secret(
        self, tenant: str, overlap_s: float
    ) -> tuple[str, datetime | None]:
        """Give the tenant a new default secret; gives it, and until when the one before signs too."""
        raw = self._dice.secret(SECRET_BYTES)
        async with connection(self._pool) as conn:
            sealed = self._vault.seal(raw)
            until = await tenants.rotate_signing_secret(conn, tenant, sealed, overlap_s)
        return format_secret(raw), until


async def _own(conn: Conn, tenant: str, subscription_id: UUID | None) -> Record:
    found = None
    if subscription_id is not None:
        found = await subscriptions.get(conn, tenant, subscription_id)
    if found is None:
        raise NotFound("There is no such subscription.")
    return found


async def _shown(conn: Conn, tenant: str, key: Key) -> dict[str, object]:
    rows = await delivery_lists.show(conn, tenant, [key])
    if not rows:
        raise NotFound("There is no such delivery.")
    attempts = await delivery_lists.attempts(conn, rows[0]["task_uuid"], key.id, MOST_ATTEMPTS)
    log = [attempt_view(a) for a in attempts]
    return delivery_view(rows[0]) | {"attemptLog": log}


async def _replays(conn: Conn, rows: Sequence[Record]) -> list[dict[str, object]]:
    counts = await replays.counts(conn, rows)
    return [replay_view(r, asdict(counts[r["id"]])) for r in rows]


def _range(wanted: Wanted, now: datetime, oldest: datetime) -> tuple[datetime, datetime]:
    """Check the range of a replay; raises Invalid with every fault of it."""
    faults: list[FieldError] = []
    until = wanted.until or now
    if until > now + CLOCKS_DIFFER:
        faults.append(FieldError("/until", f"Should not be in the future; it is {rfc3339(now)}"))
    until = min(until, now)
    if wanted.since >= until:
        faults.append(FieldError("/since", "Should be before until, which is now when not given"))
    elif wanted.since < oldest:
        text = f"Older events are no longer kept: the earliest possible time is {rfc3339(oldest)}"
        faults.append(FieldError("/since", text))
    if faults:
        raise Invalid(errors=tuple(faults))
    return wanted.since, until


def _key(name: str) -> Key:
    """Read the name of a delivery; raises NotFound for anything else, for nothing has such a name."""
    found = decode(name)
    if found is None or encode(*found) != name:
        raise NotFound("There is no such delivery.")
    return Key(*found)


def _place(cursor: str | None) -> Key | None:
    if not cursor:
        return None
    at, last = cursors.decode(cursor, 2)
    return Key(cursors.moment(at), cursors.whole(last))
