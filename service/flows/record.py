"""Recording what became of attempts: many in one statement, and what they say about their lanes.

Group commit without a loop: whoever comes first records for all that came meanwhile. How a lane is and what became of
its attempts commit together, so that a lane gives no second probe before the first one's answer counts.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from service.core import breaker
from service.core.breaker import WELL, Health, Heard, Limits
from service.core.errors import Unavailable
from service.store import deliveries, lanes
from service.store.deliveries import Attempt
from service.store.pool import Collided, Conn, Pool, Record, connection, transaction

log = structlog.get_logger()

MOST = 200
"""Parcels of one group."""
COLLISIONS = 3
"""How often a group that collided with others is recorded again."""
COLLISION_REST_S = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel. `heard` is what it says about its lane; nothing, when it was not sent."""

    lane: UUID
    made: Sequence[tuple[Record, Attempt]]
    heard: Heard | None
    host: str = ""
    """The name of a lane of notifyURLs."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many deliveries of a parcel were recorded, and since when its lane fails, at that time."""

    count: int
    failing_since: datetime | None = None
    at: datetime | None = None


class Recorder:
    """Records outcomes in groups."""

    def __init__(self, pool: Pool, limits: Limits) -> None:
        self._pool = pool
        self._limits = limits
        self._waiting: list[tuple[Outcome, asyncio.Future[Recorded]]] = []
        self._turn = asyncio.Lock()

    async def put(self, outcome: Outcome) -> Recorded:
        """Record an outcome; returns after the commit. Raises Unavailable when the database is away."""
        answer: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append((outcome, answer))
        while not answer.done():
            async with self._turn:
                if not answer.done():
                    group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                    await self._answer(group)
        return await answer

    async def _answer(self, group: list[tuple[Outcome, "asyncio.Future[Recorded]"]]) -> None:
        try:
            recorded = await self._recorded([outcome for outcome, _ in group])
        except BaseException as error:
            for _, answer in group:
                if not answer.done():
                    cut = isinstance(error, asyncio.CancelledError)
                    answer.set_exception(Unavailable("The service is stopping.") if cut else error)
            if isinstance(error, Exception):
                return
            raise
        for (_, answer), one in zip(group, recorded, strict=True):
            if answer.done():
                continue
            if isinstance(one, Exception):
                answer.set_exception(one)
            else:
                answer.set_result(one)

    async def _recorded(self, group: Sequence[Outcome]) -> Sequence[Recorded | Exception]:
        for collision in range(1, COLLISIONS + 1):
            try:
                return await self._once(group)
            except Collided:
                await asyncio.sleep(COLLISION_REST_S * collision)
            except Unavailable:
                raise
            except Exception:
                if len(group) == 1:
                    raise
                # What cannot be stored keeps no other from being recorded.
                log.exception("deliveries.group_broke", outcomes=len(group))
                return [await self._alone(outcome) for outcome in group]
        return await self._once(group)

    async def _alone(self, outcome: Outcome) -> Recorded | Exception:
        try:
            return (await self._once([outcome]))[0]
        except Exception as error:  # noqa: BLE001 - whoever waits for it has to hear of it
            return error

    async def _once(self, group: Sequence[Outcome]) -> list[Recorded]:
        made = [m for outcome in group for m in outcome.made]
        if any(o.heard is not None and not o.heard.ok for o in group):
            async with transaction(self._pool) as conn:
                healths, at = await self._heard(conn, group)
                recorded = await deliveries.record(conn, made)
        else:
            async with connection(self._pool) as conn:
                recorded = await deliveries.record(conn, made)
            healths, at = await self._mended(group, recorded)
        if healths:
            async with connection(self._pool) as conn:
                await lanes.show_failing(conn, list(healths))
        return [
            Recorded(
                sum(row["id"] in recorded for row, _ in o.made),
                healths.get(o.lane, WELL).failing_since,
                at,
            )
            for o in group
        ]

    async def _mended(
        self, group: Sequence[Outcome], recorded: Mapping[int, bool]
    ) -> tuple[dict[UUID, Health], datetime | None]:
        """Make lanes well on which something arrived."""
        unwell = [o for o in group if any(recorded.get(row["id"]) for row, _ in o.made)]
        if not any(o.heard for o in unwell):
            return {}, None
        async with transaction(self._pool) as conn:
            return await self._heard(conn, unwell)

    async def _heard(
        self, conn: Conn, group: Sequence[Outcome]
    ) -> tuple[dict[UUID, Health], datetime | None]:
        """Write what attempts say about their lanes; gives how these are, and the time."""
        heard = [(o.lane, o.heard) for o in group if o.heard is not None]
        before, now = await lanes.lock(conn, sorted({lane for lane, _ in heard}))
        if now is None:
            return {}, None
        found = dict(before)
        for lane, said in heard:
            if lane in found:
                found[lane] = breaker.after(found[lane], said, now, self._limits)
        changed = {lane: health for lane, health in found.items() if health != before[lane]}
        if changed:
            await lanes.write(conn, changed, {o.lane: o.host for o in group})
        for lane, health in changed.items():
            if health.openings > before[lane].openings:
                log.warning(
                    "lane.blocked",
                    lane=str(lane),
                    failures=health.failures,
                    until=str(health.blocked_until),
                )
        return found, now
