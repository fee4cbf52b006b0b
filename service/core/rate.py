"""A limit per minute that many processes share: one moment in a row, moved on by whoever takes turns.

The generic cell rate algorithm: `at` is when the next turn would come if all were spread evenly. Turns come
up to a tenth of the limit early, so that a few at once need not wait, and never more than the limit begin in any
60 seconds.
"""

from datetime import datetime, timedelta

MINUTE = timedelta(seconds=60)


def burst(per_minute: int) -> int:
    """Say how many turns may be taken at once after a rest."""
    return max(per_minute // 10, 1)


def spacing(per_minute: int) -> timedelta:
    """Say how far turns lie apart; with the burst, no minute holds more than the limit."""
    return MINUTE / (per_minute - burst(per_minute) + 1)


def room(at: datetime | None, per_minute: int, now: datetime) -> int:
    """Say how many turns may be taken now; without a limit (0), as many as anybody wants."""
    if per_minute == 0:
        return 2**31 - 1
    gap, most = spacing(per_minute), burst(per_minute)
    ahead = max(at or now, now) - now
    return max(int((most * gap - ahead) / gap + 1e-9), 0)


def after(at: datetime | None, per_minute: int, now: datetime, turns: int) -> datetime | None:
    """Say when the next turn comes, after some were taken; a send that may not wait may run ahead."""
    if per_minute == 0 or turns == 0:
        return at
    return max(at or now, now) + turns * spacing(per_minute)


def wait(at: datetime | None, per_minute: int, now: datetime) -> timedelta:
    """Say how long it is until a turn may be taken."""
    if per_minute == 0:
        return timedelta(0)
    early = (burst(per_minute) - 1) * spacing(per_minute)
    return max((at or now) - early - now, timedelta(0))
