"""The only code that writes events, with what goes out for them; only who decides that they happen may import it.

Those are `flows.apply`, for tasks, `flows.conclude`, for batches, and `flows.disable`, for subscriptions.
"""

from collections.abc import Sequence
from datetime import datetime

from service.store.events import NewDelivery, NewEvent
from service.store.pool import Conn
from service.store.queries import load

SQL = load("outbox")


async def write(
    conn: Conn,
    at: datetime,
    source: str,
    events: Sequence[NewEvent],
    deliveries: Sequence[NewDelivery],
) -> None:
    """Write events and what goes out for them; both keep the order given."""
    await conn.execute(
        SQL["insert_events"],
        at,
        source,
        [e.id for e in events],
        [e.tenant for e in events],
        [e.type for e in events],
        [e.task_uuid for e in events],
        [e.sequence for e in events],
        [e.data for e in events],
    )
    if deliveries:
        await conn.execute(
            SQL["insert_deliveries"],
            at,
            [d.tenant for d in deliveries],
            [d.event_id for d in deliveries],
            [d.task_uuid for d in deliveries],
            [d.subscription_id for d in deliveries],
            [d.subscription_id or d.task_uuid for d in deliveries],
            ["held" if d.held else "pending" for d in deliveries],
            [d.lane for d in deliveries],
        )
