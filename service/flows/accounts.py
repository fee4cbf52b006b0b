"""A side door: the accounts of upstreams. Who may send, who is paused, whose turn it is."""

import asyncio
from collections.abc import Mapping, Sequence
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
        self._is_ready = False

    async def ready(self) -> None:
        """Write the environment's accounts with their places, and learn of the others; once."""
        if self._is_ready:
            return
        async with transaction(self._pool) as conn:
            for name in self._upstreams.names():
                limits = self._upstreams[name].limits
                await accounts.keep(conn, Name(TENANT, name, DEFAULT), limits)
        await self.refresh()
        self._is_ready = True

    async def refresh(self) -> int:
        """Learn of accounts that were added, changed or removed elsewhere; gives 0, for a loop."""
        async with connection(self._pool) as conn:
            rows = await accounts.list_all(conn, TENANT)
            sealed = await accounts.keys(conn, TENANT)
        for name in self._upstreams.names():
            self._upstreams[name].know(self._opened(sealed, name))
        self._weights = {_name(r): r["weight"] for r in rows}
        self._per_minute = {_name(r): r["per_minute"] for r in rows}
        self._reads = {_name(r): r["reads_per_minute"] for r in rows}
        return 0

    def _opened(self, sealed: list[Record], provider: str) -> Mapping[str, str]:
        keys: dict[str, str] = {}
        for row in sealed:
            if row["provider"] != provider:
                continue
            try:
                keys[row["account"]] = self._vault.open(row["credentials"]).decode()
            except VaultError as error:
                log.error("account.unreadable", account=row["account"], reason=str(error))  # noqa: TRY400 - it says all
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

    async def list_all(self, tenant: str) -> list[Record]:
        """List accounts with how many of their places are taken."""
        async with connection(self._pool) as conn:
            return await accounts.list_all(conn, tenant)

    async def show(self, name: Name) -> Record:
        """Load an account; raises NotFound."""
        found = [r for r in await self.list_all(name.tenant) if _name(r) == name]
        if not found:
            raise NotFound("There is no such account.")
        return found[0]

    async def hold(self, name: Name, why: str) -> Record:
        """Pause an account until it is resumed: nothing new is sent by it; what runs goes on."""
        return await self._hold(name, why)

    async def resume(self, name: Name) -> Record:
        """Let an account send again at once, whatever paused it."""
        return await self._hold(name, None)

    async def _hold(self, name: Name, why: str | None) -> Record:
        async with connection(self._pool) as conn:
            if not await accounts.hold(conn, name, why):
                raise NotFound("There is no such account.")
        log.info("account.held" if why else "account.resumed", **_said(name), reason=why)
        self._wake.ring([Topic.SUBMIT])
        return await self.show(name)

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

    async def remove(self, name: Name) -> None:
        """Remove an account; raises Conflict while tasks are upstream by it."""
        await self.show(name)
        async with transaction(self._pool) as conn:
            if not await accounts.remove(conn, name):
                raise Conflict(
                    "Tasks of this account are still upstream: pause it, and wait for them."
                )
        log.info("account.removed", **_said(name))
        await self.refresh()


def _name(row: Record) -> Name:
    return Name(row["tenant"], row["provider"], row["account"])


def _said(name: Name) -> dict[str, str]:
    return {"provider": name.provider, "account": name.account}


def waits_for(rooms: Sequence[Record], now: datetime) -> str | None:
    """Say why a queued task is not being sent: the best that any of the accounts that may send it can do."""
    why = [_why(r, now) for r in rooms]
    for reason in (None, "rate", "slot", "account_paused"):
        if reason in why:
            return reason
    return None


def _why(room: Record, now: datetime) -> str | None:
    paused = room["paused_until"] is not None and room["paused_until"] > now
    if room["held_for"] is not None or paused:
        return "account_paused"
    if not room["free"]:
        return "slot"
    return None if rate.room(room["send_at"], room["per_minute"], now) else "rate"
