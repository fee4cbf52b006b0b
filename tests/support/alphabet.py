"""Everything that can happen to a canonical task, as a finite alphabet: a wait, then one of the inputs.

Waits end exactly at the moments that decisions compare with. Ids are the task's own, another, or none; lease
numbers are the present one, or one that was overtaken; videos are new, known, known by another URL, or too many.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

from service.core.fault import Fault, FaultKind
from service.core.inputs import (
    Accepted,
    Archived,
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    Source,
    SubmitUnknown,
    Tick,
    TryLater,
    Unconfirmed,
)
from service.core.media import ArchiveState
from service.core.task import Policy, Task, Video
from tests.support.canonical import FILES, LEASE_NO, OTHER, OWN

BROKEN = Fault("broken", "The upstream gave up.", FaultKind.PERMANENT)
ONE, TWO, THREE = (Video(f"video-{n}", None) for n in (1, 2, 3))
ONE_ELSEWHERE = replace(ONE, url="https://elsewhere.example/1.mp4")
SAID = [
    Report(Source.POLL),
    Report(Source.POLL, running=True),
    *(Report(Source.POLL, videos=v) for v in [(ONE,), (ONE_ELSEWHERE,), (TWO,), (ONE, TWO)]),
    Report(Source.POLL, videos=(TWO, ONE, THREE, ONE)),
    Report(Source.POLL, videos=(ONE,), running=True),
    Report(Source.POLL, faults=(BROKEN,)),
    Report(Source.POLL, faults=(BROKEN,), running=True),
    Report(Source.POLL, faults=(BROKEN, BROKEN)),
    Report(Source.POLL, faults=(BROKEN,), vague=True),
    Report(Source.POLL, videos=(ONE,), faults=(BROKEN,)),
    Report(Source.POLL, rejected=BROKEN),
    Report(Source.POLL, rejected=BROKEN, videos=(TWO,)),
]
"""What an upstream may say, whichever way it comes: each of them by callback and by poll, under every id."""
IDS = (None, OWN, OTHER)
LEASES = (LEASE_NO, LEASE_NO - 1)
INPUTS: tuple[Input, ...] = (
    *(SendStarted(no) for no in LEASES),
    *(Accepted(name) for name in IDS),
    Accepted(OWN, Report(Source.SUBMIT, videos=(ONE,))),
    Accepted(None, Report(Source.SUBMIT, videos=(THREE,), running=True)),
    Accepted(None, Report(Source.SUBMIT, faults=(BROKEN,))),
    Accepted(None, Report(Source.SUBMIT, rejected=BROKEN)),
    *(Refused(BROKEN, no) for no in LEASES),
    *(TryLater(BROKEN, no) for no in LEASES),
    TryLater(BROKEN, LEASE_NO, timedelta(seconds=90)),
    TryLater(BROKEN, LEASE_NO, account=True),
    *(SubmitUnknown(BROKEN, no, *how) for no, how in product(LEASES, product((False, True), IDS))),
    *(
        replace(said, source=source, upstream_id=name)
        for source, name, said in product((Source.CALLBACK, Source.POLL), IDS, SAID)
    ),
    Report(Source.SUBMIT, running=True),
    *(ReadNothing(no) for no in (None, *LEASES)),
    *(ReadFailed(BROKEN, no) for no in LEASES),
    Tick(),
    CancelAsked(),
    AskUpstream("unverified_callback"),
    *(Unconfirmed(Report(Source.CALLBACK, name, (ONE,))) for name in IDS),
    *(
        Archived(index, FILES[state])
        for index, state in product(range(2), ArchiveState)
        if state is not ArchiveState.PENDING
    ),
)


UNIT = timedelta(seconds=30)


def waits(task: Task, policy: Policy) -> tuple[datetime | None, ...]:
    """Give the moments that decisions about a task compare with, past ones and unset ones too."""
    return (
        task.look_again_at,
        task.lease_until,
        task.resend_at,
        _plus(task.first_sent_at, policy.resend_window),
        task.deadline_at,
        _plus(task.deadline_at, policy.deadline_grace),
        _plus(task.slot_since, policy.slot_max),
        None if task.first_sent_at else task.start_by,
        None if task.final else task.hold_until,
    )


WAITS = 9
"""How many moments `waits` gives."""


def moments(task: Task, now: datetime, policy: Policy) -> Iterator[datetime]:
    """Give the moments, from now on, at which the next thing may happen."""
    yield now
    yield now + UNIT
    for moment in dict.fromkeys(waits(task, policy)):
        if moment is not None and moment > now:
            yield moment


def claimed(task: Task, now: datetime, policy: Policy) -> Task:
    """Claim a task that is due and free, else leave it alone."""
    due = task.look_again_at is not None and task.look_again_at <= now
    if not due or (task.lease_until is not None and task.lease_until > now):
        return task
    return replace(task, lease_no=task.lease_no + 1, lease_until=now + policy.lease)


def _plus(moment: datetime | None, span: timedelta) -> datetime | None:
    return None if moment is None else moment + span
