"""Every interleaving of a world of a send, breadth first, equal worlds once."""

from dataclasses import dataclass, field

from service.core.task import Policy, Task
from tests.support.sending_moves import Moves
from tests.support.sending_world import Broken, Upstream, World


@dataclass
class Explored:
    """What was found: how many worlds and transitions, the tasks in them, and the shortest fault."""

    worlds: int = 0
    transitions: int = 0
    tasks: set[Task] = field(default_factory=set)
    broken: str | None = None
    way: list[World] = field(default_factory=list)
    """From the beginning to the fault."""


def explore(upstream: Upstream, policy: Policy, levels: int = 10_000) -> Explored:
    """Walk all worlds within so many moves of the beginning, until a law breaks.

    By default that is all there are: they are finitely many, and the walk ends by itself.
    """
    moves = Moves(upstream, policy)
    begin = World(0)
    came: dict[World, World | None] = {begin: None}
    level = [begin]
    found = Explored()
    while level and levels and found.broken is None:
        levels -= 1
        following: list[World] = []
        for now in level:
            try:
                after = [moves.tidy(w) for w in moves.after(now)]
            except Broken as broken:
                found.broken, found.way = str(broken), _way(came, now)
                break
            found.transitions += len(after)
            for w in after:
                if w not in came:
                    came[w] = now
                    following.append(w)
        level = following
    found.worlds = len(came)
    found.tasks = {moves.rows.tasks[w.row] for w in came}
    return found


def _way(came: dict[World, World | None], last: World) -> list[World]:
    way: list[World] = []
    step: World | None = last
    while step is not None:
        way.append(step)
        step = came[step]
    return way[::-1]
