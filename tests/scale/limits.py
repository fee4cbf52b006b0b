"""What a hot statement is given, and what it may touch."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.scale.explain import Touched
from tests.scale.sample import Sample


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot statement: its arguments, and its limits."""

    arguments: Callable[[Sample], tuple[object, ...]]
    rows: int
    """The most that any step of the plan may read, sort or throw away."""
    pages: int
    """The most looks at pages of tables and indexes."""
    indexes: frozenset[str]
    """The indexes of big tables that may be used."""
    entries: int = 1500
    """The most index entries that may be followed to a row, whether it lives or ended."""
    whole: bool = False
    """Whether it may begin to read a table as it lies; `rows` says how far."""
    walks: bool = False
    """Whether it walks over what ended while an old snapshot is held; it runs now and then only."""


def hot(
    arguments: Callable[[Sample], tuple[object, ...]],
    rows: int,
    pages: int,
    *indexes: str,
    entries: int = 1500,
    whole: bool = False,
    walks: bool = False,
) -> Hot:
    """Say what a statement is given, what it may touch, and which indexes it may use."""
    return Hot(arguments, rows, pages, frozenset(indexes), entries, whole, walks)


def faults(hot: Hot, found: Touched, *, held: bool = False) -> list[str]:
    """Say what a run of a statement should not have touched."""
    said = []
    if found.rows > hot.rows:
        said.append(f"{found.rows} rows of at most {hot.rows}")
    if found.pages > hot.pages and not (held and hot.walks):
        said.append(f"{found.pages} pages of at most {hot.pages}")
    if found.entries > hot.entries and not (held and hot.walks):
        said.append(f"{found.entries} index entries of at most {hot.entries}")
    if other := found.indexes - hot.indexes:
        said.append(f"by {', '.join(sorted(other))}")
    if found.whole and not hot.whole:
        said.append(f"reads whole {', '.join(sorted(found.whole))}")
    return said


RUNWARE = ("default", "runware", "default")
TASKS = "tasks_pkey"
# What a written row costs in index pages: ten indexes of tasks, four of a delivery.
MANY = 10_000
