"""A subscription that is gone, or has failed for days, is disabled, and the others are told.

The event, its deliveries and the change commit together. It goes to the other subscriptions of the tenant, to the
feed and to the log; for 410 too: whoever runs the target may not know that it says so.
"""

from datetime import timedelta
from uuid import UUID

import structlog

from service.core.event import SUBSCRIPTION_DISABLED
from service.flows.matching import deliveries_of
from service.flows.wake import Topic, Wake
from service.ports import Dice, Sent
from service.store import outbox, subscriptions
from service.store.events import NewEvent
from service.store.pool import Conn, Pool, Record, transaction
from service.wire.events import disabled_data

log = structlog.get_logger()
GONE, FAILING = "gone", "failing"


class Disable:
    """Disables subscriptions."""

    def __init__(
        self, pool: Pool, dice: Dice, source: str, after: timedelta, wake: Wake | None
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._source = source
        self._after = after

    async def run(self, subscription_id: UUID, sent: Sent) -> bool:
        """Disable a subscription whose target says that it is gone, or that has failed for too long.

        False when neither is so any more, or somebody else did it.
        """
        async with transaction(self._pool) as conn:
            locked = await subscriptions.lock_enabled(conn, subscription_id)
            reason = None if locked is None else self._reason(locked, sent)
            if reason is None:
                return False
            row = await subscriptions.disable(conn, subscription_id, reason)
            if row is None:
                return False
            await self._tell(conn, row, sent)
        if self._wake is not None:
            self._wake.ring([Topic.DELIVER, Topic.EVENTS])
        log.warning(
            "subscription.disabled",
            subscription_id=str(subscription_id),
            reason=reason,
            status=sent.status,
            error=sent.error,
        )
        return True

    def _reason(self, locked: Record, sent: Sent) -> str | None:
        if sent.gone:
            return GONE
        since = locked["lane_failing_since"]
        return FAILING if since is not None and since + self._after <= locked["now"] else None

    async def _tell(self, conn: Conn, row: Record, sent: Sent) -> None:
        data = disabled_data(dict(row), sent.status, sent.error)
        sequence = row["event_sequence"]
        event = NewEvent(
            self._dice.uuid(), row["tenant"], SUBSCRIPTION_DISABLED, row["id"], sequence, data
        )
        out = [d for d in await deliveries_of(conn, event) if d.subscription_id != row["id"]]
        await outbox.write(conn, row["disabled_at"], self._source, [event], out)
