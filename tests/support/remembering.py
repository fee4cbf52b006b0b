"""An upstream with a memory: it makes generations, bills them, knows names again for a while, and can be read."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID, uuid4

from service.core.fault import Fault, FaultKind
from service.core.inputs import (
    Accepted,
    Answer,
    ReadFailed,
    Reading,
    ReadNothing,
    Refused,
    Report,
    Source,
    SubmitUnknown,
    TryLater,
)
from service.core.task import FirstSend, Policy, Task, Video
from service.store.pool import Pool
from tests.support.fakes import FakeProvider
from tests.support.house import House, make_house
from tests.support.quiet import Steady

REFUSAL = Fault("invalid", "The upstream does not want it.", FaultKind.PERMANENT)
BUSY = Fault("busy", "The upstream has no room.", FaultKind.TRANSIENT)
SILENCE = Fault("timeout", "No answer came.", FaultKind.TRANSIENT)
BROKEN = Fault("broken", "The upstream gave up.", FaultKind.PERMANENT)


class Fate(StrEnum):
    """What becomes of a send."""

    ACCEPTED = "accepted"
    LOST = "accepted, and the answer is lost"
    DROPPED = "never arrived, and nobody knows"
    REFUSED = "refused"
    LATER = "try later"


class Reads(StrEnum):
    """How reads are."""

    TRUE = "true"
    LAGGING = "behind: what there is is not shown yet"
    FAILING = "failing"


@dataclass
class Generation:
    """Something that is generated, and paid for."""

    task_uuid: UUID
    expected: int
    began_at: float
    videos: list[str] = field(default_factory=list)
    failed: bool = False

    @property
    def running(self) -> bool:
        return not self.failed and len(self.videos) < self.expected

    def make(self) -> str:
        """Finish one more video."""
        self.videos.append(f"{self.task_uuid}-{len(self.videos)}")
        return self.videos[-1]

    def finish(self) -> None:
        """Finish all videos, unless it failed."""
        while self.running:
            self.make()


@dataclass
class Memory:
    """What the upstream knows, whoever calls it; `passed` is its clock in seconds."""

    trusted_s: float
    passed: float = 0.0
    billed: list[Generation] = field(default_factory=list)

    def of(self, task_uuid: UUID) -> Generation | None:
        """Find the generation of a task."""
        return next((g for g in self.billed if g.task_uuid == task_uuid), None)

    def create(self, task: Task) -> None:
        """Begin a generation, unless its name is known from a while ago."""
        known = [g for g in self.billed if g.task_uuid == task.task_uuid]
        if not any(self.passed - g.began_at < self.trusted_s for g in known):
            made = Generation(task.task_uuid, task.results_expected, self.passed)
            self.billed.append(made)


class Remembering(FakeProvider):
    """The upstream as one process calls it.

    While `gate` is set, a send stays under way after it arrived until the gate opens.
    """

    memory: Memory

    def __init__(self, name: str = "runware") -> None:
        super().__init__(name)
        self.fate = Fate.ACCEPTED
        self.reads_are = Reads.TRUE
        self.gate: asyncio.Event | None = None
        self.arrived = asyncio.Event()

    async def submit(self, task: Task, send: FirstSend) -> Answer:
        """Meet a send with its fate."""
        fate, gate = self.fate, self.gate
        self.sent.append(send)
        if fate in {Fate.ACCEPTED, Fate.LOST}:
            self.memory.create(task)
        self.arrived.set()
        if gate is not None:
            await gate.wait()
        match fate:
            case Fate.ACCEPTED:
                return Accepted(f"up-{task.task_uuid}")
            case Fate.REFUSED:
                return Refused(REFUSAL, task.lease_no)
            case Fate.LATER:
                return TryLater(BUSY, task.lease_no)
            case Fate.LOST | Fate.DROPPED:
                return SubmitUnknown(SILENCE, task.lease_no)

    async def read(self, task: Task, send: FirstSend) -> Reading:
        """Say how a generation is."""
        self.reads.append((task.task_uuid, send))
        found = self.memory.of(task.task_uuid)
        if self.reads_are is Reads.FAILING:
            return ReadFailed(SILENCE)
        if found is None or self.reads_are is Reads.LAGGING:
            return ReadNothing()
        return Report(
            Source.POLL,
            f"up-{task.task_uuid}",
            tuple(Video(v, f"https://videos.example/{v}.mp4") for v in found.videos),
            (BROKEN,) * (found.expected - len(found.videos)) if found.failed else (),
            running=found.running,
        )


def two_houses(pool: Pool, memory: Memory, concurrency: int, policy: Policy) -> list[House]:
    """Put all flows together twice, as two processes of one board that call one upstream."""
    houses = [
        make_house(
            pool,
            dice=Steady(),
            worker=uuid4(),
            policy=policy,
            concurrency=concurrency,
            fake=Remembering,
        )
        for _ in range(2)
    ]
    for house in houses:
        upstream_of(house).memory = memory
    return houses


def upstream_of(house: House) -> Remembering:
    """Give Runware as a house calls it."""
    found = house.providers["runware"]
    assert isinstance(found, Remembering)
    return found
