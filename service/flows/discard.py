"""Part of keeping videos: files are deleted when their time is over, or with their task."""

from datetime import timedelta

import structlog

from service.core import media, retry
from service.core.media import PUT, Archive, ArchiveState
from service.flows.keeping import Keeper
from service.ports import Dice, PlaceError, Places
from service.store import archives, tasks
from service.store.archives import Claimed
from service.store.pool import Pool, connection

log = structlog.get_logger()

WAIT_FIRST = timedelta(seconds=10)
WAIT_LONGEST = timedelta(minutes=15)
"""The ceilings of the back-off between two attempts."""


class Discard:
    """Deletes files."""

    def __init__(self, pool: Pool, keeper: Keeper, dice: Dice, places: Places) -> None:
        self._pool = pool
        self._keeper = keeper
        self._dice = dice
        self._places = places

    async def work(self, claimed: Claimed) -> None:
        """Delete a file; what goes wrong is tried again later. Raises Lost."""
        async with connection(self._pool) as conn:
            task = (await tasks.get(conn, [claimed.task_uuid])).get(claimed.task_uuid)
        try:
            await self._keeper.while_held(claimed, self._remove(claimed, erased=task is None))
        except PlaceError as error:
            wait = retry.backoff(
                claimed.attempts + 1, WAIT_FIRST, WAIT_LONGEST, self._dice.jitter()
            )
            log.warning(
                "archive.not_deleted",
                task_id=str(claimed.task_uuid),
                index=claimed.index,
                code=error.fault.code,
                message=error.fault.message,
            )
            async with connection(self._pool) as conn:
                code, wait_s = error.fault.code, wait.total_seconds()
                await archives.postpone(conn, claimed, code, wait_s, tried=True)
            return
        known = None if task is None else task.results[claimed.index].archive
        archive = Archive(ArchiveState.DELETED, None if known is None else known.media)
        await self._keeper.tell(
            claimed, archive, lambda conn: archives.remove(conn, claimed), erased=task is None
        )
        log.info("archive.deleted", task_id=str(claimed.task_uuid), index=claimed.index)

    async def _remove(self, claimed: Claimed, *, erased: bool) -> None:
        if claimed.location is not None:
            await self._places.at(claimed.location).delete(claimed.location)
        if erased and claimed.place != PUT:
            # Also what was kept by somebody who died before he could write it down.
            folder = media.folder(claimed.tenant, claimed.task_uuid)
            await self._places.of(claimed.place, claimed.index).delete_folder(folder)
