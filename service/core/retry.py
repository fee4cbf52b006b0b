"""How long to wait: pure functions of the attempt, what was asked for, and a throw of the dice."""

from datetime import timedelta

DELIVERY_WAITS = tuple(
    timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
)
"""Waits between the ten attempts of a delivery, each from the end of the one before (CONTRACT.md 4.1)."""


def backoff(attempt: int, base: timedelta, ceiling: timedelta, jitter: float) -> timedelta:
    """Wait after attempt number `attempt` (from 1): full jitter under a doubling ceiling.

    `jitter` is in [0, 1). Never less than a tenth of the base: an immediate retry helps nobody.
    """
    doubled = base * float(2 ** min(max(attempt, 1) - 1, 30))
    return max(min(doubled, ceiling) * jitter, base / 10)


def submit_wait(
    attempt: int, base: timedelta, ceiling: timedelta, retry_after: timedelta | None, jitter: float
) -> timedelta:
    """Wait before a submit is tried again; `Retry-After` is honoured up to the ceiling."""
    wait = backoff(attempt, base, ceiling, jitter)
    return wait if retry_after is None else max(wait, min(retry_after, ceiling))


def poll_wait(polls: int, first: timedelta, longest: timedelta, jitter: float) -> timedelta:
    """Wait before poll number `polls` + 1: 1.5 times longer each, spread by ±20 %."""
    grown = min(first * (1.5 ** min(polls, 40)), longest)
    return grown * (0.8 + 0.4 * jitter)


def delivery_wait(
    attempt: int,
    retry_after: timedelta | None,
    jitter: float,
    waits: tuple[timedelta, ...] = DELIVERY_WAITS,
) -> timedelta | None:
    """Wait after delivery attempt number `attempt` (from 1), or none when it is given up.

    ±20 % jitter. `Retry-After` may stretch a wait to twice its length, never shorten it.
    """
    if attempt > len(waits):
        return None
    wait = waits[attempt - 1] * (0.8 + 0.4 * jitter)
    return wait if retry_after is None else max(wait, min(retry_after, waits[attempt - 1] * 2))
