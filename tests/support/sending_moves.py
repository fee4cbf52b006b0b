"""What may happen next in a world of a send; the laws of the promise are held against every world.

The product's own word is taken from `decide` and `next_step`; the rest is modelled after `flows.submit`,
`flows.reconcile` and the claims of `tasks.sql`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from service.core import decide as table
from service.core.decide import Step as Due
from service.core.inputs import (
    Accepted,
    Answer,
    Input,
    ReadFailed,
    Reading,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    Source,
    SubmitUnknown,
    Tick,
    TryLater,
)
from service.core.states import State
from service.core.task import Policy, Task
from tests.support.alphabet import BROKEN
from tests.support.canonical import LEASE_NO
from tests.support.sending_world import (
    CALL,
    FENCED,
    OVER,
    TIMED,
    UNIT,
    At,
    Broken,
    Call,
    Rows,
    Upstream,
    Worker,
    World,
)
from tests.support.tasks import NOW, video


def spare(task: Task, policy: Policy) -> timedelta:
    """Give how long after its commit a send may begin (`flows.submit`)."""
    assert task.lease_until is not None
    assert task.sent_at is not None
    return task.lease_until - task.sent_at - policy.call_limit


class Moves:
    """What may happen next in a world."""

    def __init__(self, upstream: Upstream, policy: Policy) -> None:
        self.upstream = upstream
        self.policy = policy
        self.rows = Rows(policy)

    def after(self, now: World) -> Iterator[World]:
        """Give every world that may come next; raises Broken when a law does not hold now."""
        if len(now.made) > 1:
            raise Broken("two generations")
        if now.made and self.rows.tasks[now.row].state is State.REJECTED:
            raise Broken("rejected, and yet it was made")
        if now.made and self.rows.tasks[now.row].state is State.QUEUED:
            raise Broken("queued, and yet it was made")
        yield from self._time(now)
        yield from self._arrive(now)
        if now.made and not self.rows.tasks[now.row].final:
            yield self._told(now, Report(Source.CALLBACK, videos=(video(1),)))
        for i, worker in enumerate(now.workers):
            if worker is None:
                yield from self._claim(now, i)
                continue
            yield _put(now, i, None)  # It dies, or the database is away for what it has to commit.
            yield from self._go_on(now, i, worker)

    def tidy(self, now: World) -> World:
        """Give one world for all that are alike: those that differ by order, or by what can change nothing."""
        final = self.rows.tasks[now.row].final
        # When all is over only what may still reach the upstream counts.
        workers = [None if final and w and w.at not in TIMED else w for w in now.workers]
        heard = {w.behind for w in workers if w and w.at is At.CALLING}
        calls = (
            c if c.behind in heard and not c.answered else c._replace(behind=-1) for c in now.calls
        )
        alike = tuple(sorted(workers, key=_order))
        return World(now.row, alike, tuple(sorted(calls)), tuple(sorted(now.made)))

    def _told(self, now: World, event: Input) -> World:
        return now._replace(row=self.rows.told(now.row, event))

    def _time(self, now: World) -> Iterator[World]:
        for w in now.workers:
            if w and w.at is At.CHECKED and w.age >= self.upstream.stall:
                return
        top = max(self.upstream.remembers, self.upstream.lags) + 1
        workers = (
            w._replace(age=min(w.age + 1, TIMED[w.at])) if w and w.at in TIMED else w
            for w in now.workers
        )
        aged = (c._replace(age=c.age + 1) for c in now.calls)
        yield now._replace(
            row=self.rows.later(now.row),
            workers=tuple(workers),
            calls=tuple(c for c in aged if c.age <= self.upstream.travel),
            made=tuple(min(age + 1, top) for age in now.made),
        )

    def _claim(self, now: World, i: int) -> Iterator[World]:
        row = self.rows.claim(now.row)
        taken = self.rows.tasks[row]
        if row == now.row or taken.final:
            return
        aged = now._replace(
            row=row,
            workers=tuple(w and w._replace(behind=1) for w in now.workers),
            calls=tuple(c._replace(behind=c.behind or 1) for c in now.calls),
        )
        due = table.next_step(taken, NOW, self.policy)
        yield _put(aged, i, Worker(At.CLAIMED, due=due))

    def _go_on(self, now: World, i: int, worker: Worker) -> Iterator[World]:
        match worker.at:
            case At.CLAIMED if worker.due is Due.TICK:
                yield _put(self._told(now, Tick()), i, None)
            case At.CLAIMED if worker.due is Due.SEND:
                yield self._begin(now, i, worker)
            case At.CLAIMED:
                for said in self._readings(now):
                    yield _put(now, i, worker._replace(at=At.LOOKED, age=0, said=said))
            case At.BEGUN:
                yield from self._check(now, i, worker)
            case At.CHECKED:
                yield self._leave(now, i, worker)
            case At.CALLING:
                if worker.age >= CALL:
                    yield _put(now, i, _answer(worker, SubmitUnknown(BROKEN, 0)))
            case At.ANSWERED | At.LOOKED:
                assert worker.said is not None
                yield _put(self._told(now, _fenced(worker.said, worker.behind)), i, None)

    def _begin(self, now: World, i: int, worker: Worker) -> World:
        after = self._told(now, SendStarted(LEASE_NO - worker.behind))
        task = self.rows.tasks[after.row]
        if after.row == now.row or not task.being_sent:
            return _put(after, i, None)
        left = int(spare(task, self.policy) / UNIT)
        # Its own clock counts from here; what is left of its spare time is kept as a negative age.
        return _put(after, i, worker._replace(at=At.BEGUN, age=-left, due=None))

    def _check(self, now: World, i: int, worker: Worker) -> Iterator[World]:
        if worker.age > 0:
            yield _put(now, i, None)
            return
        yield _put(now, i, _answer(worker, TryLater(BROKEN, 0)))
        yield _put(now, i, worker._replace(at=At.CHECKED, age=0))

    def _leave(self, now: World, i: int, worker: Worker) -> World:
        if self.upstream.stall == 0:
            self._is_safe(now, worker)
        sent_at = self.rows.tasks[now.row].sent_at
        age = 0 if sent_at is None or worker.behind else (NOW - sent_at) // UNIT
        calls = (*now.calls, Call(age, worker.behind))
        return _put(now._replace(calls=calls), i, worker._replace(at=At.CALLING, age=0))

    def _is_safe(self, now: World, worker: Worker) -> None:
        task = self.rows.tasks[now.row]
        if task.state is State.SUBMITTING:
            lease = task.lease_until
            if worker.behind or not task.being_sent or lease is None or lease < NOW + CALL * UNIT:
                raise Broken("bytes leave without a lease that outlives the call")
        if any(not c.answered and c.age < OVER for c in now.calls):
            raise Broken("bytes leave while those of another send may be accepted")

    def _arrive(self, now: World) -> Iterator[World]:
        for n, call in enumerate(now.calls):
            rest = now._replace(calls=now.calls[:n] + now.calls[n + 1 :])
            yield rest
            known = any(age <= self.upstream.remembers for age in now.made)
            took = rest if known else rest._replace(made=(*now.made, 0))
            yield took
            yield from self._hears(took, call, Accepted())
            yield from self._hears(took, call, SubmitUnknown(BROKEN, 0, answered=True))
            if not known:
                for no in (Refused(BROKEN, 0), TryLater(BROKEN, 0)):
                    yield from self._hears(rest, call, no)
            # A gateway answers 5xx, and the bytes behind it are accepted all the same, later.
            under_way = call._replace(answered=True)
            waits = now._replace(calls=tuple(under_way if c is call else c for c in now.calls))
            yield from self._hears(waits, call, SubmitUnknown(BROKEN, 0, answered=True))

    def _hears(self, now: World, call: Call, answer: Answer) -> Iterator[World]:
        for i, w in enumerate(now.workers):
            if not call.answered and w and (w.at, w.behind) == (At.CALLING, call.behind):
                yield _put(now, i, _answer(w, answer))

    def _readings(self, now: World) -> Iterator[Reading]:
        yield ReadFailed(BROKEN)
        if any(age >= self.upstream.lags for age in now.made):
            yield Report(Source.POLL, running=True)
        else:
            yield ReadNothing()


def _answer(worker: Worker, said: Answer) -> Worker:
    return worker._replace(at=At.ANSWERED, age=0, said=said)


def _order(worker: Worker | None) -> tuple[str | int, ...]:
    if worker is None:
        return ("",)
    at, behind, age, due, said = worker
    return at, behind, age, due or "", type(said).__name__


def _fenced(said: Answer | Reading, behind: int) -> Answer | Reading:
    if isinstance(said, FENCED):
        return replace(said, lease_no=LEASE_NO - behind)
    return said


def _put(now: World, i: int, worker: Worker | None) -> World:
    return now._replace(workers=tuple(worker if n == i else w for n, w in enumerate(now.workers)))
