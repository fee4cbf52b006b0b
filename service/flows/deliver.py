"""Step 5: claim deliveries, send them, record what came back.

The bytes of an event are the same on every attempt; only time stamp and signature are new. A delivery of a task
waits for the earlier ones of the same task and target; every target has its share of what is under way, so a
slow receiver delays nobody else.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from service.core.errors import Unavailable
from service.core.event import StoredEvent
from service.core.retry import delivery_wait
from service.flows.floor import USUAL, Floor, FloorPolicy
from service.flows.subscribe import SECRET_BYTES
from service.ports import Dice, Outgoing, Sent, Sink, Target
from service.store import deliveries, subscriptions, workers
from service.store.deliveries import Attempt
from service.store.pool import Pool, Record, connection
from service.vault import Vault, VaultError
from service.wire.events import CONTENT_TYPE, envelope, with_request

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The limits of deliveries; every one is a setting."""

    waits: tuple[timedelta, ...]
    timeout_s: float
    lease_s: float
    per_target: int
    """How many deliveries of one target may be under way here at once."""
    floor: FloorPolicy = USUAL


class Deliver:
    """Sends events to where they are wanted."""

    def __init__(
        self,
        pool: Pool,
        dice: Dice,
        vault: Vault,
        sinks: Mapping[str, Sink],
        policy: DeliveryPolicy,
        *,
        worker: UUID | None = None,
    ) -> None:
        self._pool = pool
        self._dice = dice
        self._vault = vault
        self._sinks = sinks
        self._policy = policy
        self._floor = Floor(policy.floor, deliveries.floor)
        self._worker = worker
        self._under_way: Counter[UUID] = Counter()
        self.attempts: Counter[tuple[str]] = Counter()

    async def claim(self, limit: int) -> list[Record]:
        """Claim deliveries that are due, leaving targets alone that have their share."""
        claimed: list[Record] = []
        under_way = self._under_way.copy()
        share = self._policy.per_target
        async with connection(self._pool) as conn:
            floor = await self._floor.next(conn)
            while len(claimed) < limit:
                room = limit - len(claimed)
                lease_s = self._policy.lease_s
                more = await deliveries.claim(
                    conn, room, lease_s, under_way, share, owner=self._worker, floor=floor
                )
                claimed += more
                under_way.update(row["target"] for row in more)
                # A target that reached its share may have stood in the way of others.
                if all(under_way[row["target"]] < share for row in more):
                    break
        self._under_way.update(row["target"] for row in claimed)
        return claimed

    async def work(self, row: Record) -> None:
        """Make one attempt and record it."""
        try:
            await self._attempt(row)
        finally:
            self._done_with(row)

    async def release(self, claimed: Sequence[Record]) -> None:
        """Give back claims that were not sent (a drain)."""
        for row in claimed:
            self._done_with(row)
        async with connection(self._pool) as conn:
            await workers.release_deliveries(conn, claimed)

    def _done_with(self, row: Record) -> None:
        self._under_way[row["target"]] -= 1
        self._under_way += Counter()

    async def rescue(self) -> int:
        """Give back what ended senders left; gives how many."""
        async with connection(self._pool) as conn:
            return await deliveries.rescue(conn)

    async def _attempt(self, row: Record) -> None:
        if row["deleted"] or row["enabled"] is False:
            await self._put_away(row)
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent = await self._try(row)
        took_ms = int((loop.time() - began) * 1000)
        attempt = self._judge(row, sent, took_ms)
        async with connection(self._pool) as conn:
            recorded = await deliveries.record(conn, row, attempt)
            if sent.gone and row["subscription_id"] is not None:
                await subscriptions.disable(conn, row["subscription_id"])
        self.attempts[("ok" if sent.ok else "failed",)] += 1
        log.info(
            "event.delivered" if sent.ok else "event.not_delivered",
            event_id=str(row["event_id"]),
            event_type=row["type"],
            task_id=str(row["task_uuid"]),
            subscription_id=str(row["subscription_id"]) if row["subscription_id"] else None,
            attempt=row["attempts"],
            status=sent.status,
            error=sent.error,
            duration_ms=took_ms,
            recorded=recorded,
        )

    async def _put_away(self, row: Record) -> None:
        """Keep what is not to be sent now: its subscription ended, or was disabled, since it was written."""
        state, why = ("canceled", "deleted") if row["deleted"] else ("held", "disabled")
        attempt = Attempt(state, None, None, f"subscription_{why}", 0, b"")
        async with connection(self._pool) as conn:
            await deliveries.record(conn, row, attempt)

    def _judge(self, row: Record, sent: Sent, took_ms: int) -> Attempt:
        wait: timedelta | None = None
        if sent.ok:
            state = "delivered"
        elif sent.gone:
            state = "failed"
        else:
            after = None if sent.retry_after_s is None else timedelta(seconds=sent.retry_after_s)
            tries = row["attempts"] - row["tries_since"]
            wait = delivery_wait(tries, after, self._dice.jitter(), self._policy.waits)
            state = "failed" if wait is None else "pending"
        wait_s = None if wait is None else wait.total_seconds()
        error = None if sent.ok else sent.error or "failed"
        return Attempt(state, wait_s, sent.status, error, took_ms, sent.response)

    async def _try(self, row: Record) -> Sent:
        try:
            return await self._send(row)
        except VaultError:
            log.exception("event.secret_unreadable", subscription_id=str(row["subscription_id"]))
            return Sent(ok=False, error="secret_unreadable")
        except Unavailable:
            raise
        except Exception:
            # A sink never raises; if one does, its deliveries still have to reach their end.
            log.exception("event.send_broke", event_id=str(row["event_id"]))
            return Sent(ok=False, error="internal")

    async def _send(self, row: Record) -> Sent:
        subscribed = row["subscription_id"] is not None
        url = row["url"] if subscribed else row["notify_url"]
        kind = row["kind"] if subscribed else "webhook"
        sink = self._sinks.get(kind)
        if sink is None:
            return Sent(ok=False, error="unknown_kind")
        settings = json.loads(row["settings"]) if subscribed else {}
        target = Target(kind, url, settings, self._policy.timeout_s)
        return await sink.send(target, self._outgoing(row, await self._secrets(row)))

    def _outgoing(self, row: Record, secrets: tuple[bytes, ...]) -> Outgoing:
        data: bytes = row["data"]
        if row["request"] is not None and row["type"].startswith("task."):
            data = with_request(data, row["request"].encode())
        stored = StoredEvent(
            row["event_id"],
            row["source"],
            row["type"],
            row["task_uuid"],
            row["created_at"],
            row["sequence"],
            data,
        )
        now: datetime = row["now"]
        return Outgoing(
            stored.id,
            stored.type,
            stored.subject,
            envelope(stored),
            CONTENT_TYPE,
            int(now.timestamp()),
            secrets,
        )

    async def _secrets(self, row: Record) -> tuple[bytes, ...]:
        """Open the secrets that sign: the present one, and the one before while it overlaps."""
        if row["subscription_id"] is not None:
            sealed, before, until = row["secret"], row["previous_secret"], row["previous_until"]
        else:
            sealed = row["signing_secret"] or await self._first_secret(row["tenant"])
            before, until = row["previous_signing_secret"], row["previous_signing_until"]
        overlaps = until is not None and until > row["now"]
        signing = (sealed, before if overlaps else None)
        return tuple(self._vault.open(s) for s in signing if s is not None)

    async def _first_secret(self, tenant: str) -> bytes:
        """Make the secret that a tenant's notifyURLs are signed with; nobody asked for it yet."""
        fresh = self._vault.seal(self._dice.secret(SECRET_BYTES))
        async with connection(self._pool) as conn:
            return await subscriptions.set_signing_secret(conn, tenant, fresh)
