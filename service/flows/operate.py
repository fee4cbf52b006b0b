"""A side door: what a user or operator asks of a task."""

from uuid import UUID

from service.core.decision import Verdict
from service.core.errors import Conflict, NotFound, StillRunning
from service.core.inputs import CancelAsked
from service.core.states import State
from service.flows.accept import Accept
from service.flows.apply import Applied, Apply, Change
from service.flows.idempotent import Answer, once
from service.flows.views import Views
from service.ports import Dice
from service.store import batches, tasks
from service.store.keys import Scope
from service.store.pool import Conn, Pool, connection
from service.store.tasks import Locked, NewTask

CANCEL_CHUNK = 100
"""How many tasks of a batch one transaction cancels: their locks are in the way of callbacks, and deciding about them
holds the event loop up for 4 ms; with half as many all of it takes longer, and callbacks are answered no sooner."""


class Operate:
    """Cancel and retry."""

    def __init__(self, pool: Pool, dice: Dice, apply: Apply, accept: Accept, views: Views) -> None:
        self._pool = pool
        self._dice = dice
        self._apply = apply
        self._accept = accept
        self._views = views

    async def cancel(self, tenant: str, task_uuid: UUID) -> bytes:
        """Cancel a task and show it; raises Conflict when it is final in another way."""
        await self._own(tenant, task_uuid)
        decision = await self._apply.one(Change(task_uuid, CancelAsked(), "operator"))
        if decision.verdict is Verdict.REFUSE:
            raise Conflict(f"The task is {decision.task.state.value} and cannot be canceled.")
        async with connection(self._pool) as conn:
            shown = await self._views.load(conn, tenant, [task_uuid])
        if not shown:
            raise NotFound("There is no such task.")
        return shown[0]

    async def cancel_batch(self, tenant: str, batch_id: UUID) -> dict[str, object]:
        """Cancel every task of a batch that is not final, a chunk at a time, and show the batch.

        What ends meanwhile in another way stays as it ended. Asked again, it goes on where it was cut off.
        """
        async with connection(self._pool) as conn:
            if await batches.get(conn, tenant, batch_id) is None:
                raise NotFound("There is no such batch.")
        canceled = 0
        while found := await self._open(batch_id):
            changes = [Change(u, CancelAsked(), "operator") for u in found]
            applied = await self._apply.run(changes)
            canceled += sum(_moved(a) for a in applied)
        async with connection(self._pool) as conn:
            batch = await batches.get(conn, tenant, batch_id)
            if batch is None:
                raise NotFound("There is no such batch.")
            (view,) = await self._views.batches(conn, [batch])
        return view | {"canceledNow": canceled}

    async def _open(self, batch_id: UUID) -> list[UUID]:
        async with connection(self._pool) as conn:
            return await batches.open_tasks(conn, batch_id, CANCEL_CHUNK)

    async def retry(
        self, tenant: str, task_uuid: UUID, *, again: bool, force: bool, scope: Scope | None
    ) -> Answer:
        """Make a new task of the same request; repeated, give the one already made.

        Raises Conflict unless the task is final, StillRunning when it may still run upstream.
        """
        made: list[NewTask] = []

        async def effect(conn: Conn) -> Answer:
            made.clear()
            locked = await self._lock_final(conn, tenant, task_uuid, force=force)
            earlier = None if again else await tasks.latest_retry(conn, task_uuid)
            if earlier is None:
                made.append(await self._copy(conn, locked))
                await self._accept.insert(conn, tenant, made, many=False)
            shown = earlier or made[0].task_uuid
            view = (await self._views.load(conn, tenant, [shown]))[0]
            status = 202 if earlier is None else 200
            return Answer(status, f"/v1/tasks/{shown}", view, tasks=(shown,))

        answer = await once(self._pool, scope, {"again": again, "force": force}, effect)
        if made and not answer.replayed:
            self._accept.told(made)
        return answer

    async def _own(self, tenant: str, task_uuid: UUID) -> None:
        async with connection(self._pool) as conn:
            found = (await tasks.get(conn, [task_uuid])).get(task_uuid)
        if found is None or found.tenant != tenant:
            raise NotFound("There is no such task.")

    async def _lock_final(self, conn: Conn, tenant: str, task_uuid: UUID, *, force: bool) -> Locked:
        """Load a task that may be repeated, locked so that two retries make one task."""
        locked = await tasks.lock_one(conn, task_uuid)
        if locked is None or locked.task.tenant != tenant:
            raise NotFound("There is no such task.")
        task = locked.task
        if not task.final:
            raise Conflict(f"The task is {task.state.value}; only final tasks are retried.")
        if task.slot_since is not None and task.state is not State.COMPLETED and not force:
            raise StillRunning
        return locked

    async def _copy(self, conn: Conn, locked: Locked) -> NewTask:
        task = locked.task
        card = (await tasks.cards(conn, [task.task_uuid], requests=True))[task.task_uuid]
        return NewTask(
            task_uuid=self._dice.uuid(),
            provider=task.provider,
            model=task.model,
            results_expected=task.results_expected,
            request=card.request.decode(),
            metadata=card.metadata.decode(),
            labels=card.labels,
            warnings=card.warnings,
            notify_url=card.notify_url,
            priority=locked.priority,
            start_within_s=max(int((task.start_by - task.created_at).total_seconds()), 1),
            deadline_s=task.deadline_seconds,
            retry_of=task.task_uuid,
            account=task.account if task.pinned else None,
            fallback=card.fallback,
            archive=card.archive,
            hold_s=task.hold_s,
        )


def _moved(applied: Applied) -> bool:
    return applied.decision is not None and applied.decision.verdict is Verdict.MOVE
