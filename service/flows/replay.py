"""Replays at work: deliveries of a range are queued again, a chunk at a time, at their rate.

One chunk is one transaction: the replay is locked, its next deliveries are queued, its position and its counters
move. Whoever is killed before the commit did nothing; whoever comes after it goes on behind it. So nothing that was
queued is queued twice, however often a replay changes hands.

What is queued has its own time (`next_at`), so that the rate holds whoever sends; it is queued a few seconds ahead
only. A target that takes less than the rate is waited for: what was not tried yet stays below a limit, so that a
replay neither fills its lane nor goes on against a target that is down.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from service.core.errors import Unavailable
from service.core.event import matches
from service.flows.fanout import missed
from service.flows.wake import Topic, Wake
from service.store import replays, subscriptions
from service.store.delivery_lists import OPEN, Key
from service.store.events import NewEvent
from service.store.pool import Conn, Pool, Record, transaction
from service.store.replays import Advanced, Counts

log = structlog.get_logger()

AHEAD_S = 5.0
"""How far ahead of their time deliveries are queued: longer than a loop takes to come back."""
STEP_S = 1.0
"""How much of that is used up before more is queued, so that chunks are not of one delivery each."""
CHUNK = 500
"""How many deliveries or events one transaction looks at: their locks are in the way of whoever sends or erases."""
LEAST_UNTRIED = 20
"""A target may always have so many that it was not sent yet, however low the rate."""
PUT_OFF_S = 60.0
"""How long a replay waits whose chunk failed for a reason of its own."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one step found: how far it came, and what of it was queued."""

    place: Advanced
    queued: int
    ended: bool


class Replay:
    """Works at replays."""

    def __init__(self, pool: Pool, wake: Wake) -> None:
        self._pool = pool
        self._wake = wake
        self.queued: Counter[tuple[str]] = Counter()

    async def run_once(self, now: datetime | None = None) -> int:
        """Queue a chunk of a replay that is due, else settle one that ended; gives how many replays that were."""
        claimed: Record | None = None
        queued = 0
        try:
            async with transaction(self._pool) as conn:
                claimed = await replays.claim(conn, now)
                if claimed is None:
                    return int(await replays.settle(conn))
                queued = await self._work(conn, claimed)
        except Unavailable:
            raise
        except Exception:
            if claimed is None:
                raise
            log.exception("replay.failed", replay_id=str(claimed["id"]))
            async with transaction(self._pool) as conn:
                await replays.put_off(conn, claimed["id"], PUT_OFF_S, now)
            return 0
        if queued:
            self.queued[(claimed["wanted"],)] += queued
            self._wake.ring([Topic.DELIVER])
        return 1

    async def _work(self, conn: Conn, replay: Record) -> int:
        """Do a chunk of a replay that is locked here; gives how many deliveries were queued."""
        found = await subscriptions.get(conn, replay["tenant"], replay["subscription_id"])
        if found is None or not found["enabled"]:
            why = "subscription_deleted" if found is None else "subscription_disabled"
            await _end(conn, replay, _standing(replay), "canceled", why)
            return 0
        most = max(int(2 * AHEAD_S * replay["rate"]), LEAST_UNTRIED)
        waiting = await replays.untried(conn, replay["id"], most)
        if waiting >= most:
            await replays.put_off(conn, replay["id"], STEP_S, replay["now"])
            return 0
        begin = max(replay["due_at"], replay["now"])
        room = _room(replay, begin, most - waiting)
        step = _missing if replay["wanted"] == "missing" else _again
        chunk = await step(conn, replay, found, begin, room)
        if chunk.ended:
            await _end(conn, replay, chunk.place, "completed", None)
        else:
            await replays.advance(conn, replay["id"], _timed(replay, chunk, begin))
        return chunk.queued


def _room(replay: Record, begin: datetime, free: int) -> int:
    """Say how many deliveries may be queued now."""
    ahead = replay["now"] + timedelta(seconds=AHEAD_S) - begin
    return max(min(int(ahead.total_seconds() * replay["rate"]), free, CHUNK), 1)


def _slots(replay: Record, begin: datetime, count: int) -> list[datetime]:
    """Give the times of so many deliveries."""
    return [begin + timedelta(seconds=n / replay["rate"]) for n in range(count)]


def _standing(replay: Record) -> Advanced:
    """Give the place where a replay is."""
    place = (replay["at"], replay["after_id"], replay["after_event"])
    return Advanced(*place, replay["due_at"], replay["look_at"])


def _timed(replay: Record, chunk: Chunk, begin: datetime) -> Advanced:
    """Say when a replay goes on: at once while it only looked, else when part of what it queued is due."""
    due_at = begin + timedelta(seconds=chunk.queued / replay["rate"])
    look_at = max(due_at - timedelta(seconds=AHEAD_S - STEP_S), replay["now"])
    return replace(chunk.place, due_at=due_at, look_at=look_at)


async def _end(conn: Conn, replay: Record, place: Advanced, state: str, why: str | None) -> None:
    ended = replace(place, state=state, canceled_by=why, finished_at=replay["now"])
    if why is None:
        ended = replace(ended, at=replay["until"])
    await replays.advance(conn, replay["id"], ended)
    log.info("replay.ended", replay_id=str(replay["id"]), state=state, reason=why)


async def _again(conn: Conn, replay: Record, _: Record, begin: datetime, room: int) -> Chunk:
    """Queue the next deliveries that there are; those that wait or are under way are left to it."""
    types = replay["types"]
    every = types is None and replay["wanted"] != "any"
    size = room if every else CHUNK
    rows = await replays.lock_chunk(conn, replay, size)
    last: Record | None = None
    fitting, taken = 0, list[Record]()
    for row in rows:
        last = row
        if types is not None and not matches(types, row["type"] or ""):
            continue
        fitting += 1
        if row["state"] not in OPEN:
            taken.append(row)
            if len(taken) == room:
                break
    keys = [Key(r["created_at"], r["id"]) for r in taken]
    done = await replays.requeue(conn, replay["id"], keys, _slots(replay, begin, len(keys)))
    await _credit(conn, [r for r in taken if Key(r["created_at"], r["id"]) in done])
    place = replace(
        _standing(replay), matched=fitting, queued=len(done), skipped=fitting - len(done)
    )
    if last is not None:
        place = replace(place, at=last["created_at"], after_id=last["id"])
    return Chunk(place, len(done), len(rows) < size and (not rows or last is rows[-1]))


async def _credit(conn: Conn, taken: Sequence[Record]) -> None:
    """Leave earlier replays what they did with deliveries that are taken over from them."""
    ended: dict[UUID, Counts] = {}
    for row in taken:
        if (earlier := row["replay_id"]) is not None:
            so_far = ended.get(earlier, Counts())
            ended[earlier] = replace(so_far, **{row["state"]: getattr(so_far, row["state"]) + 1})
    if ended:
        await replays.credit(conn, ended)


async def _missing(
    conn: Conn, replay: Record, subscription: Record, begin: datetime, room: int
) -> Chunk:
    """Make deliveries of the next events that the subscription wants now and has none of."""
    rows = await replays.events_chunk(conn, replay, CHUNK)
    types = replay["types"]
    lacking = [r for r in rows if r["missing"] and (types is None or matches(types, r["type"]))]
    # Before they are loaded: a task that is being erased is waited for, and then is not there.
    await replays.keep_tasks(conn, sorted({r["task_uuid"] for r in lacking}))
    wanted = await missed(conn, subscription, [_event(replay["tenant"], r) for r in lacking])
    taken = [r for r in lacking if r["id"] in wanted][:room]
    last = (taken if len(taken) == room else rows)[-1:]
    in_order = sorted(taken, key=lambda r: (r["created_at"], r["sequence"]))
    events = [(r["created_at"], _event(replay["tenant"], r)) for r in in_order]
    await replays.insert_missing(conn, replay, events, _slots(replay, begin, len(events)))
    place = replace(_standing(replay), matched=len(taken), queued=len(taken))
    if last:
        place = replace(place, at=last[0]["created_at"], after_event=last[0]["id"])
    return Chunk(place, len(taken), len(rows) < CHUNK and len(taken) < room)


def _event(tenant: str, row: Record) -> NewEvent:
    return NewEvent(row["id"], tenant, row["type"], row["task_uuid"], row["sequence"], row["data"])
