"""A send without an answer: accepted or not, remembered or not, listed at once, late or never: one generation, one end.

Within the promise: an upstream that forgets is not sent to again (`*_RESEND_SECONDS=0`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import product

import pytest

from service.core.inputs import (
    Accepted,
    Answer,
    Reading,
    ReadNothing,
    Report,
    Source,
    SubmitUnknown,
)
from service.core.states import State
from service.core.task import FirstSend, Task
from service.store.pool import Pool
from tests.support.fakes import FakeProvider
from tests.support.flows import one, pass_time, settle_in, task, told
from tests.support.house import make_house
from tests.support.stored import lawful
from tests.support.tasks import POLICY, SILENCE, video

ALL = ["task.processing", "video.completed", "task.completed"]
UNKNOWN = ["video.failed", "task.timed_out"]
LAG = 2
"""So many reads see nothing of a generation whose list lags."""
LISTS: Mapping[str, int | None] = {"echoes": 0, "lags": LAG, "is silent": None}
ROUNDS = 80


@dataclass(frozen=True, slots=True)
class Way:
    """What happened to the first send, and what the upstream knows of it afterwards."""

    accepted: bool
    remembers: bool
    list: str
    answered: bool

    @property
    def generates(self) -> int:
        """How many generations there are in the end."""
        return int(self.accepted or self.remembers)

    @property
    def is_found(self) -> bool:
        """Whether the service can learn of the generation: by a list, or by the answer to a resend."""
        return self.remembers or (self.accepted and self.list != "is silent")


@dataclass
class Doubtful(FakeProvider):
    """An upstream whose first answer is lost."""

    way: Way
    generated: int = 0
    reads_since: int = 0
    bodies: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Lose the first answer; give the others."""
        self.sent.append(send)
        self.bodies.add(send.body)
        if len(self.sent) == 1:
            self.generated += self.way.accepted
            return SubmitUnknown(SILENCE, task.lease_no, answered=self.way.answered)
        if not (self.way.remembers and self.generated):
            self.generated += 1
        return Accepted("up-1")

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Tell what the list shows by now; what has a name is found by it."""
        if not self.generated:
            return ReadNothing()
        lag = LISTS[self.way.list]
        self.reads_since += 1
        if task.upstream_id is None and (lag is None or self.reads_since <= lag):
            return ReadNothing()
        return Report(Source.POLL, "up-1", (video(),))


WAYS = [Way(*given) for given in product((True, False), (True, False), LISTS, (True, False))]


def name(way: Way) -> str:
    accepted = "accepted" if way.accepted else "not accepted"
    return f"{accepted}-{'remembers' if way.remembers else 'forgets'}-{way.list}-{way.answered}"


@pytest.mark.parametrize("way", WAYS, ids=name)
async def test_an_unknown_submit_never_becomes_two_generations_and_always_ends(
    pool: Pool, way: Way
) -> None:
    policy = POLICY if way.remembers else replace(POLICY, resend_window=timedelta(0))
    house = make_house(pool, policy=policy)
    upstream = Doubtful(way)
    settle_in(house, upstream)
    task_uuid = await one(house)
    await house.send_queued()
    for _ in range(ROUNDS):
        await pass_time(pool, 60)
        for claimed in await house.reconcile.claim(5):
            await house.reconcile.work(claimed)
        assert await house.send_queued() == 0
        if (await task(pool, task_uuid)).final:
            break
    assert upstream.generated == way.generates
    assert len(upstream.bodies) == 1
    found = await task(pool, task_uuid)
    if way.is_found:
        assert (found.state, await told(pool, task_uuid)) == (State.COMPLETED, ALL)
    else:
        assert (found.state, await told(pool, task_uuid)) == (State.TIMED_OUT, UNKNOWN)
        assert found.error is not None
        assert found.error.code == "submit_unknown"
    await lawful(pool)
