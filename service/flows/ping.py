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
from service.flows.outgoing import outgoing_of, target_of
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
    ) -> None:
        self._pool = pool
        self._dice = dice
        self._vault = vault
        self._sinks = sinks
        self._source = source
        self._timeout_s = timeout_s

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
            target = target_of(row, self._vault, self._timeout_s)
            return await sink.send(target, outgoing_of(row, event, self._vault))
        except VaultError:
            log.exception("event.secret_unreadable", subscription_id=str(row["id"]))
            return Sent(ok=False, error="secret_unreadable")
        except Unavailable:
            raise
        except Exception:
            # A sink never raises; if one does, who asked is told all the same.
            log.exception("event.send_broke", event_id=str(event_id))
            return Sent(ok=False, error="internal")
