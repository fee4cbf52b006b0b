"""A side door of step 3: callbacks that came without their task are applied when it appears.

A task appears behind our back: rows are brought back after a restore, or its taskUUID is submitted again. Only
the loop looks, not `accept`: taskUUIDs are made here, nearly always, and a look by task in each of the inbox's
daily partitions would be paid by every submission for what happens after a disaster.
"""

import structlog

from service.flows.wake import Topic, Wake
from service.store import callbacks
from service.store.pool import Pool, connection

log = structlog.get_logger()

AT_ONCE = 1000
"""How many orphans one step looks at: an index scan and as many look-ups of a key, some milliseconds."""


class Orphans:
    """Matches orphans with tasks that appeared, a part of them each time."""

    def __init__(self, pool: Pool, wake: Wake) -> None:
        self._pool = pool
        self._wake = wake
        # Where the last step ended. A process that forgets it begins anew: nothing depends on it.
        self._after_id = 0

    async def run_once(self, limit: int = AT_ONCE) -> int:
        """Look through the next orphans, from the oldest on again after the newest; gives how many matched."""
        async with connection(self._pool) as conn:
            looked = await callbacks.match_orphans(conn, self._after_id, limit)
        self._after_id = looked.last_id if looked.last_id and looked.seen == limit else 0
        if looked.matched:
            log.info("callbacks.orphans_matched", count=looked.matched)
            self._wake.ring([Topic.CALLBACKS])
        return looked.matched
