"""The end of a batch: one `batch.completed`, after the last event of its tasks, exactly once.

Exactly once, because the event is written in the transaction that sets `finished_at`, under the batch's lock and
guarded by its being unset: whoever is killed before the commit did nothing, whoever comes second finds nothing.

Nothing joins a batch that has no open task (a fallback is written in the commit that ends the task before it), so
what was found ended stays so.

After all events of its tasks, for every reader of the feed: the feed is ordered by (xid, seq), and a transaction
gets its xid with its first write. Batches are looked for by a statement of its own that writes nothing; what it saw
was committed, so those xids were given out before it began. The transaction that announces begins after it, so
its xid is greater than all of them. Looking inside that transaction would not do: with an xid of its own already,
it could see the commit of a task whose xid is greater, and a reader that was past this event's place would be shown
the tasks' last events after it.
"""

from dataclasses import replace
from uuid import UUID

import orjson
import structlog

from service.core.errors import Unavailable
from service.core.event import BATCH_COMPLETED
from service.flows.fanout import Fanout
from service.flows.matching import deliveries_of
from service.flows.views import Views
from service.flows.wake import Topic, Wake
from service.ports import Dice
from service.store import batches, outbox
from service.store.events import NewEvent
from service.store.pool import Pool, connection, transaction

log = structlog.get_logger()


class Conclude:
    """Announces batches whose tasks are all final."""

    def __init__(self, pool: Pool, wake: Wake, dice: Dice, fanout: Fanout, views: Views) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._fanout = fanout
        self._views = views

    async def run_once(self, limit: int = 20) -> int:
        """Announce batches that ended; gives how many. One that fails keeps nobody from the others."""
        async with connection(self._pool) as conn:
            ended = await batches.ended(conn, limit)
        return sum([await self._or_log(batch_id) for batch_id in ended])

    async def _or_log(self, batch_id: UUID) -> bool:
        try:
            return await self.announce(batch_id)
        except Unavailable:
            raise
        except Exception:
            log.exception("batch.not_concluded", batch_id=str(batch_id))
            return False

    async def announce(self, batch_id: UUID) -> bool:
        """Write the event of a batch that was found ended; false when another process does, or did."""
        async with transaction(self._pool) as conn:
            locked = await batches.lock_running(conn, batch_id)
            if locked is None:
                return False
            batch = replace(locked.batch, finished_at=locked.now)
            (view,) = await self._views.batches(conn, [batch])
            event = NewEvent(
                self._dice.uuid(), batch.tenant, BATCH_COMPLETED, batch.id, 1, orjson.dumps(view)
            )
            if not await batches.finish(conn, batch.id, locked.now, event.id):
                return False
            out = await deliveries_of(conn, event)
            await outbox.write(conn, locked.now, self._fanout.source, [event], out)
        self._wake.ring([Topic.DELIVER, Topic.EVENTS])
        log.info("batch.completed", batch_id=str(batch_id), tasks=batch.total)
        return True
