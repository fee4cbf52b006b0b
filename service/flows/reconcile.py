"""A side door: ask the upstream about whatever is overdue, and let time end what it has to.

Lost callbacks, unknown submits, deadlines and watched slots all have a `look_again_at`; whoever claims one does
the step that `core.decide.next_step` names. A failed read never fails a task.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import structlog

from service.core.decide import Step, next_step
from service.core.errors import Unavailable
from service.core.inputs import ReadFailed, Reading, ReadNothing, Report, Tick
from service.core.task import Task
from service.flows.accounts import Accounts
from service.flows.apply import Apply, Change
from service.flows.asking import ask, may_call
from service.flows.floor import USUAL, Floor, FloorPolicy
from service.flows.heartbeat import Held
from service.flows.submit import Submit
from service.flows.upstreams import Upstreams
from service.store import history, tasks, workers
from service.store.pool import Pool, connection

log = structlog.get_logger()


class Reconcile:
    """Looks again at tasks whose time has come."""

    def __init__(
        self,
        pool: Pool,
        apply: Apply,
        submit: Submit,
        upstreams: Upstreams,
        accounts: Accounts,
        *,
        worker: UUID,
        lease_s: float,
        held: Held | None = None,
        floor: FloorPolicy = USUAL,
    ) -> None:
        self._pool = pool
        self._apply = apply
        self._submit = submit
        self._upstreams = upstreams
        self._accounts = accounts
        self._worker = worker
        self._lease_s = lease_s
        self._held = held or Held()
        self._floor = Floor(floor, tasks.due_floor)
        self.reads: Counter[tuple[str, str]] = Counter()

    async def claim(self, limit: int) -> list[tuple[Task, Step]]:
        """Claim tasks that are due, with what each needs."""
        async with connection(self._pool) as conn:
            floor = await self._floor.next(conn)
            claimed = await tasks.claim_due(conn, limit, self._lease_s, self._worker, floor=floor)
        if claimed.now is None:
            return []
        now = claimed.now
        return [(t, next_step(t, now, self._apply.policy(t.provider))) for t in claimed.tasks]

    async def work(self, claimed: tuple[Task, Step]) -> None:
        """Do what a claimed task needs."""
        task, step = claimed
        match step:
            case Step.TICK:
                await self._apply.run([Change(task.task_uuid, Tick(), "clock")])
            case Step.SEND if may_call(self._upstreams, task) is None:
                await self._submit.send_again(task)
            case Step.SEND | Step.READ:
                if await self._accounts.read_turn(task):
                    await self._read(task)

    async def release(self, claimed: Sequence[tuple[Task, Step]]) -> None:
        """Give back claims that nothing was done about (a drain)."""
        async with connection(self._pool) as conn:
            await workers.release_looks(conn, [task for task, _ in claimed])

    async def expire(self, limit: int = 100) -> int:
        """End queued tasks that were not sent in time; gives how many.

        When the group fails, each is tried by itself, so that one bad row wedges nobody.
        """
        async with connection(self._pool) as conn:
            found = await tasks.never_started(conn, limit)
        changes = [Change(u, Tick(), "clock") for u in found]
        if not changes or await self._apply_or_log(changes):
            return len(changes)
        return sum([await self._apply_or_log([change]) for change in changes])

    async def _apply_or_log(self, changes: Sequence[Change]) -> bool:
        try:
            await self._apply.run(changes)
        except Unavailable:
            raise
        except Exception:
            log.exception("tasks.expire_failed", task_ids=[str(c.task_uuid) for c in changes])
            return False
        return True

    async def _read(self, task: Task) -> None:
        """Ask the upstream, for as long as it takes: beats keep the lease meanwhile.

        What it said counts also when the lease was lost: a report is true whoever heard it, and `decide` holds it
        against what the task is by now. That nothing was found says less, as another send may have begun since: it
        is dropped then, and whoever has the lease asks anew.
        """
        lease = (task.task_uuid, task.lease_no)
        with self._held.keep(lease):
            reading, note = await self._heard(task)
            lost = self._held.lost(lease, self._lease_s)
        if lost and not isinstance(reading, Report):
            log.info("task.read_too_late", task_id=str(task.task_uuid))
            return
        await self._apply.run([Change(task.task_uuid, reading, "poll")], [note])

    async def _heard(self, task: Task) -> tuple[Reading, history.Entry]:
        async with connection(self._pool) as conn:
            kept = await tasks.sends(conn, [task.task_uuid])
        # It may have been erased since it was claimed.
        _, send = kept.get(task.task_uuid, ("", None))
        began = asyncio.get_running_loop().time()
        reading = await ask(self._upstreams, task, send)
        took_ms = int((asyncio.get_running_loop().time() - began) * 1000)
        detail = {"durationMs": took_ms, **describe(reading)}
        self.reads[task.provider, str(detail["answer"])] += 1
        log.info("task.read", task_id=str(task.task_uuid), provider=task.provider, **detail)
        if isinstance(reading, ReadNothing | ReadFailed):
            reading = replace(reading, lease_no=task.lease_no)
        return reading, history.Entry(task.task_uuid, "upstream", "read", detail=detail)


def describe(reading: Reading) -> dict[str, object]:
    """Say a reading in the words of the timeline."""
    match reading:
        case ReadNothing():
            return {"answer": "nothing"}
        case ReadFailed():
            return {"answer": "failed", "code": reading.fault.code}
        case Report():
            return {
                "answer": "report",
                "videos": len(reading.videos),
                "faults": [f.code for f in reading.faults],
                "running": reading.running,
            }
