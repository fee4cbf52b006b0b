"""A side door: the accounts of upstreams. Who may send, who is paused, whose turn it is."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from service.core import rate
from service.core.errors import Conflict, NotFound
from service.core.task import Task
from service.flows.upstreams import DEFAULT, Upstreams
from service.flows.wake import Topic, Wake
from service.ports import Dice
from service.store import accounts
from service.store.accounts import Limits, Name
from service.store.pool import Conn, Pool, Record, connection, transaction
from service.vault import Vault, VaultError

log = structlog.get_logger()

TENANT = "default"
"""Upstream accounts are the house's own: there is one set of them."""
READ_PATIENCE = timedelta(seconds=2)
"""How long a read waits for its turn; past that it is left to the end of its lease."""
REFRESH_S = 5.0
"""How soon a process knows of accounts that another one was told of."""
BY_OPERATOR = "Paused by an operator."
NOT_THERE = "There is no such account."
AccountName = Name
"""Which account, for doors that do not see the store."""


def named(provider: str, account: str) -> Name:
    """Name an account."""
    return Name(TENANT, provider, account)


@dataclass(frozen=True, slots=True)
class Wish:
    """What an account shall be; what is None stays as it is, or as the settings have it for a new one."""

    concurrency: int | None = None
    per_minute: int | None = None
    reads_per_minute: int | None = None
    weight: int | None = None
    key: str | None = None

    def limits(self, now: Limits) -> Limits:
        """Give the limits it shall have, where it has these now."""
        wished = (self.concurrency, self.per_minute, self.reads_per_minute)
        had = (now.concurrency, now.per_minute, now.reads_per_minute)
        return Limits(*(h if w is None else w for w, h in zip(wished, had, strict=True)))


class Accounts:
    """Keeps accounts, and knows whose turn it is."""

    def __init__(
        self, pool: Pool, wake: Wake, dice: Dice, vault: Vault, upstreams: Upstreams
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._vault = vault
        self._upstreams = upstreams
        self._weights: dict[Name, int] = {}
        self._per_minute: dict[Name, int] = {}
        self._reads: dict[Name, int] = {}
        self._unreadable: dict[Name, str] = {}
        self._is_ready = False

    async def ready(self) -> None:
        """Write the environment's accounts with their places, and learn of the others; once."""
        if self._is_ready:
            return
        async with transaction(self._pool) as conn:
            for name in self._upstreams.names():
                limits = self._upstreams[name].limits
                await accounts.keep(conn, named(name, DEFAULT), limits)
        await self.refresh()
        self._is_ready = True

    async def refresh(self) -> int:
        """Learn of accounts that were added, changed or removed elsewhere; gives 0, for a loop."""
        async with connection(self._pool) as conn:
            rows = await accounts.list_all(conn, TENANT)
            sealed = await accounts.keys(conn, TENANT)
        opened = self._opened(sealed)
        for name in self._upstreams.names():
            self._upstreams[name].know(opened[name])
        self._weights = {_name(r): r["weight"] for r in rows}
        self._per_minute = {_name(r): r["per_minute"] for r in rows}
        self._reads = {_name(r): r["reads_per_minute"] for r in rows}
        return 0

    @property
    def unreadable(self) -> Mapping[Name, str]:
        """The accounts whose keys cannot be opened here, with the reason."""
        return self._unreadable

    def _opened(self, sealed: list[Record]) -> Mapping[str, Mapping[str, str]]:
        """Open the keys of accounts, by provider; one that cannot be opened is told of once."""
        keys: dict[str, dict[str, str]] = {provider: {} for provider in self._upstreams.names()}
        before, self._unreadable = self._unreadable, {}
        for row in sealed:
            name = named(row["provider"], row["account"])
            try:
                opened = self._vault.open(row["credentials"]).decode()
            except VaultError as error:
                self._unreadable[name] = str(error)
                if name not in before:
                    log.error("account.unreadable", **_said(name), reason=str(error))  # noqa: TRY400 - it says all
                continue
            keys.setdefault(name.provider, {})[name.account] = opened
        return keys

    def in_turn(self) -> list[Name]:
        """Give the accounts that may send from here, in an order thrown by their weights.

        Efraimidis and Spirakis: each throws u^(1/weight), the greatest goes first; so tasks that come one by one
        are spread in proportion to the weights.
        """
        names = [
            Name(TENANT, upstream.provider.name, account)
            for upstream in self._upstreams.on()
            for account in upstream.accounts
        ]
        thrown = {n: self._dice.jitter() ** (1 / self._weights.get(n, 1)) for n in names}
        return sorted(names, key=lambda n: -thrown[n])

    async def count_resend(self, conn: Conn, task: Task) -> None:
        """Count a send that is repeated: it never waits, and those after it do."""
        name = Name(task.tenant, task.provider, task.account)
        per_minute = self._per_minute.get(name, 0)
        if per_minute:
            await accounts.count_resend(conn, name, rate.spacing(per_minute).total_seconds())

    async def read_turn(self, task: Task) -> bool:
        """Wait for this account's turn to read; false when it is too far away to wait for."""
        name = Name(task.tenant, task.provider, task.account)
        per_minute = self._reads.get(name, 0)
        if per_minute == 0:
            return True
        async with transaction(self._pool) as conn:
            turn = await accounts.lock_read_turn(conn, name)
            if turn is None:
                return True
            read_at, now = turn
            wait = rate.wait(read_at, per_minute, now)
            if wait > READ_PATIENCE:
                return False
            await accounts.take_read_turn(conn, name, rate.after(read_at, per_minute, now, 1))
        await asyncio.sleep(wait.total_seconds())
        return True

    async def list_all(self) -> list[Record]:
        """List accounts with how many of their places are taken."""
        async with connection(self._pool, timeout_s=2.0) as conn:
            return await accounts.list_all(conn, TENANT)

    async def show(self, name: Name) -> Record:
        """Load an account; raises NotFound."""
        found = [r for r in await self.list_all() if _name(r) == name]
        if not found:
            raise NotFound(NOT_THERE)
        return found[0]

    async def hold(self, name: Name, why: str | None = None) -> Record:
        """Pause an account until it is resumed: nothing new is sent by it; what runs goes on.

        Repeated without a reason, it keeps the one it has. Raises NotFound.
        """
        kept = None if why else (await self.show(name))["held_for"]
        return await self._hold(name, why or kept or BY_OPERATOR)

    async def resume(self, name: Name) -> Record:
        """Let an account send again at once, whatever paused it."""
        return await self._hold(name, None)

    async def _hold(self, name: Name, why: str | None) -> Record:
        async with connection(self._pool) as conn:
            if not await accounts.hold(conn, name, why):
                raise NotFound(NOT_THERE)
        log.info("account.held" if why else "account.resumed", **_said(name), reason=why)
        self._wake.ring([Topic.SUBMIT])
        return await self.show(name)

    async def add(self, name: Name, wish: Wish) -> Record:
        """Add an account; raises Conflict when there is one of this name."""
        if any(_name(r) == name for r in await self.list_all()):
            raise Conflict("There is an account of this name already.")
        limits = wish.limits(self._upstreams[name.provider].limits)
        return await self.keep(name, limits, weight=wish.weight, key=wish.key)

    async def change(self, name: Name, wish: Wish) -> Record:
        """Change an account; raises NotFound."""
        row = await self.show(name)
        limits = Limits(row["concurrency"], row["per_minute"], row["reads_per_minute"])
        return await self.keep(name, wish.limits(limits), weight=wish.weight, key=wish.key)

    async def keep(
        self, name: Name, limits: Limits, *, weight: int | None, key: str | None
    ) -> Record:
        """Add an account or change one; without a key, a new one cannot be used."""
        sealed = None if key is None else self._vault.seal(key.encode())
        async with transaction(self._pool) as conn:
            await accounts.keep(conn, name, limits, weight=weight, credentials=sealed)
        log.info("account.kept", **_said(name))
        await self.refresh()
        return await self.show(name)

    async def remove(self, name: Name) -> int:
        """Remove an account; gives how many queued tasks name it, which wait until it is back or their time is over.

        Raises NotFound, and Conflict while tasks are upstream by it.
        """
        await self.show(name)
        async with transaction(self._pool) as conn:
            waiting = await accounts.remove(conn, name)
            if waiting is None:
                raise Conflict(
                    "Tasks of this account are still upstream: pause it, and wait for them."
                )
        log.info("account.removed", **_said(name), waiting=waiting)
        await self.refresh()
        return waiting


def _name(row: Record) -> Name:
    return Name(row["tenant"], row["provider"], row["account"])


def _said(name: Name) -> dict[str, str]:
    return {"provider": name.provider, "account": name.account}


def waits_for(rooms: Sequence[Record], now: datetime) -> str | None:
    """Say why a queued task is not being sent: the best that any of the accounts that may send it can do.

    Where there is none (the one it names was removed, say), it waits as for one that is paused.
    """
    why = [_why(r, now) for r in rooms]
    for reason in (None, "rate", "slot"):
        if reason in why:
            return reason
    return "account_paused"


def _why(room: Record, now: datetime) -> str | None:
    paused = room["paused_until"] is not None and room["paused_until"] > now
    if room["held_for"] is not None or paused:
        return "account_paused"
    if not room["free"]:
        return "slot"
    return None if rate.room(room["send_at"], room["per_minute"], now) else "rate"
