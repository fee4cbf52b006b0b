"""Step 2: claim, commit the line `sent_at`, send, apply the answer.

No transaction is open while we wait for the upstream. The first bytes are kept before they leave, and every
later send repeats them. What the process loses after `sent_at` is an unknown outcome, which `reconcile` reads.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from uuid import UUID

import structlog

from service.core import rate
from service.core.errors import Unavailable
from service.core.inputs import Accepted, Answer, Refused, SendStarted, SubmitUnknown, TryLater
from service.core.task import FirstSend, Task
from service.flows.accounts import Accounts
from service.flows.apply import Apply, Change
from service.flows.floor import USUAL, Floor, FloorPolicy
from service.flows.upstreams import Upstreams
from service.ports import Provider
from service.store import accounts, history, tasks
from service.store.accounts import Name
from service.store.pool import Conn, Pool, transaction

log = structlog.get_logger()


class Submit:
    """Sends tasks upstream, at most as many at once as their accounts have places."""

    def __init__(
        self,
        pool: Pool,
        apply: Apply,
        upstreams: Upstreams,
        accounts: Accounts,
        *,
        worker: UUID,
        lease_s: float,
        floor: FloorPolicy = USUAL,
    ) -> None:
        self._pool = pool
        self._apply = apply
        self._upstreams = upstreams
        self._accounts = accounts
        self._worker = worker
        self._lease_s = lease_s
        self._floor_policy = floor
        self._floors: dict[Name, Floor[list[int | None]]] = {}
        self.answers: Counter[tuple[str, str]] = Counter()

    async def claim(self, limit: int) -> list[Task]:
        """Claim queued tasks for which an account has a place, and its turn has come."""
        await self._accounts.ready()
        claimed: list[Task] = []
        for name in self._accounts.in_turn():
            if len(claimed) == limit:
                break
            try:
                claimed += await self._claim_of(name, limit - len(claimed))
            except Unavailable:
                if not claimed:
                    raise
                break
        return claimed

    async def _claim_of(self, name: Name, limit: int) -> Sequence[Task]:
        """Claim for one account, alone: its places, its rate and its pause are looked at under one lock."""
        async with transaction(self._pool) as conn:
            turn = await accounts.take_turn(conn, name)
            if turn is None:
                return ()
            most = min(limit, rate.room(turn.send_at, turn.per_minute, turn.now))
            most = min(most, 1) if turn.half_open else most
            places = await accounts.free_slots(conn, name, turn.concurrency, most) if most else []
            if not places:
                return ()
            found = await self._claim_queued(conn, name, len(places))
            if not found:
                return ()
            taken = dict(zip(places, (t.task_uuid for t in found), strict=False))
            await accounts.take_slots(conn, name, taken)
            next_at = rate.after(turn.send_at, turn.per_minute, turn.now, len(found))
            probed_until = found[0].lease_until if turn.half_open else None
            if turn.per_minute or turn.half_open:
                await accounts.turn_taken(conn, name, next_at, probed_until)
        return found

    async def _claim_queued(self, conn: Conn, name: Name, most: int) -> Sequence[Task]:
        floor = self._floors.get(name)
        if floor is None:
            find = partial(tasks.queue_floors, provider=name.provider, account=name.account)
            floor = self._floors[name] = Floor(self._floor_policy, find)
        floors = await floor.next(conn)
        return await tasks.claim_queued(
            conn,
            name.provider,
            name.account,
            most,
            self._lease_s,
            self._worker,
            floors=floors,
        )

    async def work(self, task: Task) -> None:
        """Send a claimed task and apply the answer."""
        began = asyncio.get_running_loop().time()
        # One for both: with a key that is changed in between, other bytes would be sent than were kept.
        client = self._upstreams[task.provider].client(task.account)
        begun = await self._begin(task, client)
        if begun is not None:
            await self._send(*begun, client, began)

    async def send_again(self, task: Task) -> None:
        """Repeat the first bytes of a task with an unknown outcome; `decide` has the last word."""
        await self.work(task)

    async def release(self, claimed: Sequence[Task]) -> None:
        """Give back claims that were not sent, with their places (a drain)."""
        async with transaction(self._pool) as conn:
            await accounts.give_back(conn, await tasks.release(conn, claimed))

    async def _begin(self, task: Task, client: Provider) -> tuple[Task, FirstSend] | None:
        """Commit that the send begins, with its bytes; none when it must not be sent."""
        change = Change(task.task_uuid, SendStarted(task.lease_no), "submit")
        async with transaction(self._pool) as conn:
            applied = await self._apply.batch(conn, [change])
            decision = applied[0].decision
            begun = None
            if decision is not None and decision.reason == "sent_again":
                await self._accounts.count_resend(conn, task)
            if decision is not None and decision.reason in {"sent", "sent_again"}:
                first = decision.reason == "sent"
                begun = (decision.task, await self._bytes(conn, decision.task, client, first=first))
        self._apply.tell(applied)
        return begun

    async def _bytes(self, conn: Conn, task: Task, client: Provider, *, first: bool) -> FirstSend:
        """Make and keep the bytes of a first send, or give those that were kept.

        From `queued` nothing was accepted yet, so they are made anew: a mended key or URL counts.
        """
        request, kept = (await tasks.sends(conn, [task.task_uuid]))[task.task_uuid]
        if kept is not None and not first:
            return kept
        url = self._upstreams.webhook_url(task.provider, task.task_uuid)
        send = client.first_send(task, json.loads(request), url)
        await tasks.keep_first_send(conn, task.task_uuid, send, self._upstreams.minted_with)
        return send

    async def _send(self, task: Task, send: FirstSend, client: Provider, began: float) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() - began > self._spare_s(task):
            # This process stood still since it committed; past the lease, another one takes over.
            log.warning("task.not_sent_in_time", task_id=str(task.task_uuid))
            return
        began = loop.time()
        answer = await client.submit(task, send)
        took_ms = int((loop.time() - began) * 1000)
        self.answers[task.provider, type(answer).__name__] += 1
        detail = {"attempt": task.attempts, "durationMs": took_ms, **describe(answer)}
        log.info("task.submitted", task_id=str(task.task_uuid), provider=task.provider, **detail)
        note = history.Entry(task.task_uuid, "upstream", "submit", detail=detail)
        change = Change(task.task_uuid, answer, "submit")
        try:
            await self._apply.run([change], [note], tries=8)
        except Unavailable:
            # Lost with the database: the lease ends, and the outcome is read like any unknown one.
            log.exception("task.answer_lost", task_id=str(task.task_uuid))

    def _spare_s(self, task: Task) -> float:
        """Say how much later than its commit a send may begin, to end inside its lease."""
        if task.lease_until is None or task.sent_at is None:
            raise ValueError("only what is being sent has time to spare")
        lease = task.lease_until - task.sent_at
        return (lease - self._apply.policy(task.provider).call_limit).total_seconds()


def describe(answer: Answer) -> dict[str, object]:
    """Say an answer in the words of the timeline."""
    match answer:
        case Accepted():
            return {"answer": "accepted", "upstreamId": answer.upstream_id}
        case Refused():
            fault = answer.fault
            return {"answer": "refused", "code": fault.code, "message": fault.message}
        case TryLater():
            fault = answer.fault
            return {"answer": "try_later", "code": fault.code, "message": fault.message}
        case SubmitUnknown():
            fault = answer.fault
            return {"answer": "unknown", "code": fault.code, "message": fault.message}
