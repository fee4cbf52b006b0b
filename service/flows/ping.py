"""A side door: sends a `callboard.test` event to one subscription, now, and says what came back.

It goes straight to the sink: no delivery is written, nothing is tried again, its lane and its limits are not asked, and
a disabled subscription gets it too. It is in no feed and on no timeline, because nothing happened: it is between who
asked and the receiver.
"""

import asyncio
from collections.abc import Mapping
from uuid import UUID

import orjson
import structlog

from service.core.errors import NotFound, Unavailable
from service.core.event import StoredEvent
from service.flows.handshake import Handshake
from service.flows.outgoing import Packing
from service.flows.shares import Usual
from service.ports import Dice, Sent, Sink
from service.store import subscriptions
from service.store.pool import Pool, Record, connection
from service.vault import Vault, VaultError

log = structlog.get_logger()

TEST = "callboard.test"
SHOWN_BYTES = 4096


class Ping:
    """Tries subscriptions out."""

    def __init__(
        self,
        pool: Pool,
        dice: Dice,
        vault: Vault,
        sinks: Mapping[str, Sink],
        *,
        source: str,
        timeout_s: float,
        public_url: str | None = None,
    ) -> None:
        own = public_url or source
        self._pool = pool
        self._dice = dice
        self._packing = Packing(pool, dice, vault, Usual(1, timeout_s, 0.0), public_url=own)
        self._handshake = Handshake(pool, own)
        self._sinks = sinks
        self._source = source

    async def send(self, tenant: str, subscription_id: UUID) -> dict[str, object]:
        """Send a test and wait for what comes of it; raises NotFound for a subscription that is none."""
        async with connection(self._pool) as conn:
            row = await subscriptions.get(conn, tenant, subscription_id)
        if row is None:
            raise NotFound("There is no such subscription.")
        event_id = self._dice.uuid()
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent = await self._attempt(row, event_id)
        took_ms = int((loop.time() - began) * 1000)
        log.info(
            "subscription.tested",
            subscription_id=str(subscription_id),
            event_id=str(event_id),
            status=sent.status,
            error=sent.error,
            duration_ms=took_ms,
        )
        return {
            "ok": sent.ok,
            "status": sent.status,
            "error": None if sent.ok else sent.error or "failed",
            "durationMs": took_ms,
            "address": sent.address,
            "response": sent.response[:SHOWN_BYTES].decode("utf-8", "replace"),
            "eventId": str(event_id),
        }

    async def _attempt(self, row: Record, event_id: UUID) -> Sent:
        sink = self._sinks.get(row["kind"])
        if sink is None:
            return Sent(ok=False, error="unknown_kind")
        data = orjson.dumps({"subscriptionId": str(row["id"])})
        event = StoredEvent(event_id, self._source, TEST, row["id"], row["now"], 1, data)
        try:
            asked = dict(row) | {"subscription_id": row["id"]}
            packed = await self._packing.pack_event(asked, event, sink.max_bytes)
            return await self._handshake.send(asked, sink, packed.target, packed.event)
        except VaultError:
            log.exception("event.secret_unreadable", subscription_id=str(row["id"]))
            return Sent(ok=False, error="secret_unreadable")
        except Unavailable:
            raise
        except Exception:
            # A sink never raises; if one does, who asked is told all the same.
            log.exception("event.send_broke", event_id=str(event_id))
            return Sent(ok=False, error="internal")
