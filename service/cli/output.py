"""What commands print: tables for people, JSON with `--json`, one clear line when something is wrong."""

import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from service import settings as configured
from service.settings import Settings, SettingsError

T = TypeVar("T")
# Where it is no terminal (a pipe, CI), rich would fold everything at 80 columns.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
err = Console(stderr=True, highlight=False)

DONE, TASK_FAILED, WRONG_USE, UNREACHABLE = 0, 1, 2, 3
"""Exit codes (CONTRACT.md section 6)."""

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

COLOURS = {
    "queued": "dim",
    "submitting": "yellow",
    "processing": "cyan",
    "completed": "green",
    "failed": "red",
    "rejected": "red",
    "canceled": "magenta",
    "timed_out": "red",
}


class Failed(Exception):
    """A command cannot go on: a line for people, and the exit code."""

    def __init__(self, text: str, code: int = WRONG_USE) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def settings(**overrides: object) -> Settings:
    """Read the settings; a wrong one ends the command."""
    try:
        return configured.load(**overrides)
    except SettingsError as error:
        raise Failed(str(error)) from None


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on uvloop."""
    return uvloop.run(main)


def print_json(value: object) -> None:
    """Print JSON, indented on a terminal and one line otherwise."""
    text = json.dumps(value, ensure_ascii=False, indent=2 if out.is_terminal else None, default=str)
    out.print(text, markup=False, soft_wrap=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*[str(cell) if cell is not None else "" for cell in row])
    out.print(made)


def coloured(state: str) -> str:
    """Give a state in its colour."""
    colour = COLOURS.get(state)
    return f"[{colour}]{state}[/]" if colour else state


def shown(value: object, as_json: bool, people: Callable[[], None]) -> None:
    """Print a value as JSON, or the way people like it."""
    if as_json:
        print_json(value)
    else:
        people()
