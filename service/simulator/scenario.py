"""What happens to a job: a pure function of its scenario's names, or of seed and key.

The names are explained in the docstring of this package.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qs, urlsplit

REFUSALS = (
    *("401", "402", "403", "404", "409", "413", "422", "429", "500", "503", "504", "busy"),
    *("html", "html500", "html504", "reset"),
)


FILE_FAULTS = (
    *("cutfile", "resetfile", "wrongfile", "lyingfile", "redirectfile", "movedfile", "noranges"),
)
"""What may be wrong with a result's file, apart from how slow or large it is."""


class UnknownScenario(ValueError):
    """No scenario has this name, or its value is no such value."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen to one job; the default is that all goes well."""

    refusals: tuple[str, ...] = ()
    """What the first sends get instead of being accepted, one each."""
    reject: bool = False
    answer: Literal["given", "dropped", "hung", "doubted"] = "given"
    hang_seconds: float = 0
    forget: bool = False
    echo: bool = True
    lag_seconds: float = 0
    delay_seconds: float = 0
    fails: Literal["none", "some", "all"] = "none"
    code: str | None = None
    """Error code of a failure, in place of the usual one."""
    reason: bool = True
    rejected: bool = False
    copies: int = 1
    """How often each callback is sent."""
    early: bool = False
    late_seconds: float = 0
    reverse: bool = False
    flat: bool = False
    bare: bool = False
    singular: bool = False
    inline: bool = False
    with_status: bool = True
    signature: Literal["good", "none", "bad", "millis"] = "good"
    """How a callback is signed: `millis` is good too, with its time in milliseconds."""
    garbage: bool = False
    retry_after: int | None = None
    """What the header `Retry-After` of a refusal says."""
    restart_seconds: float = 0
    blind: int = 0
    """How many reads are answered 503."""
    not_found: bool = False
    archived: bool = False
    one_row: bool = False
    progress: bool = False
    pushed: bool = False
    nsfw: bool = False
    expire_seconds: float | None = None
    expire_status: int = 404
    """What an expired result's URL is answered with."""
    files: tuple[str, ...] = ()
    """What is wrong with result files, as their URLs name it (`files.py`)."""
    upload: Literal["before", "after", "never"] = "before"
    """When a result is put to the task's `uploadEndpoint`: before its callback, after, or not."""

    def fails_at(self, index: int) -> bool:
        """Say whether the result with this index fails."""
        return self.fails == "all" or (self.fails == "some" and index % 2 == 1)

    def refusal(self, sends: int) -> str | None:
        """Say what stops a send from being accepted, after `sends` that were stopped before it."""
        return self.refusals[sends] if sends < len(self.refusals) else None


Effect = Callable[[Plan, str], Plan]


def _seconds(value: str, default: float) -> float:
    return min(max(float(value or default), 0), 3600)


def _refuse(name: str) -> Effect:
    return lambda plan, value: replace(
        plan, refusals=plan.refusals + (name,) * min(int(value or 1), 100)
    )


def _bytes(value: str) -> int:
    return min(max(int(value or 2**20), 0), 2**40)


def _faulty(plan: Plan, fault: str) -> Plan:
    return replace(plan, files=(*plan.files, fault))


def _file(name: str) -> Effect:
    return lambda plan, _: _faulty(plan, name)


EFFECTS: Mapping[str, Effect] = MappingProxyType(
    {
        "ok": lambda plan, _: plan,
        **{name: _refuse(name) for name in REFUSALS},
        "reject": lambda plan, _: replace(plan, reject=True),
        "drop": lambda plan, _: replace(plan, answer="dropped"),
        "hang": lambda plan, value: replace(plan, answer="hung", hang_seconds=_seconds(value, 60)),
        "doubt": lambda plan, _: replace(plan, answer="doubted"),
        "unsigned": lambda plan, _: replace(plan, signature="none"),
        "forged": lambda plan, _: replace(plan, signature="bad"),
        "millis": lambda plan, _: replace(plan, signature="millis"),
        "forget": lambda plan, _: replace(plan, forget=True),
        "noecho": lambda plan, _: replace(plan, echo=False),
        "lag": lambda plan, value: replace(plan, lag_seconds=_seconds(value, 2)),
        "delay": lambda plan, value: replace(plan, delay_seconds=_seconds(value, 2)),
        "fail": lambda plan, value: replace(plan, fails="all", code=value or None),
        "noreason": lambda plan, _: replace(plan, fails="all", reason=False),
        "partial": lambda plan, _: replace(plan, fails="some"),
        "rejected": lambda plan, _: replace(plan, fails="all", rejected=True),
        "lost": lambda plan, _: replace(plan, copies=0),
        "double": lambda plan, _: replace(plan, copies=plan.copies * 2),
        "early": lambda plan, _: replace(plan, early=True),
        "late": lambda plan, value: replace(plan, late_seconds=_seconds(value, 2)),
        "reorder": lambda plan, _: replace(plan, reverse=True),
        "flat": lambda plan, _: replace(plan, flat=True),
        "nostatus": lambda plan, _: replace(plan, with_status=False),
        "garbage": lambda plan, _: replace(plan, garbage=True),
        "bare": lambda plan, _: replace(plan, bare=True),
        "singular": lambda plan, _: replace(plan, singular=True),
        "inline": lambda plan, _: replace(plan, inline=True),
        "retryafter": lambda plan, value: replace(plan, retry_after=int(value or 1)),
        "restart": lambda plan, value: replace(plan, restart_seconds=_seconds(value, 1)),
        "blind": lambda plan, value: replace(plan, blind=min(int(value or 1), 100)),
        "notfound": lambda plan, value: replace(
            plan, not_found=True, lag_seconds=_seconds(value, 2)
        ),
        "archived": lambda plan, _: replace(plan, archived=True),
        "onerow": lambda plan, _: replace(plan, one_row=True),
        "progress": lambda plan, _: replace(plan, progress=True),
        "push": lambda plan, _: replace(plan, pushed=True),
        "nsfw": lambda plan, _: replace(plan, nsfw=True),
        "expire": lambda plan, value: replace(plan, expire_seconds=_seconds(value, 1)),
        "expire403": lambda plan, value: replace(
            plan, expire_seconds=_seconds(value, 1), expire_status=403
        ),
        **{name: _file(name) for name in FILE_FAULTS},
        "slowfile": lambda plan, value: _faulty(plan, f"slowfile:{_seconds(value, 1):g}"),
        "hugefile": lambda plan, value: _faulty(plan, f"hugefile:{_bytes(value)}"),
        "putafter": lambda plan, _: replace(plan, upload="after"),
        "putnever": lambda plan, _: replace(plan, upload="never"),
    }
)


def make_plan(names: Sequence[str]) -> Plan:
    """Combine named scenarios into one plan.

    Raises:
        UnknownScenario: a name or its value is not known.
    """
    plan = Plan()
    for entry in names:
        name, _, value = entry.partition(":")
        try:
            plan = EFFECTS[name](plan, value)
        except (KeyError, ValueError) as error:
            raise UnknownScenario(entry) from error
    return plan


HEADER = "X-Simulate"
"""A request may name its scenarios here too."""


def names_in(url: object) -> tuple[str, ...]:
    """Read the scenario's names from the query of an input URL; none if it has none."""
    if not isinstance(url, str):
        return ()
    try:
        query = parse_qs(urlsplit(url).query)
    except ValueError:
        return ()
    return tuple(name for text in query.get("simulate", []) for name in names_of(text))


def names_of(text: str) -> tuple[str, ...]:
    """Read names that stand one after the other, as in the header `X-Simulate`."""
    return tuple(name for entry in text.split(",") if (name := entry.strip()))


@dataclass(frozen=True, slots=True)
class ScenarioBook:
    """What happens to jobs by their key, and how likely each scenario is for a job that names none.

    `jobs` are by taskUUID (Sync: Idempotency-Key).
    """

    seed: int = 0
    chances: Mapping[str, float] = field(default_factory=dict)
    jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that do not exist, when the book is made and not at some later job."""
        make_plan(tuple(self.chances))
        for names in self.jobs.values():
            make_plan(names)

    def plan(self, key: str, named: Sequence[str] = ()) -> Plan:
        """Decide what happens to the job with this key, the same for every send of it.

        Each chance has a die of its own, so adding one leaves what the others decide.
        """
        if named := [*named, *self.jobs.get(key, ())]:
            return make_plan(named)
        return make_plan(
            [
                name
                for name, chance in self.chances.items()
                if Random(f"{self.seed}:{key}:{name}").random() < chance
            ]
        )


def read_book(text: str) -> ScenarioBook:
    """Read a scenario file: JSON with `seed`, `chances` (name: 0 to 1) and `jobs` (key: names).

    Raises:
        ValueError: it is not such a file, or names a scenario that is not known.
    """
    given = json.loads(text)
    if not isinstance(given, dict) or set(given) - {"seed", "chances", "jobs"}:
        raise ValueError("a scenario file is an object with seed, chances and jobs")
    chances, jobs = given.get("chances", {}), given.get("jobs", {})
    try:
        return ScenarioBook(
            int(given.get("seed", 0)),
            {str(name): float(chance) for name, chance in chances.items()},
            {str(key): [str(name) for name in names] for key, names in jobs.items()},
        )
    except (AttributeError, TypeError) as error:
        raise ValueError("chances are numbers by name, jobs are lists of names by key") from error
    except UnknownScenario as error:
        raise ValueError(f"there is no scenario {error}") from error
