"""What a run of chaos is: everything of it is drawn from one seed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from service.bootstrap.fault_points import CALLS, POINTS

ROLES = {
    1: ("api,submit,deliver,reconcile",),
    2: ("api,submit,deliver,reconcile", "api,submit,reconcile"),
    4: ("api", "api,submit,deliver,reconcile", "submit,reconcile", "deliver,reconcile"),
}
"""Mixed roles by number of processes."""
CALLBACKS = {
    "double": 0.15,
    "lost": 0.15,
    "early": 0.15,
    "late:0.8": 0.1,
    "delay:1": 0.1,
    "reorder": 0.3,
}
ENDS = {
    "partial": 0.05,
    "fail": 0.05,
    "garbage": 0.03,
    "noreason": 0.03,
    "rejected": 0.03,
    "forged": 0.03,
}
ANSWERS = {
    "503": 0.05,
    "429": 0.04,
    "reset": 0.04,
    "drop": 0.06,
    "hang:5": 0.03,
    "doubt": 0.02,
    "500": 0.03,
}
LISTS = {"lag:1.5": 0.1, "noecho": 0.05, "blind:2": 0.1}
CHANCES = CALLBACKS | ENDS | ANSWERS | LISTS


@dataclass(frozen=True, slots=True)
class Blow:
    """Something bad that happens at a time (seconds from the start)."""

    at: float
    kind: str
    victim: int = 0
    """Which process, by its number."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Run:
    """A run: what is drawn follows from the seed."""

    seed: int
    seconds: float
    processes: int
    forgetful: bool = False
    """The upstreams know no taskUUID and no Idempotency-Key again; then nothing may be sent twice."""
    foreign: int = 500
    """How many generations of others are in the list."""
    submits_per_second: float = 8.0
    chances: dict[str, float] = field(default_factory=dict)

    def blows(self) -> Iterator[Blow]:
        """Draw what happens: each kind of blow to the database once, then by chance."""
        dice = Random(f"{self.seed}:blows")
        first = ["immediate", "postgres-kill", "kill", "freeze", "hang-up", "fast"]
        dice.shuffle(first)
        at = 1.0
        while at < self.seconds:
            kinds = ("kill", "freeze", "hang-up", "immediate", "fast", "postgres-kill")
            kind = first.pop() if first else dice.choices(kinds, (4, 4, 2, 1, 1, 1))[0]
            yield Blow(at, kind, dice.randrange(self.processes), dice.uniform(3.0, 5.0))
            at += dice.uniform(1.5, 3.5)

    def fault_points(self, process: int, life: int) -> str:
        """Draw which points are on in one life of a process: a few, so that it lives for a while."""
        dice = Random(f"{self.seed}:{process}:{life}:points")
        chosen = dice.sample(sorted(POINTS), 5)
        return ",".join(
            f"{p}={dice.choice(('kill', 'stop') if p in CALLS else ('kill', 'stop', 'cut', 'cut'))}:0.08"
            for p in chosen
        )


def draw(seed: int, seconds: float, processes: int, *, forgetful: bool, foreign: int) -> Run:
    """Make a run. A forgetful upstream makes anew what is sent again, so the service is told not to."""
    chances = CHANCES | ({"forget": 1.0} if forgetful else {})
    return Run(seed, seconds, processes, forgetful, foreign, chances=chances)
