"""Step 4, the one hand that writes state: lock, decide, write.

Submit answers, callbacks, polls, the clock and the operator all come here as (task, input) pairs. State,
results, history, events and their deliveries commit in one transaction. `batch` works inside the caller's
transaction; whoever calls it rings the bell with `tell` after the commit. `run` does both.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import structlog

from service.core.decide import decide
from service.core.decision import Decision, Verdict
from service.core.errors import NotFound, Unavailable
from service.core.inputs import Input
from service.core.media import ArchiveState
from service.core.states import ResultState, State
from service.core.task import Card, Policy, Result, Task
from service.flows import fallback, pauses
from service.flows.fanout import Fanout
from service.flows.wake import Topic, Wake
from service.ports import Dice
from service.store import archives, history, outbox, tasks, transitions
from service.store.pool import Conn, Pool, transaction

log = structlog.get_logger()

QUIET = frozenset({"still_running", "watched", "read"})
"""Moves that only set the next look; the upstream call that led to them is on the timeline anyway."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that happened to one task; `cause` and `detail` are for the timeline."""

    task_uuid: UUID
    input: Input
    cause: str
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of a change; `decision` is None when there is no such task, or it is locked elsewhere."""

    change: Change
    before: Task | None
    decision: Decision | None
    at: datetime | None = None
    """The time that its lock was got."""


class Apply:
    """Applies changes to tasks."""

    def __init__(
        self, pool: Pool, wake: Wake, dice: Dice, fanout: Fanout, policies: Mapping[str, Policy]
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._fanout = fanout
        self._policies = policies
        self.moves: Counter[tuple[str, str]] = Counter()
        self.pauses: Counter[tuple[str, str]] = Counter()

    def policy(self, provider: str) -> Policy:
        """Give the waits and limits of a provider."""
        return self._policies[provider]

    async def run(
        self, changes: Sequence[Change], notes: Sequence[history.Entry] = (), tries: int = 5
    ) -> list[Applied]:
        """Apply changes in a transaction of their own, again after deadlocks and short absences.

        Raises Unavailable when the database stays away.
        """
        for attempt in range(1, tries + 1):
            try:
                async with transaction(self._pool) as conn:
                    if notes:
                        # First, so that the timeline shows the call before what it led to.
                        await history.insert(conn, notes)
                    applied = await self.batch(conn, changes)
            except Unavailable as error:
                if attempt == tries:
                    raise Unavailable("The change could not be written.") from error
                await asyncio.sleep(0.05 * 2**attempt * (0.5 + self._dice.jitter()))
            else:
                self.tell(applied)
                return applied
        raise Unavailable("The change could not be written.")

    async def one(self, change: Change, notes: Sequence[history.Entry] = ()) -> Decision:
        """Apply one change; raises NotFound when there is no such task."""
        (applied,) = await self.run([change], notes)
        if applied.decision is None:
            raise NotFound("There is no such task.")
        return applied.decision

    async def batch(
        self,
        conn: Conn,
        changes: Sequence[Change],
        *,
        skip_locked: bool = False,
        now: datetime | None = None,
    ) -> list[Applied]:
        """Apply changes in the caller's transaction, in the given order."""
        uuids = sorted({c.task_uuid for c in changes})
        locked = await transitions.lock(conn, uuids, now, skip_locked=skip_locked)
        present = dict(locked.tasks)
        applied: list[Applied] = []
        for change in changes:
            before = present.get(change.task_uuid)
            if before is None or locked.now is None:
                applied.append(Applied(change, None, None))
                continue
            decision = decide(
                before,
                change.input,
                locked.now,
                self._policies[before.provider],
                self._dice.jitter(),
            )
            present[change.task_uuid] = decision.task
            applied.append(Applied(change, before, decision, locked.now))
        moved = [a for a in applied if a.decision and a.decision.verdict is Verdict.MOVE]
        if moved and locked.now is not None:
            await self._write(conn, locked.now, moved, locked.tasks, present)
        # Last: accounts are locked after tasks, everywhere.
        await pauses.hear(conn, applied, self._policies, self._dice.jitter(), self.pauses)
        return applied

    async def _write(
        self,
        conn: Conn,
        now: datetime,
        moved: Sequence[Applied],
        before: Mapping[UUID, Task],
        after: Mapping[UUID, Task],
    ) -> None:
        uuids = list(dict.fromkeys(a.change.task_uuid for a in moved))
        announcing = [a.change.task_uuid for a in moved if a.decision and a.decision.announce]
        cards: dict[UUID, Card] = await tasks.cards(conn, announcing) if announcing else {}
        cards = {**cards, **await fallback.start(conn, self._dice, moved, cards, now)}
        written = await self._fanout.plan(conn, moved, cards)
        changed = [
            replace(after[u], event_sequence=written.sequences.get(u, after[u].event_sequence))
            for u in uuids
        ]
        await transitions.write(conn, changed, written.terminal)
        leaving = [u for u in uuids if _left_its_slot(before[u], after[u])]
        if leaving:
            await transitions.leave_slots(conn, leaving)
        results = _changed_results(before, after, uuids)
        if results:
            await transitions.write_results(conn, results, written.of_results)
            await _keep(conn, [(after[u], r) for u, r in results], before, now)
        await history.insert(conn, [_entry(a, now) for a in moved if _worth_telling(a)] or ())
        if written.events:
            await outbox.write(conn, now, self._fanout.source, written.events, written.deliveries)

    def tell(self, applied: Sequence[Applied]) -> None:
        """Ring the bells after the commit: loops here, requests that wait, the log."""
        topics: set[Topic] = set()
        for a in applied:
            if a.decision is None or a.before is None:
                continue
            if a.decision.verdict is Verdict.MOVE:
                topics |= _topics(a.decision)
                self._log_move(a, a.before, a.decision)
            elif a.decision.verdict is Verdict.REFUSE:
                log.warning(
                    "task.refused",
                    task_id=str(a.change.task_uuid),
                    state=a.before.state.value,
                    input=type(a.change.input).__name__,
                    reason=a.decision.reason,
                )
        self._wake.ring(topics)
        self._wake.finished(
            a.change.task_uuid for a in applied if a.decision and a.decision.task.final
        )

    def _log_move(self, a: Applied, before: Task, decision: Decision) -> None:
        if decision.reason == "other_upstream_id":
            log.error(
                "task.generated_twice",
                task_id=str(before.task_uuid),
                upstream_id=before.upstream_id,
            )
        if before.state is decision.task.state:
            return
        self.moves[before.provider, decision.task.state.value] += 1
        log.info(
            "task.moved",
            task_id=str(before.task_uuid),
            provider=before.provider,
            source=before.state.value,
            to=decision.task.state.value,
            reason=decision.reason,
            cause=a.change.cause,
        )


def _topics(decision: Decision) -> set[Topic]:
    topics = {Topic.DUE}
    if decision.task.final and decision.task.batch_id is not None:
        topics.add(Topic.BATCHES)
    if any(r.archive and r.archive.state is ArchiveState.PENDING for r in decision.task.results):
        topics.add(Topic.ARCHIVE)
    if decision.announce:
        topics |= {Topic.DELIVER, Topic.EVENTS}
    if decision.task.final or decision.task.state is State.QUEUED:
        topics.add(Topic.SUBMIT)
    return topics


def _left_its_slot(before: Task, after: Task) -> bool:
    """Whether its place is free now; one that was claimed and ended unsent has one too."""
    if after.slot_since is not None:
        return False
    return before.slot_since is not None or (after.final and not before.final)


def _worth_telling(a: Applied) -> bool:
    return a.decision is not None and a.decision.reason not in QUIET


def _entry(a: Applied, now: datetime) -> history.Entry:
    if a.decision is None or a.before is None:
        raise ValueError("only what moved is noted")
    detail: dict[str, object] = {"cause": a.change.cause, **a.change.detail}
    return history.Entry(
        a.change.task_uuid,
        "transition",
        a.decision.reason,
        now,
        a.before.state.value,
        a.decision.task.state.value,
        detail,
    )


async def _keep(
    conn: Conn, changed: Sequence[tuple[Task, Result]], before: Mapping[UUID, Task], now: datetime
) -> None:
    """Have the videos kept that just came."""
    known = {(u, r.index) for u, task in before.items() for r in task.results if r.archive}
    new = [(t, r) for t, r in changed if r.archive and (t.task_uuid, r.index) not in known]
    if new:
        await archives.begin(conn, new, now)


def _changed_results(
    before: Mapping[UUID, Task], after: Mapping[UUID, Task], uuids: Sequence[UUID]
) -> list[tuple[UUID, Result]]:
    changed: list[tuple[UUID, Result]] = []
    for u in uuids:
        was = {r.index: r for r in before[u].results}
        changed += [
            (u, r)
            for r in after[u].results
            if was.get(r.index) != r and r.state is not ResultState.PENDING
        ]
    return changed
