"""When a target is left alone: what each attempt says about the lane it went by.

Failures in a row open the breaker, and who asks for less (429, 502, 504) is given a pause. While a lane is blocked
nothing of it is attempted, so no delivery's schedule is used up; when its time has come one attempt goes ahead, and a
success makes the lane well again.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MOST_DOUBLINGS = 30


@dataclass(frozen=True, slots=True)
class Limits:
    """How long lanes are blocked; all but the bounds of `Retry-After` are settings."""

    failures: int = 5
    """So many in a row open the breaker."""
    open_first: timedelta = timedelta(seconds=30)
    open_longest: timedelta = timedelta(minutes=15)
    pause_first: timedelta = timedelta(seconds=5)
    pause_longest: timedelta = timedelta(minutes=5)
    asked_shortest: timedelta = timedelta(seconds=1)
    """Bounds of a `Retry-After`, which comes from strangers."""
    asked_longest: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Health:
    """How a lane is."""

    failures: int = 0
    """In a row, over all its deliveries."""
    failing_since: datetime | None = None
    """The first failure since the last success."""
    openings: int = 0
    throttles: int = 0
    blocked_since: datetime | None = None
    blocked_until: datetime | None = None
    """No attempt begins before this; one alone may begin after it, until it is answered."""


WELL = Health()


@dataclass(frozen=True, slots=True)
class Heard:
    """What an attempt said. `began` is when it was claimed."""

    ok: bool
    began: datetime
    throttled: bool = False
    retry_after: timedelta | None = None


def after(health: Health, heard: Heard, now: datetime, limits: Limits) -> Health:
    """Say how a lane is after an attempt on it.

    An attempt that began before the block says nothing about the time after it: its failure lengthens the block
    only by what it asks for. Its success ends the block all the same.
    """
    if heard.ok:
        return WELL
    failing = replace(
        health, failures=health.failures + 1, failing_since=health.failing_since or now
    )
    if health.blocked_since is not None and heard.began <= health.blocked_since:
        return _longer(failing, heard, now, limits)
    waits = []
    throttles, openings = health.throttles, health.openings
    if heard.throttled:
        throttles += 1
        asked = _asked(heard, limits)
        waits.append(asked or _doubled(limits.pause_first, throttles, limits.pause_longest))
    if failing.failures >= limits.failures:
        openings += 1
        waits.append(_doubled(limits.open_first, openings, limits.open_longest))
    if not waits:
        return failing
    return replace(
        failing,
        throttles=throttles,
        openings=openings,
        blocked_since=now,
        blocked_until=now + max(waits),
    )


def blocked(health: Health, now: datetime) -> bool:
    """Say whether nothing may be attempted now."""
    return health.blocked_until is not None and now < health.blocked_until


def probing(health: Health) -> bool:
    """Say whether one attempt alone may go ahead, once the lane is not blocked."""
    return health.blocked_until is not None


def _longer(health: Health, heard: Heard, now: datetime, limits: Limits) -> Health:
    asked = _asked(heard, limits)
    if asked is None or health.blocked_until is None:
        return health
    return replace(health, blocked_until=max(health.blocked_until, now + asked))


def _asked(heard: Heard, limits: Limits) -> timedelta | None:
    if not heard.throttled or heard.retry_after is None:
        return None
    return min(max(heard.retry_after, limits.asked_shortest), limits.asked_longest)


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    return min(first * float(2 ** min(times - 1, MOST_DOUBLINGS)), longest)
