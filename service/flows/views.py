"""Tasks and batches as they are shown: loaded from the store, made by `wire`."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from service.core.batch import Batch
from service.core.states import State
from service.core.task import Task
from service.flows.accounts import waits_for
from service.flows.upstreams import Upstreams
from service.store import accounts, batches, tasks, upkeep
from service.store.pool import Conn, Record
from service.wire.api import page_bytes, task_view_bytes
from service.wire.batches import batch_view


class Views:
    """Makes the JSON of tasks and batches."""

    def __init__(self, upstreams: Upstreams) -> None:
        self._upstreams = upstreams

    async def load(self, conn: Conn, tenant: str, uuids: Sequence[UUID]) -> list[bytes]:
        """Load tasks as they are shown, in the given order; others' tasks are left out."""
        found = await tasks.get(conn, uuids)
        own = [found[u] for u in uuids if u in found and found[u].tenant == tenant]
        return await self.show(conn, own)

    async def show(self, conn: Conn, loaded: Sequence[Task]) -> list[bytes]:
        """Make the JSON of tasks that are loaded."""
        if not loaded:
            return []
        cards = await tasks.cards(conn, [t.task_uuid for t in loaded], requests=True)
        rooms = await self._rooms(conn, loaded)
        now = await upkeep.clock(conn)
        return [
            task_view_bytes(
                t,
                cards[t.task_uuid],
                with_request=True,
                waiting_for=self._waiting_for(t, now, rooms),
            )
            for t in loaded
        ]

    async def batches(self, conn: Conn, loaded: Sequence[Batch]) -> list[dict[str, object]]:
        """Show batches with how far they are, ready for JSON."""
        if not loaded:
            return []
        progress = await batches.progress(conn, [b.id for b in loaded])
        return [batch_view(b, progress[b.id]) for b in loaded]

    def page(self, items: Sequence[bytes], next_cursor: str | None) -> bytes:
        """Make a page of things that are JSON already."""
        return page_bytes(items, next_cursor)

    async def _rooms(self, conn: Conn, loaded: Sequence[Task]) -> list[Record]:
        """Load the accounts that queued tasks wait for; one without a key sends nothing."""
        waited = {(t.tenant, t.provider) for t in loaded if t.state is State.QUEUED}
        found: list[Record] = []
        for tenant in sorted({tenant for tenant, _ in waited}):
            found += await accounts.room(
                conn, tenant, sorted({p for t, p in waited if t == tenant})
            )
        return [r for r in found if self._upstreams[r["provider"]].can_send_by(r["account"])]

    def _waiting_for(self, task: Task, now: datetime, rooms: Sequence[Record]) -> str | None:
        if task.state is not State.QUEUED:
            return None
        if task.look_again_at is not None and task.look_again_at > now:
            return "retry_at"
        upstream = self._upstreams[task.provider]
        able = upstream.can_send_by(task.account) if task.pinned else upstream.off_because is None
        mine = [r for r in rooms if r["provider"] == task.provider]
        if task.pinned:
            mine = [r for r in mine if r["account"] == task.account]
        # Without a row for now: a new process is about to write it.
        return None if able and not mine else waits_for(mine, now)
