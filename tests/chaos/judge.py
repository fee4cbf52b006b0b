"""What has to be true after chaos, read from the database, the upstreams' own log and the receiver."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from service.core.states import FINAL
from service.simulator.scenario import ScenarioBook
from service.store.pool import create_pool
from tests.chaos.client import Caller, Receiver
from tests.chaos.upstream import GENERATION_S
from tests.chaos.world import CONCURRENCY, World
from tests.support.stored import lawful

OPEN = """
SELECT (SELECT count(*) FROM callboard.tasks WHERE finished_at IS NULL) AS tasks,
       (SELECT count(*) FROM callboard.deliveries WHERE state IN ('pending', 'sending')) AS deliveries,
       (SELECT count(*) FROM callboard.callbacks WHERE outcome = 'pending') AS callbacks,
       (SELECT count(*) FROM callboard.slots WHERE task_uuid IS NOT NULL) AS slots,
       (SELECT count(*) FROM callboard.tasks WHERE slot_since IS NOT NULL) AS watched
"""


@dataclass
class Verdict:
    """What was found: figures to print, and what is wrong."""

    figures: dict[str, object] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def law(self, holds: bool, text: str) -> None:
        """Note a violation."""
        if not holds:
            self.violations.append(text)


async def still_open(dsn: str) -> dict[str, int]:
    """Say what is not at its end yet."""
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        (row,) = await conn.fetch(OPEN)
        return {name: n for name, n in row.items() if n}
    finally:
        await conn.close()


async def judge(world: World, caller: Caller, receiver: Receiver) -> Verdict:
    """Hold everything against the promise."""
    verdict = Verdict()
    billed, called = _oracle(world)
    pool = await create_pool(world.database.dsn, size=4, statement_timeout_s=30)
    try:
        tasks = {str(r["task_uuid"]): r for r in await pool.fetch("SELECT * FROM callboard.tasks")}
        inbox = Counter(
            str(r["task_uuid"])
            for r in await pool.fetch("SELECT task_uuid FROM callboard.callbacks")
        )
        events = await pool.fetch("SELECT id, task_uuid, type, sequence FROM callboard.events")
        states = await pool.fetch(
            "SELECT state, count(*) AS n FROM callboard.deliveries GROUP BY state"
        )
        # What still moves is read at different moments; that it still moves is a violation already.
        if all(row["finished_at"] for row in tasks.values()):
            try:
                await lawful(pool)
            except AssertionError as error:
                verdict.violations.append(f"a stored row breaks a law: {error}")
    finally:
        await pool.close()
    _tasks(verdict, tasks, caller)
    _money(verdict, tasks, billed)
    _places(verdict, world, billed)
    kept = Counter(str(c["key"]) for c in called if str(c["status"]).startswith("2"))
    for key, n in kept.items():
        verdict.law(
            inbox[key] >= n, f"{key}: {n} callbacks were answered 2xx, {inbox[key]} are kept"
        )
    _events(verdict, events, receiver, caller)
    verdict.law(not receiver.refused, f"the receiver refused {receiver.refused[:3]}")
    verdict.figures |= {
        "tasks": len(tasks),
        "states": dict(Counter(r["state"] for r in tasks.values())),
        "submissions tried again": caller.counts["tried again"],
        "generations billed": len(billed),
        "callbacks (2xx / all)": f"{sum(kept.values())} / {len(called)}",
        "events": len(events),
        "deliveries": {r["state"]: r["n"] for r in states},
        "receiver": dict(receiver.counts),
    }
    return verdict


def _tasks(verdict: Verdict, tasks: dict[str, Any], caller: Caller) -> None:
    verdict.law(
        set(tasks) == set(caller.accepted),
        f"stored {len(tasks)} tasks of {len(caller.accepted)} that were answered 2xx",
    )
    finals = {s.value for s in FINAL}
    for name, row in tasks.items():
        verdict.law(row["state"] in finals, f"{name} has no end: {row['state']}")
        verdict.law(row["slot_since"] is None, f"{name} still holds a place")


def _money(verdict: Verdict, tasks: dict[str, Any], billed: list[dict[str, Any]]) -> None:
    generated = Counter(str(b["key"]) for b in billed)
    for key, n in generated.items():
        verdict.law(n == 1, f"{key} was generated {n} times")
        verdict.law(key in tasks, f"{key} was generated and is not stored")
    for name, row in tasks.items():
        done = row["state"] == "completed" or row["upstream_id"] is not None
        verdict.law(not done or generated[name] == 1, f"{name} has an outcome of no generation")


def _places(verdict: Verdict, world: World, billed: list[dict[str, Any]]) -> None:
    """Never more under way at an account than it has places, by what the upstream billed."""
    book = ScenarioBook(seed=world.run.seed, chances=world.run.chances)
    moments: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    for b in billed:
        plan = book.plan(str(b["key"]))
        if plan.early:
            continue
        began = datetime.fromisoformat(b["at"])
        # A result is told in steps of 20 ms; the first one is there after the whole time.
        ended = began + timedelta(seconds=GENERATION_S + plan.delay_seconds)
        moments[b["provider"]] += [(began, 1), (ended, -1)]
    most = {}
    for provider, steps in moments.items():
        running = peak = 0
        for _, step in sorted(steps):
            running += step
            peak = max(peak, running)
        most[provider] = peak
        verdict.law(peak <= CONCURRENCY, f"{peak} were under way at {provider} at once")
    verdict.figures["most under way at once"] = f"{most} of {CONCURRENCY} each"


def _events(verdict: Verdict, events: list[Any], receiver: Receiver, caller: Caller) -> None:
    by_task: dict[str, list[Any]] = defaultdict(list)
    for row in events:
        by_task[str(row["task_uuid"])].append(row)
    for name, rows in by_task.items():
        kinds = ["subscribed"]
        if "webhookURL" in caller.accepted.get(name, {}).get("request", {}):
            kinds.append("notified")
        for kind in kinds:
            got = receiver.events[kind, name]
            missing = {str(r["id"]) for r in rows} - {e["id"] for e in got}
            verdict.law(not missing, f"{name}: {len(missing)} events never came ({kind})")
            order = [e["sequence"] for e in got]
            verdict.law(order == sorted(order), f"{name}: events came as {order} ({kind})")


def _oracle(world: World) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    lines = [json.loads(line) for line in world.oracle.read_text("utf-8").splitlines()]
    return [e for e in lines if e["kind"] == "billed"], [
        e for e in lines if e["kind"] == "callback"
    ]
