"""A side door of step 3: apply the callbacks that were stored unapplied."""

from collections.abc import Sequence

import structlog

from service.core.states import CallbackOutcome
from service.flows.apply import Apply
from service.flows.receive import Incoming, Receive, settle
from service.ports import RawCallback
from service.store import callbacks
from service.store.callbacks import Settled
from service.store.pool import Pool, Record, transaction

log = structlog.get_logger()

MOST_TRIES = 20
"""A callback that failed this often stays `pending` for a person to look at; its task is polled anyway."""


class Pending:
    """Applies what waits in the inbox."""

    def __init__(self, pool: Pool, apply: Apply, receive: Receive) -> None:
        self._pool = pool
        self._apply = apply
        self._receive = receive

    async def run_once(self, limit: int = 100) -> int:
        """Apply a group of pending callbacks; gives how many were settled.

        When the group fails, each is tried by itself, so that a poisonous one wedges nobody.
        """
        try:
            return await self._group(limit)
        except Exception:
            log.exception("callbacks.pending_group_failed")
        settled = 0
        for _ in range(limit):
            done = await self._single()
            if done is None:
                break
            settled += done
        return settled

    async def _group(self, limit: int) -> int:
        async with transaction(self._pool) as conn:
            rows = await callbacks.claim_pending(conn, limit, MOST_TRIES)
            if not rows:
                return 0
            group = [self._open(r) for r in rows]
            outcomes, applied = await settle(conn, self._apply, group, skip_locked=False)
            await callbacks.settle(conn, _settled(rows, group, outcomes))
        self._apply.tell(applied)
        return sum(o is not CallbackOutcome.PENDING for o in outcomes)

    async def _single(self) -> int | None:
        """Apply the oldest pending callback; none when nothing is left, 0 when it failed."""
        async with transaction(self._pool) as conn:
            rows = await callbacks.claim_pending(conn, 1, MOST_TRIES)
            if not rows:
                return None
            group = [self._open(rows[0])]
            try:
                async with conn.transaction():
                    outcomes, applied = await settle(conn, self._apply, group, skip_locked=False)
            except Exception:
                log.exception("callback.poisonous", callback_id=rows[0]["id"])
                outcomes, applied = [CallbackOutcome.PENDING], []
            await callbacks.settle(conn, _settled(rows, group, outcomes))
        self._apply.tell(applied)
        return sum(o is not CallbackOutcome.PENDING for o in outcomes)

    def _open(self, row: Record) -> Incoming:
        call = RawCallback(row["task_uuid"], row["body"], callbacks.headers_of(row))
        return self._receive.open(row["provider"], call)


def _settled(
    rows: Sequence[Record], group: Sequence[Incoming], outcomes: Sequence[CallbackOutcome]
) -> list[Settled]:
    return [
        Settled(row["received_at"], row["id"], outcome, incoming.opened.detail)
        for row, incoming, outcome in zip(rows, group, outcomes, strict=True)
    ]
