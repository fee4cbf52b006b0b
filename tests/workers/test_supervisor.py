"""The supervisor: loops that die come back, one that keeps dying ends the process, a drain ends them all."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from service.core.errors import Unavailable
from service.observe import Health
from service.workers.supervisor import DEATHS, WINDOW_S, Supervisor
from tests.support.virtual_time import in_no_time


@dataclass
class Scripted:
    """A loop that does what a test wants at each start, and then waits until it is told to stop."""

    name: str
    script: list[Callable[[asyncio.Event], Awaitable[None]]] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    forever: Callable[[asyncio.Event], Awaitable[None]] | None = None

    async def run(self, stop: asyncio.Event) -> None:
        self.starts.append(asyncio.get_running_loop().time())
        act = self.script.pop(0) if self.script else self.forever
        await (act(stop) if act is not None else stop.wait())


async def die(_stop: asyncio.Event) -> None:
    raise ZeroDivisionError


async def away(_stop: asyncio.Event) -> None:
    raise Unavailable


async def away_in_a_group(_stop: asyncio.Event) -> None:
    raise ExceptionGroup("of a TaskGroup", [Unavailable()])


async def die_after_an_hour(stop: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(3600):
            await stop.wait()
    except TimeoutError:
        raise ZeroDivisionError from None


def supervised(seconds: float, *loops: Scripted) -> Health:
    """Run loops for a while, drain them, and say how they did before the drain."""

    async def main() -> Health:
        health = Health()
        supervisor = Supervisor(health)
        supervisor.start(loops)
        await asyncio.sleep(seconds)
        seen = Health(loops=dict(health.loops), failed=health.failed)
        assert supervisor.failed.is_set() == (health.failed is not None)
        assert await supervisor.drain(1) == []
        return seen

    return in_no_time(main())


def test_a_loop_that_dies_is_started_again_and_its_neighbour_never_notices() -> None:
    sick, well = Scripted("sick", [die, die]), Scripted("well")
    health = supervised(60, sick, well)
    assert (len(sick.starts), len(well.starts)) == (3, 1)
    assert health.loops == {"sick": True, "well": True}


def test_rests_grow_and_are_bounded() -> None:
    sick = Scripted("sick", [away] * 12)
    supervised(100, sick)
    rests = [b - a for a, b in zip(sick.starts, sick.starts[1:], strict=False)]
    assert rests == pytest.approx(sorted(rests))
    assert rests[0] < 0.5
    assert rests[-1] == pytest.approx(5)


def test_a_loop_that_keeps_dying_is_given_up() -> None:
    sick, well = Scripted("sick", forever=die), Scripted("well")
    health = supervised(WINDOW_S, sick, well)
    assert len(sick.starts) == DEATHS
    assert health.failed == "sick"
    assert health.loops == {"sick": False, "well": True}


def test_while_the_database_is_away_no_loop_is_given_up() -> None:
    for absence in (away, away_in_a_group):
        waits = Scripted("waits", forever=absence)
        health = supervised(600, waits)
        assert len(waits.starts) > 5 * DEATHS
        assert (health.failed, health.loops) == (None, {"waits": True})


def test_a_death_now_and_then_is_no_reason_to_give_up() -> None:
    sick = Scripted("sick", forever=die_after_an_hour)
    health = supervised(3600 * 3 * DEATHS, sick)
    assert len(sick.starts) > 2 * DEATHS
    assert health.failed is None
    rests = [b - a - 3600 for a, b in zip(sick.starts, sick.starts[1:], strict=False)]
    assert max(rests) < 0.5


def test_a_drain_lets_loops_end_and_starts_none_again() -> None:
    ended: list[str] = []

    async def slow(stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(5)
        ended.append("slow")
        raise ZeroDivisionError

    loop = Scripted("slow", forever=slow)

    async def main() -> tuple[list[str], float]:
        supervisor = Supervisor(Health())
        supervisor.start([loop, Scripted("quick")])
        await asyncio.sleep(1)
        late = await supervisor.drain(20)
        return late, asyncio.get_running_loop().time()

    late, ended_at = in_no_time(main())
    assert late == []
    assert ended_at == pytest.approx(6)
    assert (ended, len(loop.starts)) == (["slow"], 1)


def test_a_drain_cuts_off_late_loops_and_names_them() -> None:
    cut_off: list[str] = []

    async def stuck(_stop: asyncio.Event) -> None:
        try:
            await asyncio.sleep(1_000_000)
        finally:
            cut_off.append("stuck")

    async def main() -> tuple[list[str], float]:
        supervisor = Supervisor(Health())
        supervisor.start([Scripted("stuck", forever=stuck), Scripted("quick")])
        await asyncio.sleep(1)
        late = await supervisor.drain(20)
        return late, asyncio.get_running_loop().time()

    late, ended_at = in_no_time(main())
    assert late == ["stuck"]
    assert ended_at == pytest.approx(21)
    assert cut_off == ["stuck"]


def test_a_drain_does_not_wait_for_a_loop_that_rests_after_its_death() -> None:
    sick = Scripted("sick", forever=die)

    async def main() -> float:
        supervisor = Supervisor(Health())
        supervisor.start([sick])
        await asyncio.sleep(7)
        before = asyncio.get_running_loop().time()
        assert await supervisor.drain(20) == []
        return asyncio.get_running_loop().time() - before

    assert in_no_time(main()) == pytest.approx(0)


def test_without_loops_a_drain_is_nothing() -> None:
    async def main() -> list[str]:
        return await Supervisor(Health()).drain(20)

    assert in_no_time(main()) == []
