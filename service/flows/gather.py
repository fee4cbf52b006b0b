"""Step 1 for many: take the lines of a batch as they come in, then store all of them or none.

While lines come in no transaction is open and nothing is stored, so a caller that goes away leaves nothing.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import orjson
import structlog

from service.core.errors import Conflict, FieldError, Invalid, ServiceError, Unavailable
from service.flows.idempotent import Answer, canonical_hash, once
from service.flows.views import Views
from service.flows.wake import Topic, Wake
from service.ports import Dice
from service.store import batches, tasks
from service.store.keys import Scope
from service.store.pool import Conn, Pool
from service.store.tasks import NewTask

log = structlog.get_logger()

MOST = 10_000
"""How many submissions a batch may have."""
MOST_FAULTS = 100
"""How many faults are listed; a mistake that is made once is mostly made on every line."""
CHUNK = 250
"""How many tasks one statement inserts. Making its arrays holds the event loop up: 2 to 4 ms; with 1,000 tasks 7 to
12 ms, and no sooner done (measured on two cores, 10,000 tasks in 2.2 s)."""
MOST_AT_ONCE = 4
"""How many batches a process reads at once: in memory each may be a few times its 64 MiB."""


class Gathered:
    """The lines of one batch so far: what is good of them, what is wrong, and a hash of the whole."""

    def __init__(self) -> None:
        self.total = 0
        self._new: list[NewTask] = []
        self._lines: list[int] = []
        self._line_of: dict[UUID, int] = {}
        self._faults: list[FieldError] = []
        self._unlisted = 0
        self._hash = hashlib.sha256()

    @property
    def full(self) -> bool:
        """Whether another line is one too many; those are counted, and not looked at."""
        return self.total >= MOST

    @property
    def digest(self) -> str:
        """What an Idempotency-Key is compared by."""
        return self._hash.hexdigest()

    @property
    def new(self) -> Sequence[NewTask]:
        """The good ones, in their order."""
        return self._new

    def count(self) -> None:
        """Note a line that is one too many."""
        self.total += 1

    def include(self, body: object) -> None:
        """Take a line into the hash: its JSON, or its bytes where it is none."""
        self._hash.update(
            hashlib.sha256(body).digest() if isinstance(body, bytes) else canonical_hash(body)
        )

    def add(self, line: int, new: NewTask) -> None:
        """Take the submission of a line, which is good by itself."""
        self.total += 1
        first = self._line_of.setdefault(new.task_uuid, line)
        if first != line:
            self._note(line, (FieldError("/taskUUID", f"Line {first} has the same taskUUID."),))
        elif not self._faults:
            # Of a batch with faults nothing will be stored.
            self._new.append(new)
            self._lines.append(line)

    def refuse(self, line: int, error: ServiceError) -> None:
        """Note what is wrong with a line."""
        self.total += 1
        self._note(line, error.errors or (FieldError("", error.detail),))

    def check(self) -> None:
        """Raise Invalid with the faults, if there are any."""
        if not 1 <= self.total <= MOST:
            text = f"A batch has 1 to {MOST} submissions, not {self.total}."
            raise Invalid(errors=(FieldError("", text),))
        if self._faults:
            raise Invalid(self._summary("The batch is not valid"), errors=tuple(self._faults))

    def taken(self, positions: Sequence[int]) -> Conflict:
        """Say which lines, by their positions among the good ones, name a task that exists."""
        for position in positions:
            fault = FieldError("/taskUUID", "This taskUUID is taken.")
            self._note(self._lines[position], (fault,))
        text = self._summary("There are tasks with these taskUUIDs already")
        return Conflict(text, errors=tuple(self._faults))

    def _note(self, line: int, errors: Sequence[FieldError]) -> None:
        room = MOST_FAULTS - len(self._faults)
        self._faults += [FieldError(f"/line/{line}{e.pointer}", e.detail) for e in errors[:room]]
        self._unlisted += len(errors[room:])

    def _summary(self, what: str) -> str:
        more = f" {self._unlisted} more faults are not listed." if self._unlisted else ""
        return f"{what}; nothing was stored.{more}"


class Gather:
    """Stores batches."""

    def __init__(self, pool: Pool, wake: Wake, dice: Dice, views: Views) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._views = views
        self._reading = 0

    @contextmanager
    def room(self) -> Iterator[Gathered]:
        """Make room for the lines of one batch; raises Unavailable when too many are being read."""
        if self._reading >= MOST_AT_ONCE:
            raise Unavailable("Other batches are being read; nothing was stored.")
        self._reading += 1
        try:
            yield Gathered()
        finally:
            self._reading -= 1

    async def submit(self, tenant: str, gathered: Gathered, scope: Scope | None) -> Answer:
        """Store a batch in one transaction; raises Invalid for its faults, Conflict for taken taskUUIDs."""

        async def effect(conn: Conn) -> Answer:
            # In here, so that a replay is answered even when its provider was turned off since.
            gathered.check()
            batch = await batches.insert(conn, self._dice.uuid(), tenant, gathered.total)
            await self._insert(conn, tenant, gathered, batch.id)
            (view,) = await self._views.batches(conn, [batch])
            return Answer(202, f"/v1/batches/{batch.id}", orjson.dumps(view))

        answer = await once(self._pool, scope, gathered.digest, effect)
        if not answer.replayed:
            log.info("batch.accepted", location=answer.location, tasks=gathered.total)
            self._wake.ring([Topic.SUBMIT, Topic.DUE])
        return answer

    async def _insert(self, conn: Conn, tenant: str, gathered: Gathered, batch_id: UUID) -> None:
        taken: list[int] = []
        for start in range(0, len(gathered.new), CHUNK):
            chunk = [replace(n, batch_id=batch_id) for n in gathered.new[start : start + CHUNK]]
            stored = await tasks.insert(conn, tenant, chunk)
            taken += [start + i for i, n in enumerate(chunk) if n.task_uuid not in stored]
        if taken:
            raise gathered.taken(taken)
