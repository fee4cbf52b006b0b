"""Step 3: keep callbacks, and apply them in the same commit where that is possible.

200 is sent after the commit. In one transaction the group's rows are stored and its tasks locked with SKIP
LOCKED; what is locked elsewhere is stored `pending` in the same commit and applied by the loop at once. When
a group fails it is tried again whole, then stored unapplied: one poisonous callback costs its neighbours
nothing but a moment. Of an erased task nothing is stored; what came while it was being erased is stored `pending`,
and dropped by the loop.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

import structlog

from service.core.errors import Unavailable
from service.core.inputs import AskUpstream, Input, Unconfirmed
from service.core.states import CallbackOutcome
from service.flows.apply import Applied, Apply, Change
from service.flows.upstreams import Upstreams
from service.flows.wake import Topic, Wake
from service.ports import OpenedCallback, RawCallback
from service.store import callbacks, tasks
from service.store.callbacks import NewCallback
from service.store.pool import Busy, Conn, Pool, brief_transaction
from service.store.tasks import Known

log = structlog.get_logger()

FLUSH_SHARE = 0.75
"""How much of a caller's patience a flush may take: it waited for the flush before already."""
LOCK_SHARE = 0.2
"""How much of it one try may wait for a lock: two tries to apply and one to store fit in."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A callback whose token was good, opened."""

    provider: str
    call: RawCallback
    opened: OpenedCallback
    unconfirmed: bool = False
    """Nobody vouches for what it says: a poll has to say it too."""


class Receive:
    """Keeps callbacks in groups."""

    def __init__(
        self,
        pool: Pool,
        wake: Wake,
        apply: Apply,
        upstreams: Upstreams,
        *,
        confirm: Collection[str] = (),
        patience_s: float = 4.0,
    ) -> None:
        self._pool = pool
        self._confirm = frozenset(confirm)
        self._patience_s = patience_s
        self._wake = wake
        self._apply = apply
        self._upstreams = upstreams
        self.outcomes: Counter[tuple[str, str]] = Counter()

    def open(self, provider: str, call: RawCallback) -> Incoming:
        """Verify and read a callback; pure, and it never raises."""
        opened = self._upstreams[provider].provider.open_callback(call)
        signed = opened.verified is True
        return Incoming(provider, call, opened, provider in self._confirm and not signed)

    async def flush(self, group: list[Incoming]) -> list[CallbackOutcome]:
        """Store a group and say what became of each; raises Unavailable when nothing was stored."""
        until = asyncio.get_running_loop().time() + self._patience_s * FLUSH_SHARE
        for attempt in (1, 2):
            try:
                return await self._store_and_apply(group, until)
            except Busy:
                await asyncio.sleep(0.01 * attempt)
            except Unavailable:
                raise
            except Exception:
                log.exception("callbacks.group_failed", size=len(group))
                break
        return await self._store_pending(group, until)

    async def _store_and_apply(self, group: list[Incoming], until: float) -> list[CallbackOutcome]:
        async with self._in_time(until) as conn:
            outcomes, applied = await settle(conn, self._apply, group, skip_locked=True)
            both = zip(group, outcomes, strict=True)
            rows = [_row(g, o) for g, o in both if o is not CallbackOutcome.ERASED]
            # At the time of what they caused, so that the timeline shows them before it.
            at = next((a.at for a in applied if a.at is not None), None)
            if rows:
                await callbacks.insert(conn, rows, at)
        self._apply.tell(applied)
        if CallbackOutcome.PENDING in outcomes:
            self._wake.ring([Topic.CALLBACKS])
        self._count(group, outcomes)
        return outcomes

    async def _store_pending(self, group: list[Incoming], until: float) -> list[CallbackOutcome]:
        outcomes = [CallbackOutcome.PENDING] * len(group)
        async with self._in_time(until) as conn:
            await callbacks.insert(conn, [_row(g, CallbackOutcome.PENDING) for g in group])
        self._wake.ring([Topic.CALLBACKS])
        self._count(group, outcomes)
        return outcomes

    def _in_time(self, until: float) -> AbstractAsyncContextManager[Conn]:
        """Open a transaction that ends while those who wait are still there to be told."""
        left = max(until - asyncio.get_running_loop().time(), 0.01)
        return brief_transaction(self._pool, left, self._patience_s * LOCK_SHARE)

    def _count(self, group: list[Incoming], outcomes: Sequence[CallbackOutcome]) -> None:
        for incoming, outcome in zip(group, outcomes, strict=True):
            self.outcomes[incoming.provider, outcome.value] += 1
            log.info(
                "callback.received",
                provider=incoming.provider,
                task_id=str(incoming.call.task_uuid),
                outcome=outcome.value,
                size_bytes=len(incoming.call.body),
            )


async def settle(
    conn: Conn, apply: Apply, group: Sequence[Incoming], *, skip_locked: bool
) -> tuple[list[CallbackOutcome], list[Applied]]:
    """Apply a group in the caller's transaction and say what becomes of each."""
    changes = {i: c for i, g in enumerate(group) if (c := _change(g)) is not None}
    applied = dict(
        zip(
            changes,
            await apply.batch(conn, list(changes.values()), skip_locked=skip_locked),
            strict=True,
        )
    )
    missing = [i for i, g in enumerate(group) if i not in applied or applied[i].before is None]
    asked = [group[i].call.task_uuid for i in missing]
    known = await tasks.known(conn, asked) if asked else {}
    outcomes = [_outcome(g, applied.get(i), known) for i, g in enumerate(group)]
    return outcomes, list(applied.values())


def _change(incoming: Incoming) -> Change | None:
    """Say what a callback does to its task: its report, or a look at the upstream instead."""
    opened = incoming.opened
    if opened.verified is not False and opened.names_other:
        return None
    event: Input
    if opened.verified is False:
        event = AskUpstream("unverified_callback")
    elif opened.report is None:
        event = AskUpstream("unreadable_callback")
    else:
        event = Unconfirmed(opened.report) if incoming.unconfirmed else opened.report
    return Change(incoming.call.task_uuid, event, "callback")


def _outcome(
    incoming: Incoming, applied: Applied | None, known: Mapping[UUID, Known]
) -> CallbackOutcome:
    decision = applied.decision if applied else None
    if decision is None:
        was = known.get(incoming.call.task_uuid)
        if was is None:
            return CallbackOutcome.ORPHAN
        if was is Known.ERASED:
            return CallbackOutcome.ERASED
        if was is Known.LEAVING or applied is not None:
            return CallbackOutcome.PENDING
    if incoming.opened.verified is False:
        return CallbackOutcome.UNVERIFIED
    if incoming.opened.names_other or decision is None:
        return CallbackOutcome.CONFLICTING
    return CallbackOutcome.UNREADABLE if incoming.opened.report is None else decision.outcome


def _row(incoming: Incoming, outcome: CallbackOutcome) -> NewCallback:
    call = incoming.call
    return NewCallback(
        incoming.provider,
        call.task_uuid,
        call.body,
        call.headers,
        outcome,
        incoming.opened.detail,
    )
