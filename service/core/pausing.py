"""When an account is left alone: a bad key, no money, no capacity or a throttle pauses the account, not the task.

After a pause one send goes ahead (half open): if it is taken, or refused for reasons of its own, the account is
well again; if the account is still at fault, the next pause is longer.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from service.core import retry
from service.core.fault import Fault
from service.core.inputs import Accepted, Answer, Refused, TryLater
from service.core.task import Policy


@dataclass(frozen=True, slots=True)
class Pause:
    """How an account is. `count` is how many pauses came in a row; 0 is well."""

    count: int = 0
    since: datetime | None = None
    until: datetime | None = None
    """No send begins before this; with a count, only one begins after it, until that one is answered."""
    fault: Fault | None = None


WELL = Pause()


def heard(
    pause: Pause,
    answer: Answer,
    sent_at: datetime | None,
    now: datetime,
    policy: Policy,
    jitter: float,
) -> Pause:
    """Say what the answer to a submit makes of its account.

    A send that began before the pause says nothing about the time after it: it neither ends the pause nor
    counts as another.
    """
    old = pause.since is not None and (sent_at is None or sent_at <= pause.since)
    if isinstance(answer, TryLater) and answer.account:
        return (
            _longer(pause, answer, now, policy)
            if old
            else _again(pause, answer, now, policy, jitter)
        )
    if pause.count == 0 or old:
        return pause
    if isinstance(answer, Accepted | Refused):
        return WELL
    # The one that went ahead has no word about the account: let the next one try.
    return replace(pause, until=now)


def _again(pause: Pause, answer: TryLater, now: datetime, policy: Policy, jitter: float) -> Pause:
    count = pause.count + 1
    wait = retry.submit_wait(count, policy.retry_base, policy.retry_max, answer.retry_after, jitter)
    return Pause(count, now, now + wait, answer.fault)


def _longer(pause: Pause, answer: TryLater, now: datetime, policy: Policy) -> Pause:
    if answer.retry_after is None or pause.until is None:
        return pause
    asked = now + min(answer.retry_after, policy.retry_max)
    return replace(pause, until=max(pause.until, asked))
