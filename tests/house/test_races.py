"""Every race and law of tests/README.md names tests that exist, and no line was left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
ROWS = re.findall(
    r"^\| (\d+)[a-z]?\. (.+?) \| (.+) \|$", (TESTS / "README.md").read_text(), re.MULTILINE
)
NAMED = sorted({tuple(n) for *_, cell in ROWS for n in re.findall(r"`(\S+\.py)::(\w+)`", cell)})
LINES = 20
"""So many races and laws there are."""


@cache
def names_in(file: str) -> set[str]:
    """Name the tests of a file."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {n.name for n in ast.walk(tree) if isinstance(n, functions)}


def test_every_line_has_a_test() -> None:
    assert {int(number) for number, *_ in ROWS} == set(range(1, LINES + 1))
    assert not [number for number, _, cell in ROWS if "::" not in cell]


def test_whatever_stands_in_a_row_is_a_test_or_a_pointer_to_more() -> None:
    pattern = r"`\S+\.py::test_\w+`(?:, `\S+\.py::test_\w+`)*(?: \(more: (?:models|chaos)\))*"
    assert not [number for number, _, cell in ROWS if not re.fullmatch(pattern, cell)]


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    assert name in names_in(file)
