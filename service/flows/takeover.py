"""A side door: what processes of this host, known dead, left behind goes on at once, not at its lease's end.

Only a process whose pid can be looked up is known dead: same boot, same pid namespace, and nobody has its pid, or
somebody younger has. A frozen one has its pid and keeps its leases to their end. Should a live one be taken for dead
after all, nothing is paid twice: without its lease it begins no send, and what it was sending becomes an unknown
outcome, which is read before anything else and sent again only past the call's time limit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from service.core.states import State
from service.store import archives, workers
from service.store.pool import Pool, transaction
from service.store.workers import Worker

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Taken:
    """How much was let go: processes, tasks that can be claimed at once, sends of unknown outcome, deliveries, files."""

    workers: int = 0
    tasks: int = 0
    sends: int = 0
    deliveries: int = 0
    archives: int = 0


class Takeover:
    """Ends the leases of dead processes of this host; `dead` says of one whether it certainly is."""

    def __init__(self, pool: Pool, me: Worker, dead: Callable[[Worker], bool]) -> None:
        self._pool = pool
        self._me = me
        self._dead = dead

    async def run_once(self) -> Taken:
        """Let go of what dead processes held; gives how much. Of two that start at once, one does it."""
        if self._me.host is None:
            return Taken()
        async with transaction(self._pool) as conn:
            here = [s.worker for s in await workers.seen(conn, self._me.host)]
            dead = [w.worker for w in here if w.worker != self._me.worker and self._dead(w)]
            gone = await workers.remove(conn, dead) if dead else []
            if not gone:
                return Taken()
            ended = await workers.end_leases(conn, gone)
            deliveries = await workers.end_deliveries(conn, gone)
            fetches = await archives.end(conn, gone)
        sends = sum(r["state"] == State.SUBMITTING for r in ended)
        taken = Taken(len(gone), len(ended) - sends, sends, len(deliveries), fetches)
        log.warning(
            "takeover.done",
            workers=[str(w) for w in gone],
            tasks=taken.tasks,
            sends=taken.sends,
            deliveries=taken.deliveries,
            archives=taken.archives,
        )
        return taken
