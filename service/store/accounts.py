"""Accounts: their places, their rate, their pauses. One tenant's accounts are found by (provider, account)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from service.core.pausing import Pause
from service.store import rows
from service.store.pool import Conn, Record
from service.store.queries import load

SQL = load("accounts")


@dataclass(frozen=True, slots=True)
class Name:
    """Which account."""

    tenant: str
    provider: str
    account: str

    @property
    def key(self) -> tuple[str, str, str]:
        """The same, as statements take it."""
        return self.tenant, self.provider, self.account


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an account may do. A rate of 0 is none."""

    concurrency: int
    per_minute: int = 0
    reads_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """An account that is locked to claim for it."""

    concurrency: int
    per_minute: int
    send_at: datetime | None
    half_open: bool
    now: datetime


async def keep(
    conn: Conn,
    name: Name,
    limits: Limits,
    *,
    weight: int | None = None,
    credentials: bytes | None = None,
) -> Record:
    """Write an account as it shall be, with its places; gives its row."""
    row = await conn.fetchrow(
        SQL["keep_account"],
        *name.key,
        limits.concurrency,
        limits.per_minute,
        limits.reads_per_minute,
        weight,
        credentials,
    )
    if row is None:
        raise RuntimeError("an upsert gives its row")
    await conn.execute(SQL["make_slots"], *name.key)
    return row


async def remove(conn: Conn, name: Name) -> int | None:
    """Remove an account, after claims of it that are under way, and after those that ended unsent gave back theirs.

    Gives how many queued tasks name it; none when there is no such account, or some of its places are taken.
    """
    if await conn.fetchval(SQL["lock_account"], *name.key) is None:
        return None
    await conn.execute(SQL["give_back_slots"], *name.key, None)
    await conn.execute(SQL["remove_slots"], *name.key)
    named: int | None = await conn.fetchval(SQL["forget_account"], *name.key)
    return named


async def list_all(conn: Conn, tenant: str) -> list[Record]:
    """List accounts with how many of their places are taken."""
    return await conn.fetch(SQL["list_accounts"], tenant)


async def keys(conn: Conn, tenant: str) -> list[Record]:
    """Load the sealed credentials of accounts that were given here."""
    return await conn.fetch(SQL["account_keys"], tenant)


async def room(conn: Conn, tenant: str, providers: Sequence[str]) -> list[Record]:
    """Load what says why tasks of these providers wait."""
    return await conn.fetch(SQL["account_room"], tenant, list(providers))


async def hold(conn: Conn, name: Name, why: str | None) -> bool:
    """Pause an account until it is resumed, or (without a reason) resume it; false when there is none."""
    return await conn.fetchval(SQL["hold_account"], *name.key, why) is not None


async def take_turn(conn: Conn, name: Name, now: datetime | None = None) -> Turn | None:
    """Lock an account to claim for it; none while it is paused, or somebody else claims."""
    row = await conn.fetchrow(SQL["take_turn"], *name.key, now)
    if row is None:
        return None
    return Turn(
        row["concurrency"], row["per_minute"], row["send_at"], row["pauses"] > 0, row["now"]
    )


async def free_slots(
    conn: Conn, name: Name, concurrency: int, limit: int, now: datetime | None = None
) -> list[int]:
    """Lock free places, after those of claims that ended unsent were given back."""
    await conn.execute(SQL["give_back_slots"], *name.key, now)
    found = await conn.fetch(SQL["free_slots"], *name.key, concurrency, limit)
    return [r["slot_no"] for r in found]


async def take_slots(
    conn: Conn, name: Name, taken: Mapping[int, UUID], now: datetime | None = None
) -> None:
    """Give places to claimed tasks."""
    await conn.execute(SQL["leave_earlier_slots"], list(taken.values()))
    await conn.execute(SQL["take_slots"], *name.key, list(taken), list(taken.values()), now)


async def turn_taken(
    conn: Conn, name: Name, send_at: datetime | None, others_wait_until: datetime | None
) -> None:
    """Note what a claim took."""
    await conn.execute(SQL["turn_taken"], *name.key, send_at, others_wait_until)


async def give_back(conn: Conn, uuids: Sequence[UUID]) -> None:
    """Free the places of claims that are given back; their tasks are locked."""
    await conn.execute(SQL["leave_earlier_slots"], list(uuids))


async def count_resend(conn: Conn, name: Name, seconds: float) -> None:
    """Count a send that is repeated."""
    await conn.execute(SQL["count_resend"], *name.key, seconds)


async def lock_pauses(
    conn: Conn, tenant: str, named: Mapping[tuple[str, str], bool]
) -> dict[tuple[str, str], Pause]:
    """Lock accounts by (provider, account); those that are well only where the value says so."""
    found = await conn.fetch(
        SQL["lock_pauses"],
        tenant,
        [provider for provider, _ in named],
        [account for _, account in named],
        list(named.values()),
    )
    return {(r["provider"], r["account"]): pause_of(r) for r in found}


def pause_of(row: Record) -> Pause:
    """Make the pause of an account's row."""
    return Pause(
        row["pauses"], row["paused_since"], row["paused_until"], rows.fault_of(row["paused_for"])
    )


async def write_pause(conn: Conn, name: Name, pause: Pause) -> None:
    """Note how an account is."""
    fault = rows.fault_json(pause.fault)
    await conn.execute(SQL["write_pause"], *name.key, pause.count, pause.since, pause.until, fault)


async def lock_read_turn(conn: Conn, name: Name) -> tuple[datetime | None, datetime] | None:
    """Lock an account's turn to read: when it is, and the time now."""
    row = await conn.fetchrow(SQL["lock_read_turn"], *name.key)
    return None if row is None else (row["read_at"], row["now"])


async def take_read_turn(conn: Conn, name: Name, read_at: datetime | None) -> None:
    """Note that somebody reads."""
    await conn.execute(SQL["take_read_turn"], *name.key, read_at)
