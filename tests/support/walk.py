"""A walk over every sequence of inputs up to a length, pruned by state: equal states are walked from once.

Whatever holds for every step from every state that can be reached holds for every sequence. Waiting and being
claimed are the environment's and free of charge; the length counts inputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from service.core.decide import Step as Due
from service.core.decide import decide, next_step
from service.core.decision import Verdict
from service.core.inputs import Input, ReadFailed, ReadNothing, SendStarted, Tick
from service.core.states import State
from service.core.task import Policy, Task
from tests.support.alphabet import BROKEN, INPUTS, WAITS, claimed, moments
from tests.support.canonical import canonical, canonical_memory
from tests.support.laws import check_step, remember
from tests.support.steps import Memory, Step
from tests.support.tasks import NOW, POLICY, queued

GRID = replace(
    POLICY,
    **dict.fromkeys(("poll_after", "poll_max", "unknown_read_after"), timedelta(seconds=60)),
    **dict.fromkeys(("call_limit", "resend_margin", "settle_wait"), timedelta(seconds=30)),
    **dict.fromkeys(("lease", "vague_span", "retry_base", "retry_max"), timedelta(seconds=60)),
    resend_window=timedelta(seconds=120),
    deadline_grace=timedelta(seconds=300),
    slot_max=timedelta(seconds=600),
    vague_polls=2,
)
"""All times are multiples of 30 s and the back-offs flat, so that different ways meet in equal states."""
MIDDLE = 0.5
"""The throw of the dice that leaves every wait as it is."""
LETTERS = len(INPUTS) * (2 + WAITS) * 2
"""How many things may happen next: an input, after one of the waits, with a claim before it or without."""

STEPS_TO_THE_END = 60
"""More looks than any task of GRID needs when only time passes; who needs more looks in circles."""

Node = tuple[Task, Memory]


def start(results: int, *, hold_s: int | None = None, archives: bool = False) -> Node:
    """Give a task that was just accepted; its videos are kept with `archives`, and waited for with `hold_s`."""
    task = replace(queued(results), deadline_seconds=240, start_by=NOW + timedelta(seconds=180))
    task = replace(task, archives=archives or hold_s is not None, hold_s=hold_s)
    return canonical(task, NOW, NOW, GRID), Memory()


@dataclass
class Walk:
    """All states that sequences of inputs lead to, level by level."""

    policy: Policy
    states: set[Node] = field(default_factory=set)
    moments: dict[Node, None] = field(default_factory=dict)
    """States that something can happen in: those reached, after every wait; in the order they were found."""
    transitions: int = 0
    _ends: dict[Task, tuple[int, timedelta]] = field(default_factory=dict)

    def to_depth(self, root: Node, depth: int, width: int | None = None) -> Self:
        """Walk every sequence of up to `depth` inputs; raises AssertionError where a law is broken.

        With a width only so many states of each level are gone on from, spread evenly.
        """
        level = [root]
        self.states.add(root)
        for _ in range(depth):
            chosen = level if width is None else level[:: max(1, len(level) // width)]
            level = []
            for after in (after for node in chosen for after in self._from(node)):
                if after not in self.states:
                    self.states.add(after)
                    level.append(after)
        return self

    def _from(self, node: Node) -> Iterator[Node]:
        for moment in self.moments_of(node):
            if moment not in self.moments:
                self.moments[moment] = None
                yield from self._steps(*moment)

    def moments_of(self, node: Node) -> Iterator[Node]:
        """Give a state after every wait, claimed and not claimed."""
        task, memory = node
        for moment in moments(task, NOW, self.policy):
            later = canonical(task, moment, NOW, self.policy)
            remembered = canonical_memory(memory, later, moment, NOW, self.policy)
            yield later, remembered
            taken = claimed(later, NOW, self.policy)
            if taken is not later:
                yield canonical(taken, NOW, NOW, self.policy), remembered

    def _steps(self, task: Task, memory: Memory) -> Iterator[Node]:
        self.transitions += len(INPUTS)
        for event in INPUTS:
            decision = decide(task, event, NOW, self.policy, MIDDLE)
            if decision.verdict is not Verdict.MOVE and decision.task is task:
                assert decision.announce == ()
                continue
            step = Step(NOW, task, event, decision, self.policy)
            try:
                check_step(step)
                after = remember(memory, step)
            except AssertionError as broken:
                broken.add_note(f"{event} came to {task}")
                raise
            reached = canonical(decision.task, NOW, NOW, self.policy)
            yield reached, canonical_memory(after, reached, NOW, NOW, self.policy)

    def to_the_end(self, task: Task) -> tuple[int, timedelta]:
        """Let only time pass, whatever reads come to; gives the most steps and time until it is final.

        Every look comes when it is due. Reads fail or find nothing, sends are never answered, and nobody
        ever sends a queued task. Raises AssertionError when it looks in circles.
        """
        return self._end(task, STEPS_TO_THE_END)

    def _end(self, task: Task, patience: int) -> tuple[int, timedelta]:
        if task.final:
            return 0, timedelta(0)
        if task not in self._ends:
            assert patience, f"it looks in circles: {task}"
            look = task.look_again_at
            assert look is not None
            due = max(look, task.lease_until or look, NOW)
            if task.state is State.QUEUED:
                due = max(due, task.start_by)
            ends = [self._end(after, patience - 1) for after in self._looked(task, due)]
            steps = 1 + max(steps for steps, _ in ends)
            self._ends[task] = steps, due - NOW + max(time for _, time in ends)
        return self._ends[task]

    def _looked(self, task: Task, due: datetime) -> Iterator[Task]:
        at = claimed(canonical(task, due, NOW, self.policy), NOW, self.policy)
        events: tuple[Input, ...]
        match next_step(at, NOW, self.policy):
            case Due.TICK:
                events = (Tick(),)
            case Due.SEND:
                events = (SendStarted(at.lease_no),)
            case Due.READ:
                events = (ReadNothing(), ReadFailed(BROKEN))
        for event in events:
            after = decide(at, event, NOW, self.policy, MIDDLE).task
            yield canonical(after, NOW, NOW, self.policy)

    def limit(self, task: Task) -> datetime:
        """Say by when time alone must have ended a task: its deadline and grace, `start_by`, its lease or hold."""
        deadline = task.deadline_at
        end = task.start_by if deadline is None else deadline + self.policy.deadline_grace
        return max(NOW, end, task.lease_until or NOW, task.hold_until or NOW)
