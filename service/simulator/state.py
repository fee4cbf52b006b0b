"""What the upstreams remember, and the log of what they would bill and of every callback."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Literal, Self, TextIO
from urllib.parse import urlsplit
from uuid import UUID

from service.simulator.scenario import Plan, ScenarioBook

Provider = Literal["runware", "sync"]

GAP_SECONDS = 0.02
"""Between the results of one job, so that they have an order."""


@dataclass(frozen=True, slots=True)
class Billed:
    """A generation that would have cost money: a request was accepted and not known before."""

    provider: Provider
    key: str | None
    """The taskUUID; for Sync the Idempotency-Key, if there was one."""
    id: str
    """The taskUUID; for Sync the generation's id."""
    results: int
    at: str


@dataclass(frozen=True, slots=True)
class Called:
    """One attempt of one callback, with what it was answered; None: no answer."""

    provider: Provider
    key: str | None
    id: str
    result: str
    attempt: int
    status: int | None
    at: str

    @property
    def good(self) -> bool:
        """Say whether it was answered 2xx."""
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - 2xx


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of one result, known from the start and told when its time has come."""

    id: str
    settles_at: float
    failed: bool
    seed: int


@dataclass(slots=True)
class Job:
    """One generation as its upstream knows it. Times are those of the event loop."""

    provider: Provider
    key: str | None
    id: str
    request: Mapping[str, Any]
    plan: Plan
    webhook: str | None
    created_at: str
    accepted_at: float
    outcomes: tuple[Outcome, ...]
    refused_again: bool = False
    """Runware archives the last response to a taskUUID, so a refused repetition hides the result."""

    def settled(self, now: float) -> list[tuple[int, Outcome]]:
        """Return the results that are there, with their index."""
        return [(i, one) for i, one in enumerate(self.outcomes) if one.settles_at <= now]

    def calls(self) -> list[tuple[float, int]]:
        """Return when which result is called back, in the order of sending."""
        late = self.plan.late_seconds
        if self.plan.reverse:
            last = self.outcomes[-1].settles_at + late
            return [(last, index) for index in reversed(range(len(self.outcomes)))]
        return [(one.settles_at + late, index) for index, one in enumerate(self.outcomes)]


class Journal:
    """The oracle of fault tests: kept in memory and, flushed line by line, in a file."""

    def __init__(self, path: Path | None, billed: list[Billed], acknowledged: list[Called]) -> None:
        """Append to the lists, and to the file if there is one."""
        self.billed = billed
        self.acknowledged = acknowledged
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def bill(self, entry: Billed) -> None:
        """Record an accepted generation."""
        self.billed.append(entry)
        self._write("billed", entry)

    def call(self, entry: Called) -> None:
        """Record an attempt of a callback."""
        if entry.good:
            self.acknowledged.append(entry)
        self._write("callback", entry)

    def _write(self, kind: str, entry: Billed | Called) -> None:
        if self._file:
            self._file.write(json.dumps({"kind": kind, **asdict(entry)}) + "\n")
            self._file.flush()


@dataclass(slots=True)
class World:
    """What both upstreams share: the book of scenarios, the jobs, the log and the public address."""

    book: ScenarioBook
    journal: Journal
    generation_seconds: float
    remembers: bool = True
    """Without memory no taskUUID and no Idempotency-Key is known a second time."""
    media_base: str = ""
    stopped: Counter[str] = field(default_factory=Counter)
    """By key: how many sends were stopped from being accepted."""
    made: Counter[str] = field(default_factory=Counter)

    def stop(self, key: str, plan: Plan) -> str | None:
        """Say what stops this send from being accepted, and count it."""
        name = plan.refusal(self.stopped[key])
        if name:
            self.stopped[key] += 1
        return name

    def accept(
        self,
        provider: Provider,
        key: str,
        request: Mapping[str, Any],
        plan: Plan,
        *,
        webhook: str | None,
        results: int = 1,
        keyed: bool = True,
    ) -> Job:
        """Start a generation and bill it. Its ids follow from seed, key and how often it is made."""
        self.made[key] += 1
        dice = Random(f"{self.book.seed}:{provider}:{key}:{self.made[key]}")
        now = asyncio.get_running_loop().time()
        done = 0 if plan.early else self.generation_seconds + plan.delay_seconds
        outcomes = tuple(
            Outcome(
                id=str(UUID(int=dice.getrandbits(128), version=4)),
                settles_at=now + done + (0 if plan.early else index * GAP_SECONDS),
                failed=plan.fails_at(index),
                seed=dice.getrandbits(31),
            )
            for index in range(results)
        )
        known_as = key if provider == "runware" else outcomes[0].id
        at = timestamp()
        own_key = key if keyed else None
        self.journal.bill(Billed(provider, own_key, known_as, results, at))
        return Job(provider, own_key, known_as, request, plan, webhook, at, now, outcomes)


def timestamp() -> str:
    """Return the time of day as the upstreams write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def may_call(url: str) -> bool:
    """Say whether a webhook URL is good: https, as the real ones want it, or http on loopback."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return bool(parts.hostname)
    if parts.scheme != "http" or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return False
