"""How much of which lane is claimed: limits, rates, probes, and fair shares of the places of this process.

The lanes are locked while it is decided, so limits hold over all processes. Of this process's own places a lane may
take so many that as many stay free for others: however many lanes are slow, a place is left for the next one.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from service.core import breaker, rate
from service.flows.floor import FloorPolicy
from service.store import lanes
from service.store.deliveries import Share
from service.store.lanes import EVERYTHING, Floors
from service.store.pool import Conn, Record, Row

BATCHED = "batched"
LANES_AT_ONCE = 200
"""So many lanes are locked by one claim; the next one goes on behind them."""
WHOLE_S = 1.0
"""So often a claim reads everything at least: what is tried again by hand lies below all floors."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What holds where a subscription says nothing."""

    at_once: int
    timeout_s: float
    lease_margin_s: float
    """An attempt and its recording: past its lease, another process sends again."""


class Survey:
    """Where claims begin to read; see `flows.floor` for why."""

    def __init__(self, policy: FloorPolicy) -> None:
        self._policy = policy
        self._found = EVERYTHING
        self._until = self._whole_at = float("-inf")
        self._claims = 0

    @property
    def due(self) -> bool:
        """Whether it is time to look again."""
        return asyncio.get_running_loop().time() >= self._until

    async def look(self, conn: Conn) -> None:
        """Find the floors of the claims to come."""
        self._found = await lanes.survey(conn)
        self._until = asyncio.get_running_loop().time() + self._policy.seconds

    def next(self) -> Floors:
        """Give the floors of the next claim."""
        self._claims += 1
        now = asyncio.get_running_loop().time()
        if now >= self._whole_at or self._claims % self._policy.without_every == 0:
            self._whole_at = now + WHOLE_S
            return EVERYTHING
        return self._found


def shares(
    locked: Sequence[Record], limit: int, under_way: Mapping[UUID, int], usual: Usual
) -> list[Share]:
    """Say what may be taken of lanes that are locked; of those that are not named, nothing.

    Of many lanes each gets a part of the places only, so that no more is read than taken; where that
    leaves places free, one claims again.
    """
    found = [_share(row, limit, under_way.get(row["lane"], 0), usual) for row in locked]
    given = [share for share in found if share.most > 0]
    part = 2 * (limit // len(given) + 1) if given else 0
    return [replace(share, most=min(share.most, part)) for share in given]


def more(given: Sequence[Share], taken: Counter[UUID]) -> bool:
    """Say whether claiming again may find more: a lane gave all that was asked of it."""
    return any(taken[share.lane] and taken[share.lane] == _asked(share) for share in given)


def _asked(share: Share) -> int:
    return 1 if share.width > 1 else share.most


def _share(row: Record, limit: int, own: int, usual: Usual) -> Share:
    lease_s = timeout_s(row, usual) + usual.lease_margin_s
    at_once, most, width = limit, limit, 1
    if row["wanted"]:
        at_once = row["concurrency"] or usual.at_once
        health = lanes.health(row)
        if breaker.probing(health):
            at_once = 1
        turns = rate.room(row["send_at"], row["per_minute"] or 0, row["now"])
        most = 0 if breaker.blocked(health, row["now"]) else min(turns, _fair(limit, own))
        if row["format"] == BATCHED and not breaker.probing(health):
            width = row["batch_size"] or 1
    # What nobody wants any more is put away, which takes no call: no limit holds.
    return Share(row["lane"], at_once, most, width, lease_s, row["floor"])


def _fair(free: int, own: int) -> int:
    """Share places: a lane that has none gets one, one that has many leaves as many free."""
    return max((free - own + 1) // 2, 0)


def timeout_s(row: Row, usual: Usual) -> float:
    """Say how long an attempt may take."""
    return float(row["timeout_s"] or usual.timeout_s)


def turns(locked: Sequence[Record], taken: Counter[UUID]) -> dict[UUID, datetime]:
    """Say when the next turn comes of lanes with a limit a minute."""
    out = {}
    for row in locked:
        at = rate.after(row["send_at"], row["per_minute"] or 0, row["now"], taken[row["lane"]])
        if at is not None and at != row["send_at"]:
            out[row["lane"]] = at
    return out
