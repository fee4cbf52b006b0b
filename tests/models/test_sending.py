"""Every interleaving of a send, its trouble and its repetition: never two generations, and always an end.

The worlds are in `support/sending_world.py`. All of them are walked by `make models`; the normal run walks the
smaller spaces to their end, and the others as far as LEVELS moves. Each mutant weakens one rule of the product or
of its environment and has to be found: a model that finds nothing proves nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from service.core import reporting, sending
from service.core.decision import Context, Decision
from service.core.fault import Fault
from service.core.inputs import ReadFailed, ReadNothing, Refused, SendStarted, TryLater
from service.core.task import Policy, Task
from tests.support import sending_moves, sending_world
from tests.support.explore import Explored, explore
from tests.support.sending_world import NEVER, OVER, SMALL, UNIT, WINDOW, Upstream
from tests.support.tasks import NOW
from tests.support.walk import Walk

LEVELS = 14
SHORT = 2
SHORT_WINDOW = replace(SMALL, resend_window=SHORT * UNIT)
NO_RESEND = replace(SMALL, resend_window=timedelta(0))
LONG_ENOUGH = WINDOW + OVER
"""The window, and how long after their commit the last bytes may still be accepted."""
FORGETFUL = Upstream(travel=0)
REMEMBERS = Upstream(remembers=LONG_ENOUGH, lags=2)
SILENT = Upstream(remembers=LONG_ENOUGH, lags=NEVER)
BARELY = Upstream(remembers=SHORT + OVER, lags=NEVER)
WORST = Upstream(lags=NEVER, stall=NEVER)
PROMISED = {
    "it remembers its keys, whatever its lists say": (SILENT, SMALL),
    "it remembers its keys, and its lists lag": (REMEMBERS, SMALL),
    "it forgets at once, but lists at once what it accepts at once": (FORGETFUL, SMALL),
    "it remembers its keys no longer than it must": (
        BARELY,
        SHORT_WINDOW,
    ),
    "nothing is ever sent again, whatever it is like": (WORST, NO_RESEND),
}
EXCEPTIONS = {
    "it forgets, and its lists lag": (replace(FORGETFUL, lags=2), SMALL),
    "it forgets, and its lists never show it": (replace(FORGETFUL, lags=NEVER), SMALL),
    "it forgets, and accepts what a read came before": (replace(FORGETFUL, travel=3), SMALL),
    "it forgets inside the window that is trusted": (Upstream(remembers=2, lags=NEVER), SMALL),
    "a worker stands still between its check and its bytes": (
        replace(BARELY, stall=NEVER),
        SHORT_WINDOW,
    ),
}
"""All ways to two generations, each outside of what DESIGN.md "Submitting" promises.

The first four: with `*_RESEND_SECONDS` above 0 the operator trusts the upstream to know a key again for that long
and for as long as bytes travel. The last: between the check of the lease and the socket's write nothing waits, but
a machine may be suspended just there; what then leaves late is still covered for as long as the key is known.
"""


@pytest.mark.parametrize("name", PROMISED)
def test_within_the_promise_nothing_is_made_twice_and_all_ends(name: str) -> None:
    _holds(*PROMISED[name], levels=LEVELS)


def test_a_forgetful_upstream_with_truthful_lists_is_walked_to_the_end() -> None:
    _holds(FORGETFUL, SMALL)


@pytest.mark.models
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", PROMISED)
def test_within_the_promise_no_interleaving_makes_two(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = _holds(*PROMISED[name])
    with capsys.disabled():
        print(f"\n{name}: {found.worlds:,} worlds, {found.transitions:,} transitions")  # noqa: T201 - figures are printed


def _holds(upstream: Upstream, policy: Policy, levels: int = NEVER**2) -> Explored:
    found = explore(upstream, policy, levels)
    assert found.broken is None, found.way
    walk = Walk(policy)
    for task in found.tasks:
        if not task.final:
            _, span = walk.to_the_end(task)
            assert NOW + span <= walk.limit(task), task
    return found


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_outside_the_promise_two_can_be_made(name: str) -> None:
    assert explore(*EXCEPTIONS[name]).broken == "two generations"


# Mutants: each weakens one rule.

SAME, UNKNOWN = sending.may_resend, sending.stay_unknown
STARTED, LATER, REFUSED, READ = (
    sending.send_started,
    sending.try_later,
    sending.refused,
    reporting.read,
)


def _resend_unread(task: Task, now: datetime, policy: Policy) -> bool:
    return SAME(replace(task, read_empty_at=task.read_empty_at or now), now, policy)


def _resend_at_once(task: Task, fault: Fault, ctx: Context, **more: Any) -> Decision:
    decision = UNKNOWN(task, fault, ctx, **more)
    return replace(decision, task=replace(decision.task, resend_at=ctx.now))


def _resend_for_ever(task: Task, now: datetime, policy: Policy) -> bool:
    return SAME(task, now, replace(policy, resend_window=NEVER * UNIT))


def _start_without_a_lease(task: Task, event: SendStarted, ctx: Context) -> Decision:
    lease = max(task.lease_until or ctx.now, ctx.now + ctx.policy.call_limit)
    return STARTED(replace(task, lease_no=event.lease_no, lease_until=lease), event, ctx)


def _queue_again_after_an_unknown(task: Task, event: TryLater, ctx: Context) -> Decision:
    return LATER(replace(task, unknown=False), event, ctx)


def _reject_after_an_unknown(task: Task, event: Refused, ctx: Context) -> Decision:
    return REFUSED(replace(task, unknown=False), event, ctx)


def _read_when_overtaken(task: Task, event: ReadNothing | ReadFailed, ctx: Context) -> Decision:
    return READ(task, replace(event, lease_no=None), ctx)


def _claim_what_is_leased(task: Task, now: datetime, policy: Policy) -> Task:
    if task.look_again_at is None or task.final:
        return task
    return replace(task, lease_no=task.lease_no + 1, lease_until=now + policy.lease)


def _time_to_spare(task: Task, policy: Policy) -> timedelta:
    return policy.lease * 3


WITHOUT = "bytes leave without a lease that outlives the call"
AT_ONCE = "bytes leave while those of another send may be accepted"
TWICE = "two generations"
MUTANTS: dict[str, tuple[object, str, Callable[..., object], Upstream, Policy, str]] = {
    "a resend needs no read": (sending, "may_resend", _resend_unread, FORGETFUL, SMALL, TWICE),
    "a resend waits for no call": (
        *(sending, "stay_unknown", _resend_at_once),
        *(REMEMBERS, SMALL, AT_ONCE),
    ),
    "a window has no end": (sending, "may_resend", _resend_for_ever, WORST, NO_RESEND, TWICE),
    "a send begins without a lease": (
        *(sending, "send_started", _start_without_a_lease),
        *(REMEMBERS, SMALL, WITHOUT),
    ),
    "try later brings an unknown back to the queue": (
        *(sending, "try_later", _queue_again_after_an_unknown),
        *(REMEMBERS, SMALL, "queued, and yet it was made"),
    ),
    "a refusal after an unknown is final": (
        *(sending, "refused", _reject_after_an_unknown),
        *(REMEMBERS, SMALL, "rejected, and yet it was made"),
    ),
    "a lease is taken over before its end": (
        *(sending_world, "claimed", _claim_what_is_leased),
        *(REMEMBERS, SMALL, WITHOUT),
    ),
    "a worker does not look at its clock before it sends": (
        *(sending_moves, "spare", _time_to_spare),
        *(REMEMBERS, SMALL, WITHOUT),
    ),
    "regression: the read of an overtaken worker counts": (
        *(reporting, "read", _read_when_overtaken),
        *(FORGETFUL, SMALL, TWICE),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_model_finds_what_a_weaker_rule_would_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, function, weaker, upstream, policy, fault = MUTANTS[name]
    monkeypatch.setattr(place, function, weaker)
    assert explore(upstream, policy).broken == fault
