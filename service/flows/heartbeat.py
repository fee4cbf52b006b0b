"""A side door: this process says that it lives, and keeps the leases of its long reads.

Who cannot say so stops claiming: past their leases others take its work over, and it would only do it twice. Beats
never move a task: they touch `lease_until` of reads alone. A send is not kept longer, its `look_again_at` is the
lease's end; a delivery needs no more than its lease.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import structlog

from service.core.errors import Unavailable
from service.store import workers
from service.store.pool import Pool, connection
from service.store.workers import Lease, Worker

T = TypeVar("T")
log = structlog.get_logger()


class Fitness:
    """Whether this process may claim: its last beat is not longer ago than `limit_s`."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._beat_at: float | None = None

    def beaten(self, at: float) -> None:
        """Note a beat that was begun at this time of the loop's clock."""
        self._beat_at = at

    @property
    def fit(self) -> bool:
        """Whether claims are allowed now; before the first beat they are not."""
        if self._beat_at is None:
            return False
        return asyncio.get_running_loop().time() - self._beat_at <= self._limit_s

    def guard(
        self, claim: Callable[[int], Awaitable[Sequence[T]]]
    ) -> Callable[[int], Awaitable[Sequence[T]]]:
        """Make a claim that gets nothing while this process is unfit."""

        async def guarded(limit: int) -> Sequence[T]:
            return await claim(limit) if self.fit else ()

        return guarded


class Held:
    """The leases of reads that are under way here, which beats keep."""

    def __init__(self) -> None:
        self._kept: dict[Lease, float | None] = {}
        """When each was last known to be ours, on the loop's clock; none once it is lost."""

    @contextmanager
    def keep(self, lease: Lease) -> Iterator[None]:
        """Have a lease kept for the length of the block."""
        self._kept[lease] = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            del self._kept[lease]

    def lost(self, lease: Lease, lease_s: float) -> bool:
        """Whether the lease is, or may be, somebody else's by now.

        A beat found it so; or nothing kept it for as long as it lasts, because the process stood still.
        """
        at = self._kept[lease]
        return at is None or asyncio.get_running_loop().time() - at > lease_s

    def leases(self) -> list[Lease]:
        """Give what is held and was not lost."""
        return [lease for lease, at in self._kept.items() if at is not None]

    def beaten(self, held: Sequence[Lease], lost: Collection[Lease], at: float) -> None:
        """Note what a beat that began at this time kept and found lost; what ended meanwhile is past caring."""
        for lease in held:
            if lease in self._kept:
                self._kept[lease] = None if lease in lost else at


class Heartbeat:
    """Says that this process lives."""

    def __init__(
        self, pool: Pool, me: Worker, fitness: Fitness, held: Held, *, lease_s: float
    ) -> None:
        self._pool = pool
        self.me = me
        self._fitness = fitness
        self._held = held
        self._lease_s = lease_s

    async def beat(self) -> int:
        """Beat once; gives how many leases were kept. Raises Unavailable when the database is away."""
        # The time before the statement: a beat that hung for long is as old as it is.
        at = asyncio.get_running_loop().time()
        held = self._held.leases()
        async with connection(self._pool) as conn:
            await workers.beat(conn, self.me)
            lost = await workers.extend(conn, held, self._lease_s) if held else ()
        self._fitness.beaten(at)
        self._held.beaten(held, lost, at)
        if lost:
            log.info("heartbeat.leases_lost", task_ids=[str(u) for u, _ in lost])
        return len(held) - len(lost)

    async def leave(self) -> None:
        """Say at the end of a drain that this process held nothing any more; if the database is away, its row ages."""
        try:
            async with connection(self._pool, timeout_s=2.0) as conn:
                await workers.remove(conn, [self.me.worker])
        except Unavailable as error:
            log.warning("heartbeat.not_left", reason=error.detail)
