"""A side door: videos are fetched once, looked into, kept, and deleted when their time is over.

The verdict never waits for it: what becomes of a file is an input of its own (`core.holding`). Each file has a row
with a lease, like all work; what was kept is written down in the transaction that tells of it, so there is exactly
one event. A file has the same name whenever it is fetched again, so dying between keeping and committing costs one
more download and nothing else.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import structlog

from service.core import media, retry
from service.core.errors import Unavailable
from service.core.fault import Fault, FaultKind
from service.core.media import PUT, Archive, ArchiveState, Media, Wanted, read_wanted
from service.core.task import Card, Result, Task, Video
from service.flows.apply import Apply
from service.flows.discard import WAIT_FIRST, WAIT_LONGEST, Discard
from service.flows.files import video_path
from service.flows.keeping import Keeper, Lost
from service.flows.refresh import Refresh
from service.flows.wake import Topic, Wake
from service.ports import Dice, Fetcher, FetchError, PlaceError, Places
from service.store import archives, history, tasks
from service.store.archives import Claimed
from service.store.pool import Conn, Pool, connection, transaction

log = structlog.get_logger()

BROKE = Fault("internal", "Keeping the video broke; see the log.", FaultKind.TRANSIENT)
PLACE_REST_S = 60.0
"""For how long a place is left alone that takes no file at all: others would only find that out too."""
OF_THE_PLACE = frozenset(
    {
        *("disk_full", "disk_error", "not_writable", "unauthorized", "unavailable"),
        *("no_such_bucket", "not_configured"),
    }
)
"""Faults that the next file would meet as well."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How files are kept. `rules` are label, value and days; zero days are as long as the task."""

    give_up: timedelta
    days: int = 0
    rules: tuple[tuple[str, str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class _Kept:
    media: Media
    location: str
    days: int


class Archiving:
    """Keeps videos, and deletes them. `temp` names a new file to download to."""

    def __init__(
        self,
        pool: Pool,
        apply: Apply,
        dice: Dice,
        wake: Wake,
        refresh: Refresh,
        fetcher: Fetcher,
        places: Places,
        temp: Callable[[UUID, int], Awaitable[Path]],
        keeping: Keeping,
        *,
        worker: UUID,
        lease_s: float,
        public_url: str,
    ) -> None:
        self._pool = pool
        self._keeper = Keeper(pool, apply, lease_s=lease_s)
        self._dice = dice
        self._wake = wake
        self._refresh = refresh
        self._fetcher = fetcher
        self._places = places
        self._temp = temp
        self._keeping = keeping
        self._worker = worker
        self._lease_s = lease_s
        self._public_url = public_url
        self._resting: dict[str, float] = {}
        self._discard = Discard(pool, self._keeper, dice, places)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.bytes: Counter[tuple[str]] = Counter()

    async def claim(self, limit: int) -> list[Claimed]:
        """Claim files that are to be fetched or deleted."""
        async with connection(self._pool) as conn:
            return await archives.claim(conn, limit, self._lease_s, self._worker)

    async def release(self, claimed: Sequence[Claimed]) -> None:
        """Give back claims that nothing was done about (a drain)."""
        async with connection(self._pool) as conn:
            await archives.release(conn, claimed)

    async def let_go(self) -> None:
        """Give back what a drain cut off, for others to take at once: nothing of it goes on here."""
        async with connection(self._pool) as conn:
            await archives.end(conn, [self._worker])

    async def work(self, claimed: Claimed) -> None:
        """Fetch and keep a file, or delete it; what goes wrong is tried again later."""
        loop = asyncio.get_running_loop()
        if self._resting.get(claimed.place, 0) > loop.time() and not claimed.deleting:
            rest_s = PLACE_REST_S * (0.5 + self._dice.jitter())
            async with connection(self._pool) as conn:
                await archives.postpone(conn, claimed, None, rest_s, tried=False)
            return
        try:
            await (self._discard.work(claimed) if claimed.deleting else self._fetch(claimed))
        except Lost:
            log.info("archive.claim_lost", task_id=str(claimed.task_uuid), index=claimed.index)

    async def expire(self, limit: int = 500) -> int:
        """Have files deleted whose time is over; gives how many."""
        async with connection(self._pool) as conn:
            found = await archives.expire(conn, limit)
        if found:
            self._wake.ring([Topic.ARCHIVE])
        return found

    async def _fetch(self, claimed: Claimed) -> None:
        async with connection(self._pool) as conn:
            task = (await tasks.get(conn, [claimed.task_uuid])).get(claimed.task_uuid)
            card = (await tasks.cards(conn, [claimed.task_uuid])).get(claimed.task_uuid)
        if task is None or card is None or card.archive is None:
            return
        result = task.results[claimed.index]
        try:
            kept = await self._keeper.while_held(claimed, self._keep(claimed, task, card, result))
        except (FetchError, PlaceError) as error:
            await self._failed(claimed, error.fault)
            return
        except (Lost, Unavailable):
            raise
        except Exception:
            # Else it would be fetched again at every lease's end, and never given up.
            log.exception("archive.broke", task_id=str(task.task_uuid), index=claimed.index)
            await self._failed(claimed, BROKE)
            return
        try:
            await self._done(claimed, kept)
        except Lost:
            await self._forget(claimed, kept.location)
            raise
        log.info(
            "archive.kept",
            task_id=str(task.task_uuid),
            index=claimed.index,
            bytes=kept.media.bytes,
            place=claimed.place,
        )

    async def _keep(self, claimed: Claimed, task: Task, card: Card, result: Result) -> _Kept:
        wanted: Wanted = read_wanted(card.archive or "")
        keeping = self._keeping
        days = media.days_kept(wanted, card.labels, keeping.rules, keeping.days)
        place = self._places.of(wanted.to, claimed.index)
        if result.video is None:
            raise FetchError(Fault("no_video", "The result has no video.", FaultKind.PERMANENT))
        temp = await self._temp(task.task_uuid, claimed.index)
        try:
            found = await self._fetched(task, result.video, temp)
            name = media.name(task.tenant, task.task_uuid, claimed.index, found)
            return _Kept(found, await place.keep(temp, name, found), days)
        finally:
            await asyncio.to_thread(temp.unlink, missing_ok=True)

    async def _fetched(self, task: Task, video: Video, into: Path) -> Media:
        """Fetch a video; where its URL expired, or there is none, from where the upstream says it is by now."""
        failure = FetchError(Fault("no_url", "The upstream gave no URL.", FaultKind.TRANSIENT))
        if video.url is not None:
            try:
                return await self._fetcher.fetch(video.url, into)
            except FetchError as error:
                if not error.expired:
                    raise
                failure = error
        fresh = await self._refresh.url(task, video.video_uuid)
        if fresh is None or fresh == video.url:
            raise failure
        return await self._fetcher.fetch(fresh, into)

    async def _done(self, claimed: Claimed, kept: _Kept) -> None:
        if claimed.place == PUT:
            # What was put somewhere is its owner's: nothing of it is deleted here.
            url, days = kept.location, None
        else:
            url = self._public_url + video_path(claimed.task_uuid, claimed.index)
            days = kept.days or None
        archive = Archive(ArchiveState.KEPT, kept.media, url)
        size = kept.media.bytes

        async def note(conn: Conn) -> bool:
            return await archives.finish(conn, claimed, kept.location, size, days)

        await self._keeper.tell(claimed, archive, note)
        self.outcomes[claimed.place.partition(":")[0], "kept"] += 1
        self.bytes[(claimed.place.partition(":")[0],)] += size

    async def _failed(self, claimed: Claimed, fault: Fault) -> None:
        """Give up, or try again later."""
        if fault.code in OF_THE_PLACE and (claimed.place != PUT or fault.code.startswith("disk_")):
            now = asyncio.get_running_loop().time()
            self._resting[claimed.place] = now + PLACE_REST_S
            log.warning("archive.place_rests", place=claimed.place, code=fault.code)
        late = claimed.now - claimed.created_at >= self._keeping.give_up
        ends = late or fault.kind is FaultKind.PERMANENT
        wait = retry.backoff(claimed.attempts + 1, WAIT_FIRST, WAIT_LONGEST, self._dice.jitter())
        detail: dict[str, object] = {
            "index": claimed.index,
            "attempt": claimed.attempts + 1,
            "code": fault.code,
            "message": fault.message,
        }
        detail |= {} if ends else {"againInSeconds": round(wait.total_seconds(), 1)}
        entry = history.Entry(claimed.task_uuid, "upstream", "fetch", detail=detail)
        about = {"task_id": str(claimed.task_uuid), "index": claimed.index, "code": fault.code}
        self.outcomes[claimed.place.partition(":")[0], "failed" if ends else "postponed"] += 1
        log.warning("archive.failed" if ends else "archive.postponed", **about)
        if ends:
            archive = Archive(ArchiveState.FAILED, error=fault)

            async def note(conn: Conn) -> bool:
                await history.insert(conn, [entry])
                return await archives.fail(conn, claimed, fault.code)

            await self._keeper.tell(claimed, archive, note)
            return
        async with transaction(self._pool) as conn:
            wait_s = wait.total_seconds()
            if not await archives.postpone(conn, claimed, fault.code, wait_s, tried=True):
                raise Lost
            await history.insert(conn, [entry])

    async def _forget(self, claimed: Claimed, location: str) -> None:
        """Delete what was kept of a task that was erased meanwhile. A rival keeps it under the same name: it stays."""
        async with connection(self._pool) as conn:
            row = await archives.get_archive(conn, claimed.task_uuid, claimed.index)
        if row is not None and row["state"] != "deleting":
            return
        try:
            await self._places.at(location).delete(location)
        except PlaceError as error:
            log.warning("archive.left_behind", location=location, code=error.fault.code)
