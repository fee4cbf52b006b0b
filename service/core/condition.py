"""Which SQL/JSON path predicates may stand in a subscription: those that take time in proportion to the data.

They are evaluated inside the commit of an outcome, so nobody may make one that burns CPU there. Postgres reads the
condition first; what is judged here is its own spelling of it (`jsonpath` as text, the same in PostgreSQL 15 to 18):
keys and strings in quotes, spaces around operators. What passes walks down the data and compares with constants.
Left out is whatever could do more: regular expressions, `.**`, products of two paths, doubling subscripts.
"""

import re
from dataclasses import dataclass
from typing import Final

MAX_CHARACTERS: Final = 512
EXAMPLES: Final = (
    '$.result.cost > 0.5 && $.task.labels.project == "spring"',
    'exists($.results[*] ? (@.state == "failed"))',
)
METHODS: Final = frozenset(
    {"abs", "bigint", "boolean", "ceiling", "decimal", "double", "floor", "integer"}
    | {"number", "size", "string", "type"}
)
"""Each makes one item of one. Not `keyvalue`, which makes three of three; times depend on the server's zone."""

_TOKEN = re.compile(
    r"""
    (?P<variable>\$"(?:[^"\\]|\\.)*")
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<anything>\.\*\*)
  | (?P<method>\.\w+\()
  | (?P<filter>\?\()
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<join>&&|\|\|)
  | (?P<compare>==|!=|<=|>=|<|>|\bstarts\ with\b)
  | (?P<regex>\blike_regex\b)
  | (?P<arithmetic>\ [-+*/%]\ )
  | (?P<root>[$@])
  | (?P<comma>,)
    """,
    re.VERBOSE,
)


class NotAllowed(ValueError):
    """This condition could burn CPU inside a commit, or means nothing; the text says what to write instead."""


@dataclass(slots=True)
class _Level:
    """What stands between two brackets; paths and comparisons are counted up to the next `&&` or `||`."""

    kind: str
    roots: int = 0
    compares: bool = False

    def end_part(self) -> None:
        """Judge one side of `&&` or `||`."""
        if self.compares and self.roots > 1:
            raise NotAllowed(
                "Compare with a constant: two paths in one comparison could take long inside the commit of an outcome."
            )
        self.roots, self.compares = 0, False


def check(canonical: str) -> None:
    """Check a condition as Postgres spells it; raises NotAllowed."""
    levels = [_Level("(")]
    for found in _TOKEN.finditer(canonical):
        _take(str(found.lastgroup), found.group(), levels)
    levels[0].end_part()
    if not re.search(r"\$", re.sub(r'"(?:[^"\\]|\\.)*"', "", canonical)):
        raise NotAllowed("It says nothing about the data: begin its paths with $.")


def _take(kind: str, text: str, levels: list[_Level]) -> None:
    here = levels[-1]
    match kind:
        case "filter" | "open" | "method":
            if kind == "method" and text[1:-1] not in METHODS:
                raise NotAllowed(
                    f"{text}) cannot be used here; there are: {', '.join(sorted(METHODS))}."
                )
            levels.append(_Level(text if kind == "open" else kind))
        case "close":
            roots = here.roots
            levels.pop().end_part()
            # A path in plain brackets is part of the comparison around them; a filter belongs to its own path.
            levels[-1].roots += roots if here.kind == "(" else 0
        case "join":
            here.end_part()
        case "compare":
            here.compares = True
        case "root":
            _root(text, levels)
        case _:
            _refuse(kind, here)


def _root(text: str, levels: list[_Level]) -> None:
    if text == "$" and any(level.kind == "filter" for level in levels):
        raise NotAllowed(
            "Inside a filter stands @, the item it looks at, and no $: each item would be held against all of the data."
        )
    if levels[-1].kind == "[":
        raise NotAllowed("A subscript is a number, a range or *, not a path.")
    levels[-1].roots += 1


def _refuse(kind: str, here: _Level) -> None:
    match kind:
        case "regex":
            raise NotAllowed(
                "like_regex could burn CPU inside the commit of an outcome; use == or starts with."
            )
        case "anything":
            raise NotAllowed(
                ".** could take long inside the commit of an outcome; write the path out, with [*] or .* where needed."
            )
        case "variable":
            raise NotAllowed("There are no variables: write the value itself.")
        case "comma" if here.kind == "[":
            raise NotAllowed("Give one subscript or one range.")
        case "arithmetic" if here.kind != "[":
            raise NotAllowed("Compare the value itself: there is no arithmetic.")
