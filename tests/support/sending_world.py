"""The world around one task that is being sent: its row, two workers, the network, an upstream; no clock.

Decisions are the product's own (`decide`, `next_step`); everything else is modelled after `flows.submit`,
`flows.reconcile` and the claims of `tasks.sql`. Anything may happen at any time and in any order: a worker that
is not heard of for minutes was frozen, and may wake; a database that is away loses what is to be committed.
What bounds the freedom is in `Upstream`, and it is all that the promise rests on. Time is in units of 10 s.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from service.core import decide as table
from service.core.decide import Step as Due
from service.core.inputs import (
    Answer,
    Input,
    ReadFailed,
    Reading,
    ReadNothing,
    Refused,
    SubmitUnknown,
    TryLater,
)
from service.core.task import Policy, Task
from tests.support.alphabet import claimed
from tests.support.canonical import canonical
from tests.support.tasks import NOW, POLICY, queued

UNIT = timedelta(seconds=10)
WINDOW = 5
CALL = 1
OVER = 3
"""The call's limit and the resend margin: then a send without an answer must be over."""
SMALL = replace(
    POLICY,
    **dict.fromkeys(("unknown_read_after", "call_limit"), CALL * UNIT),
    **dict.fromkeys(("retry_base", "retry_max"), UNIT),
    **dict.fromkeys(("resend_margin", "lease", "poll_after", "poll_max"), 2 * UNIT),
    resend_window=WINDOW * UNIT,
    deadline_grace=timedelta(0),
    slot_max=9 * UNIT,
    vague_polls=3,
)
FENCED = (Refused, TryLater, SubmitUnknown, ReadNothing, ReadFailed)
"""What an overtaken worker may not say."""
NEVER = 99
"""More units than any life here lasts."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """What is assumed of an upstream and of the way there, in units."""

    remembers: int = 0
    """How long after it accepted a key it answers the same key with the same generation."""
    lags: int = 0
    """How long after it was accepted a generation is missing from lists."""
    travel: int = OVER
    """How long after `sent_at` was committed the bytes may still be accepted."""
    stall: int = 0
    """How long a worker may stand still between its look at the clock and its bytes: 0, 1 or NEVER (no bound)."""


class At(StrEnum):
    """Where a worker is."""

    CLAIMED = "claimed"
    BEGUN = "sent_at is committed"
    CHECKED = "its lease was long enough"
    CALLING = "the bytes left"
    ANSWERED = "the answer is to be committed"
    LOOKED = "what was read is to be committed"


class Worker(NamedTuple):
    """A worker in the middle of something; `behind` is 1 when somebody claimed since, `age` its units there."""

    at: At
    behind: int = 0
    age: int = 0
    due: Due | None = None
    said: Answer | Reading | None = None


class Call(NamedTuple):
    """Bytes on their way: how old they are, whose they are, and whether somebody answered for them."""

    age: int
    behind: int
    answered: bool = False


class World(NamedTuple):
    """Everything there is."""

    row: int
    """The task's row, by its number in `Rows`: comparing and hashing whole tasks takes most of the time."""
    workers: tuple[Worker | None, ...] = (None, None)
    calls: tuple[Call, ...] = ()
    made: tuple[int, ...] = ()
    """The generations, by their ages."""


TIMED = {At.BEGUN: 1, At.CHECKED: 1, At.CALLING: CALL}
"""Where a worker's own clock counts, and up to what; anywhere else nobody asks how long it stands still."""


class Broken(AssertionError):
    """A law does not hold; the text says which."""


class Rows:
    """The canonical tasks that were met, numbered, and what became of each; row 0 was just accepted."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        task = replace(queued(), deadline_seconds=70, start_by=NOW + 2 * UNIT)
        self.tasks = [canonical(task, NOW, NOW, policy)]
        self._numbers = {self.tasks[0]: 0}
        self._after: dict[tuple[int, Input | str], int] = {}

    def told(self, row: int, event: Input) -> int:
        """Give the row after an input."""
        if (row, event) not in self._after:
            decision = table.decide(self.tasks[row], event, NOW, self.policy, 0.5)
            self._after[row, event] = self._number(decision.task, NOW)
        return self._after[row, event]

    def later(self, row: int) -> int:
        """Give the row one unit later."""
        if (row, "later") not in self._after:
            self._after[row, "later"] = self._number(self.tasks[row], NOW + UNIT)
        return self._after[row, "later"]

    def claim(self, row: int) -> int:
        """Give the row after a claim, the very same when nobody may claim it."""
        if (row, "claim") not in self._after:
            taken = claimed(self.tasks[row], NOW, self.policy)
            self._after[row, "claim"] = (
                row if taken is self.tasks[row] else self._number(taken, NOW)
            )
        return self._after[row, "claim"]

    def _number(self, task: Task, now: datetime) -> int:
        plain = canonical(task, now, NOW, self.policy)
        number = self._numbers.setdefault(plain, len(self.tasks))
        if number == len(self.tasks):
            self.tasks.append(plain)
        return number
