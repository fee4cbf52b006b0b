"""Replays: ranges of deliveries that are sent again in the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from service.store.delivery_lists import Key
from service.store.events import NewEvent
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("replays")


@dataclass(frozen=True, slots=True)
class NewReplay:
    """A replay that was validated."""

    id: UUID
    tenant: str
    subscription_id: UUID
    since: datetime
    until: datetime
    wanted: str
    types: Sequence[str] | None
    rate: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How the deliveries stand that a replay queued."""

    untried: int = 0
    retrying: int = 0
    """Tried at least once; another attempt follows, or is being made."""
    delivered: int = 0
    failed: int = 0
    held: int = 0
    canceled: int = 0


@dataclass(frozen=True, slots=True)
class Advanced:
    """How far a replay is after a chunk."""

    at: datetime
    after_id: int
    after_event: UUID
    due_at: datetime
    look_at: datetime
    matched: int = 0
    queued: int = 0
    skipped: int = 0
    state: str = "running"
    canceled_by: str | None = None
    finished_at: datetime | None = None


async def oldest_kept(conn: Conn, days: int, now: datetime | None = None) -> datetime:
    """Say from when on events are kept."""
    found: datetime = await conn.fetchval(SQL["oldest_kept"], days, now)
    return found


async def insert(conn: Conn, new: NewReplay, now: datetime) -> Record | None:
    """Begin a replay; none when one of its subscription is running."""
    return await conn.fetchrow(
        SQL["insert_replay"],
        new.id,
        new.tenant,
        new.subscription_id,
        new.since,
        new.until,
        new.wanted,
        None if new.types is None else list(new.types),
        new.rate,
        now,
    )


async def running(conn: Conn, subscription_id: UUID) -> UUID | None:
    """Name the replay of a subscription that is running."""
    found: UUID | None = await conn.fetchval(SQL["running_replay"], subscription_id)
    return found


async def get(conn: Conn, tenant: str, replay_id: UUID) -> Record | None:
    """Load one replay."""
    return await conn.fetchrow(SQL["get_replay"], tenant, replay_id)


async def page(
    conn: Conn, tenant: str, subscription_id: UUID, before_seq: int | None, limit: int
) -> list[Record]:
    """Give a page of the replays of a subscription, newest first."""
    return list(await conn.fetch(SQL["list_replays"], tenant, subscription_id, before_seq, limit))


async def counts(conn: Conn, rows: Sequence[Record]) -> Mapping[UUID, Counts]:
    """Count how the deliveries of replays stand; what was settled is taken from their rows."""
    found = {
        r["id"]: Counts(0, 0, r["delivered"], r["failed"], r["held"], r["canceled"]) for r in rows
    }
    unsettled = [r["id"] for r in rows if r["settled_at"] is None]
    for row in await _counted(conn, unsettled) if unsettled else ():
        found[row["replay_id"]] = _added(found[row["replay_id"]], row)
    return found


async def _counted(conn: Conn, replay_ids: Sequence[UUID]) -> list[Record]:
    return list(await conn.fetch(SQL["replay_counts"], list(replay_ids)))


def _added(before: Counts, row: Record) -> Counts:
    more, untried, state = row["deliveries"], row["untried"], row["state"]
    if state in {"pending", "sending"}:
        retrying = before.retrying + more - untried
        return replace(before, untried=before.untried + untried, retrying=retrying)
    return replace(before, **{state: getattr(before, state) + more})


async def cancel(conn: Conn, tenant: str, replay_id: UUID) -> bool:
    """Stop a replay; false when it is not running."""
    return await conn.fetchval(SQL["cancel_replay"], tenant, replay_id) is not None


async def claim(conn: Conn, now: datetime | None = None) -> Record | None:
    """Lock a replay that is to go on."""
    return await conn.fetchrow(SQL["claim_replay"], now)


async def untried(conn: Conn, replay_id: UUID, most: int) -> int:
    """Count the deliveries of a replay that were not tried yet, up to `most`."""
    return int(await conn.fetchval(SQL["count_untried"], replay_id, most))


async def lock_chunk(conn: Conn, replay: Record, size: int) -> list[Record]:
    """Lock the next deliveries of a replay that are in the state it asks for."""
    target, wanted = replay["subscription_id"], replay["wanted"]
    place = (replay["at"], replay["after_id"], replay["until"], size)
    if wanted == "any":
        return list(await conn.fetch(SQL["lock_any_chunk"], target, *place))
    return list(await conn.fetch(SQL["lock_odd_chunk"], target, wanted, *place))


async def requeue(
    conn: Conn, replay_id: UUID, keys: Sequence[Key], times: Sequence[datetime]
) -> set[Key]:
    """Queue deliveries that are locked here; gives those that were, which leaves out erased tasks."""
    created, ids = [k.created_at for k in keys], [k.id for k in keys]
    rows = await conn.fetch(SQL["requeue_deliveries"], replay_id, created, ids, list(times))
    return {Key(r["created_at"], r["id"]) for r in rows}


async def credit(conn: Conn, ended: Mapping[UUID, Counts]) -> None:
    """Keep what earlier replays did with deliveries that were taken over from them."""
    # In one order, as whoever locks several rows does.
    replays = sorted(ended)
    await conn.execute(
        SQL["credit_replays"],
        replays,
        [ended[r].delivered for r in replays],
        [ended[r].failed for r in replays],
        [ended[r].held for r in replays],
        [ended[r].canceled for r in replays],
    )


async def events_chunk(conn: Conn, replay: Record, size: int) -> list[Record]:
    """Give the next events of a replay, each with whether its subscription has no delivery of it."""
    return list(
        await conn.fetch(
            SQL["events_chunk"],
            replay["tenant"],
            replay["subscription_id"],
            replay["at"],
            replay["after_event"],
            replay["until"],
            size,
        )
    )


async def keep_tasks(conn: Conn, tasks: Sequence[UUID]) -> None:
    """Keep tasks from being erased until the transaction ends."""
    await conn.execute(SQL["keep_tasks"], list(tasks))


async def insert_missing(
    conn: Conn,
    replay: Record,
    events: Sequence[tuple[datetime, NewEvent]],
    times: Sequence[datetime],
) -> None:
    """Make deliveries of past events, each at its time."""
    await conn.execute(
        SQL["insert_missing_deliveries"],
        replay["id"],
        replay["tenant"],
        replay["subscription_id"],
        [at for at, _ in events],
        [e.id for _, e in events],
        [e.task_uuid for _, e in events],
        list(times),
    )


async def advance(conn: Conn, replay_id: UUID, to: Advanced) -> None:
    """Note how far a replay is."""
    await conn.execute(
        SQL["advance_replay"],
        replay_id,
        to.at,
        to.after_id,
        to.after_event,
        to.due_at,
        to.look_at,
        to.matched,
        to.queued,
        to.skipped,
        to.state,
        to.canceled_by,
        to.finished_at,
    )


async def put_off(conn: Conn, replay_id: UUID, seconds: float, now: datetime | None = None) -> None:
    """Let a replay wait."""
    await conn.execute(SQL["put_off_replay"], replay_id, seconds, now)


async def settle(conn: Conn) -> bool:
    """Keep the counts of one replay whose deliveries have all ended; false when there is none.

    In the caller's transaction: counted after the lock, so that nobody takes a delivery over in between.
    """
    replay_id = await conn.fetchval(SQL["lock_ended_replay"])
    if replay_id is None:
        return False
    found = Counts()
    for row in await _counted(conn, [replay_id]):
        found = _added(found, row)
    kept = (found.delivered, found.failed, found.held, found.canceled)
    await conn.execute(SQL["settle_replay"], replay_id, *kept)
    return True


async def forget(conn: Conn, days: int) -> None:
    """Forget replays that ended longer ago than anything is kept."""
    await conn.execute(SQL["forget_replays"], days)
