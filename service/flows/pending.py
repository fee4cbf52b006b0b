"""A side door of step 3: apply the callbacks that were stored unapplied."""

from collections.abc import Sequence

import structlog

from service.core.errors import Unavailable
from service.core.states import CallbackOutcome
from service.flows.apply import Apply
from service.flows.receive import Incoming, Receive, settle
from service.ports import RawCallback
from service.store import callbacks
from service.store.callbacks import Settled
from service.store.pool import Busy, Conn, Pool, Record, limit_lock_wait, transaction

log = structlog.get_logger()

MOST_TRIES = 20
"""A callback that failed this often stays `pending` for a person to look at; its task is polled anyway."""
LOCK_WAIT_S = 1.0
"""How long a group waits for a locked task: as long, it keeps the others of the group locked."""


class Pending:
    """Applies what waits in the inbox."""

    def __init__(self, pool: Pool, apply: Apply, receive: Receive) -> None:
        self._pool = pool
        self._apply = apply
        self._receive = receive

    async def run_once(self, limit: int = 100) -> int:
        """Apply a group of pending callbacks; gives how many were settled.

        Tasks that stay locked are left out. When the group fails, each is tried by itself, so that a
        poisonous one wedges nobody.
        """
        for skip_locked in (False, True):
            try:
                return await self._group(limit, skip_locked=skip_locked)
            except Busy as error:
                log.warning("callbacks.pending_group_held_up", reason=error.detail)
            except Unavailable:
                raise
            except Exception:
                log.exception("callbacks.pending_group_failed")
                break
        return await self._one_by_one(limit)

    async def _group(self, limit: int, *, skip_locked: bool) -> int:
        async with transaction(self._pool) as conn:
            await limit_lock_wait(conn, LOCK_WAIT_S)
            rows = await callbacks.claim_pending(conn, limit, MOST_TRIES)
            if not rows:
                return 0
            group = [self._open(r) for r in rows]
            outcomes, applied = await settle(conn, self._apply, group, skip_locked=skip_locked)
            done = _settled(rows, group, outcomes)
            await _note(conn, done)
        self._apply.tell(applied)
        self._count_erased(group, outcomes)
        return len(done)

    async def _one_by_one(self, limit: int) -> int:
        settled, after = 0, 0
        for _ in range(limit):
            row = await self._single(after)
            if row is None:
                break
            after = row.id
            settled += row.outcome is not CallbackOutcome.PENDING
        return settled

    async def _single(self, after: int) -> Settled | None:
        """Apply the oldest pending callback past an id; none when nothing is left."""
        async with transaction(self._pool) as conn:
            rows = await callbacks.claim_pending(conn, 1, MOST_TRIES, after)
            if not rows:
                return None
            group = [self._open(rows[0])]
            try:
                async with conn.transaction():
                    outcomes, applied = await settle(conn, self._apply, group, skip_locked=True)
            except Exception:
                log.exception("callback.poisonous", callback_id=rows[0]["id"])
                tried = Settled(rows[0]["received_at"], rows[0]["id"], CallbackOutcome.PENDING)
                await callbacks.settle(conn, [tried])
                return tried
            await _note(conn, _settled(rows, group, outcomes))
        self._apply.tell(applied)
        self._count_erased(group, outcomes)
        return Settled(rows[0]["received_at"], rows[0]["id"], outcomes[0])

    def _count_erased(self, group: Sequence[Incoming], outcomes: Sequence[CallbackOutcome]) -> None:
        for incoming, outcome in zip(group, outcomes, strict=True):
            if outcome is CallbackOutcome.ERASED:
                self._receive.outcomes[incoming.provider, outcome.value] += 1

    def _open(self, row: Record) -> Incoming:
        call = RawCallback(row["task_uuid"], row["body"], callbacks.headers_of(row))
        return self._receive.open(row["provider"], call)


async def _note(conn: Conn, done: Sequence[Settled]) -> None:
    """Note what became of callbacks; those of erased tasks are dropped."""
    dropped = [s for s in done if s.outcome is CallbackOutcome.ERASED]
    await callbacks.settle(conn, [s for s in done if s.outcome is not CallbackOutcome.ERASED])
    if dropped:
        await callbacks.drop(conn, dropped)


def _settled(
    rows: Sequence[Record], group: Sequence[Incoming], outcomes: Sequence[CallbackOutcome]
) -> list[Settled]:
    """Say what is noted; of those whose task was locked, nothing is: that was no try."""
    return [
        Settled(row["received_at"], row["id"], outcome, incoming.opened.detail)
        for row, incoming, outcome in zip(rows, group, outcomes, strict=True)
        if outcome is not CallbackOutcome.PENDING
    ]
