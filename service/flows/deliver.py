"""Step 5: claim deliveries, send them, record what came back.

The bytes of an event are the same on every attempt; only time stamp and signature are new. Deliveries go by lanes: a
subscription, or the host of notifyURLs. Each has its own limits, over all processes, and a breaker, so a slow or dead
target delays nobody else (`flows.shares`, `core.breaker`). A delivery of a task waits for the earlier ones of the same
task and target, unless it was asked for again.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from uuid import UUID

import structlog

from service.core.breaker import Heard, Limits
from service.core.errors import Unavailable
from service.core.lanes import host_of
from service.core.retry import delivery_wait
from service.flows.disable import Disable
from service.flows.floor import USUAL, FloorPolicy
from service.flows.handshake import Handshake
from service.flows.outgoing import Packing, Parcel, parcels
from service.flows.record import Outcome, Recorded, Recorder
from service.flows.shares import LANES_AT_ONCE, Survey, Usual, more, shares, turns
from service.flows.wake import Wake
from service.ports import Dice, Sent, Sink
from service.store import deliveries, lanes, workers
from service.store.deliveries import Attempt
from service.store.pool import Pool, Record, connection, transaction
from service.vault import Vault, VaultError

log = structlog.get_logger()
KEPT_BYTES = 4096
"""How much of an answer is kept, for people to look at."""
LONGEST_REST_S = 0.01
"""Between two claims at most."""
MOST_GIVEN_UP = 1000
"""How many hopeless deliveries of a host are given up at once."""


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The limits of deliveries; every one is a setting."""

    waits: tuple[timedelta, ...]
    timeout_s: float
    per_target: int
    """How many calls may be under way on one lane, over all processes, where its subscription does not say."""
    lease_margin_s: float = 5.0
    """How much longer than an attempt its lease is: it has to be recorded too."""
    disable_after: timedelta = timedelta(days=5)
    breaker: Limits = field(default_factory=Limits)
    floor: FloorPolicy = USUAL

    @property
    def span(self) -> timedelta:
        """How long all attempts take at most, waits alone: whoever is older has had its time."""
        return sum(self.waits, timedelta()) * 1.2


class Deliver:
    """Sends events to where they are wanted.

    `source` is that of events about subscriptions; `public_url` is where receivers find us. `wake` is rung for
    such events.
    """

    def __init__(
        self,
        pool: Pool,
        dice: Dice,
        vault: Vault,
        sinks: Mapping[str, Sink],
        policy: DeliveryPolicy,
        *,
        source: str,
        public_url: str | None = None,
        worker: UUID | None = None,
        wake: Wake | None = None,
    ) -> None:
        self._pool = pool
        self._dice = dice
        self._sinks = sinks
        self._policy = policy
        self._usual = Usual(policy.per_target, policy.timeout_s, policy.lease_margin_s)
        own = public_url or source
        self._packing = Packing(pool, dice, vault, self._usual, public_url=own)
        self._handshake = Handshake(pool, own)
        self._recorder = Recorder(pool, policy.breaker)
        self._disable = Disable(pool, dice, source, policy.disable_after, wake)
        self._survey = Survey(policy.floor)
        self._worker = worker
        self._last: UUID | None = None
        self._took = (0.0, 0.0)
        self._under_way: Counter[UUID] = Counter()
        self.attempts: Counter[tuple[str]] = Counter()

    async def claim(self, limit: int) -> list[Parcel]:
        """Claim up to so many parcels that are due, of each lane as much as it may have."""
        await self._rest()
        loop = asyncio.get_running_loop()
        began = loop.time()
        claimed: list[Parcel] = []
        while len(claimed) < limit:
            found, may_be_more = await self._claim(limit - len(claimed))
            claimed += found
            if not may_be_more:
                break
        self._took = (began, loop.time())
        return claimed

    async def _rest(self) -> None:
        """Leave the database alone for as long as the last claim took: what comes meanwhile is claimed together."""
        loop = asyncio.get_running_loop()
        began, ended = self._took
        wait = ended + min(ended - began, LONGEST_REST_S) - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)

    async def _claim(self, limit: int) -> tuple[list[Parcel], bool]:
        if self._survey.due:
            async with connection(self._pool) as conn:
                await self._survey.look(conn)
        floors = self._survey.next()
        async with transaction(self._pool) as conn:
            locked = await lanes.lock_due(conn, floors, self._last, LANES_AT_ONCE)
            given = shares(locked, limit, self._under_way, self._usual)
            if not given:
                return [], False
            rows = await deliveries.claim(
                conn,
                given,
                limit,
                floors=floors,
                last=self._last,
                owner=self._worker,
            )
            found = parcels(rows)
            taken = Counter(parcel.lane for parcel in found)
            if moved := turns(locked, taken):
                await lanes.served(conn, moved)
        self._under_way.update(taken)
        self._last = self._after(locked, taken)
        return found, more(given, taken)

    def _after(self, locked: Sequence[Record], taken: Counter[UUID]) -> UUID | None:
        """Say behind which lane the next claim begins: the last one of this round that got something."""
        in_turn = sorted((r["lane"] for r in locked), key=lambda n: (n <= (self._last or n), n))
        return next((lane for lane in reversed(in_turn) if taken[lane]), self._last)

    async def work(self, parcel: Parcel) -> None:
        """Make one attempt and record it."""
        try:
            await self._attempt(parcel)
        finally:
            self._done_with(parcel)

    async def release(self, claimed: Sequence[Parcel]) -> None:
        """Give back claims that were not sent (a drain)."""
        for parcel in claimed:
            self._done_with(parcel)
        async with connection(self._pool) as conn:
            await workers.release_deliveries(conn, [row for p in claimed for row in p.rows])

    def _done_with(self, parcel: Parcel) -> None:
        self._under_way[parcel.lane] -= 1
        self._under_way += Counter()

    async def rescue(self) -> int:
        """Give back what ended senders left, and give up what has no hope; gives how many were given back."""
        policy = self._policy
        failing_s, span_s = policy.disable_after.total_seconds(), policy.span.total_seconds()
        async with connection(self._pool) as conn:
            if given_up := await lanes.fail_hopeless(conn, failing_s, span_s, MOST_GIVEN_UP):
                log.warning("deliveries.given_up", count=given_up)
            return await deliveries.rescue(conn)

    async def _attempt(self, parcel: Parcel) -> None:
        row = parcel.first
        if row["deleted"] or row["enabled"] is False:
            await self._put_away(parcel)
            return
        loop = asyncio.get_running_loop()
        began = loop.time()
        sent, left_out = await self._try(parcel)
        took_ms = int((loop.time() - began) * 1000)
        broken = Sent(ok=False, error="internal")
        made = [
            (row, self._judge(row, broken if row["id"] in left_out else sent, took_ms))
            for row in parcel.rows
        ]
        host = "" if row["subscription_id"] else host_of(row["notify_url"] or "")
        outcome = Outcome(parcel.lane, made, _heard(row, sent), host)
        recorded = await self._recorder.put(outcome)
        self.attempts[("ok" if sent.ok else "failed",)] += len(made)
        self._say(parcel, sent, took_ms, recorded.count)
        if row["subscription_id"] is not None and (sent.gone or self._for_too_long(recorded)):
            await self._disable.run(row["subscription_id"], sent)

    def _for_too_long(self, recorded: Recorded) -> bool:
        """Say whether it may be time to disable; whoever disables looks again."""
        since, at = recorded.failing_since, recorded.at
        return since is not None and at is not None and at - since >= self._policy.disable_after

    async def _put_away(self, parcel: Parcel) -> None:
        """Keep what is not to be sent now: its subscription ended, or was disabled, since it was written."""
        deleted = parcel.first["deleted"]
        state, why = ("canceled", "deleted") if deleted else ("held", "disabled")
        attempt = Attempt(state, None, None, f"subscription_{why}", 0, b"")
        made = [(row, attempt) for row in parcel.rows]
        await self._recorder.put(Outcome(parcel.lane, made, None))

    def _judge(self, row: Record, sent: Sent, took_ms: int) -> Attempt:
        wait: timedelta | None = None
        if sent.ok:
            state = "delivered"
        elif sent.gone:
            state = "failed"
        else:
            wait = self._wait(row, sent)
            state = "failed" if wait is None else "pending"
        wait_s = None if wait is None else wait.total_seconds()
        error = None if sent.ok else sent.error or "failed"
        response = sent.response[:KEPT_BYTES]
        return Attempt(state, wait_s, sent.status, error, took_ms, response, sent.address)

    def _wait(self, row: Record, sent: Sent) -> timedelta | None:
        """Say when it is tried again; never, when it was kept waiting for longer than all attempts take."""
        first_round = row["ordered"] and not row["tries_since"]
        if first_round and row["now"] - row["created_at"] > self._policy.span:
            return None
        after = None if sent.retry_after_s is None else timedelta(seconds=sent.retry_after_s)
        attempt = row["attempts"] - row["tries_since"]
        return delivery_wait(attempt, after, self._dice.jitter(), self._policy.waits)

    async def _try(self, parcel: Parcel) -> tuple[Sent, frozenset[int]]:
        """Send a parcel; gives what became of it, and which deliveries were left out."""
        try:
            return await self._send(parcel)
        except VaultError:
            target = str(parcel.first["subscription_id"])
            log.exception("event.secret_unreadable", subscription_id=target)
            return Sent(ok=False, error="secret_unreadable"), frozenset()
        except Unavailable:
            raise
        except Exception:
            # A sink never raises; if one does, its deliveries still have to reach their end.
            log.exception("event.send_broke", event_id=str(parcel.first["event_id"]))
            return Sent(ok=False, error="internal"), frozenset()

    async def _send(self, parcel: Parcel) -> tuple[Sent, frozenset[int]]:
        sink = self._sinks.get(parcel.first["kind"] or "webhook")
        if sink is None:
            return Sent(ok=False, error="unknown_kind"), frozenset()
        packed = await self._packing.pack(parcel, sink.max_bytes)
        sent = await self._handshake.send(parcel.first, sink, packed.target, packed.event)
        return sent, packed.left_out

    def _say(self, parcel: Parcel, sent: Sent, took_ms: int, recorded: int) -> None:
        row = parcel.first
        log.info(
            "event.delivered" if sent.ok else "event.not_delivered",
            event_id=str(row["event_id"]),
            event_type=row["type"],
            task_id=str(row["task_uuid"]),
            subscription_id=str(row["subscription_id"]) if row["subscription_id"] else None,
            attempt=row["attempts"],
            status=sent.status,
            error=sent.error,
            duration_ms=took_ms,
            events=len(parcel.rows),
            recorded=recorded == len(parcel.rows),
        )


def _heard(row: Record, sent: Sent) -> Heard:
    """Read what an attempt says about its lane.

    A host that answers is well, whatever it thinks of the URL: somebody's wrong one blocks nobody else's.
    """
    ok = sent.ok or (row["subscription_id"] is None and _answered(sent))
    after = None if sent.retry_after_s is None else timedelta(seconds=sent.retry_after_s)
    return Heard(ok, row["now"], sent.throttled, after)


def _answered(sent: Sent) -> bool:
    if sent.status is None or sent.throttled or sent.status == HTTPStatus.REQUEST_TIMEOUT:
        return False
    return sent.status < HTTPStatus.INTERNAL_SERVER_ERROR
