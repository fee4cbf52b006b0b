"""The demo's screen: a live table on a terminal, a line a change elsewhere."""

import time
from dataclasses import dataclass, field
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from service.cli.demo_cases import Case
from service.cli.output import coloured


@dataclass(slots=True)
class Row:
    """One task on the screen."""

    case: Case
    task_uuid: str
    state: str = "queued"
    came_in: str = ""
    went_out: str = ""
    entries: set[str] = field(default_factory=set)


class Board:
    """Shows each step of every task as it happens."""

    def __init__(self, console: Console, rows: list[Row]) -> None:
        self._console = console
        self._rows = rows
        self._began = time.perf_counter()
        self._live = Live(self._table(), console=console, refresh_per_second=12)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def show(self, row: Row, entries: list[dict[str, Any]]) -> None:
        """Take a task's timeline in."""
        before = (row.state, row.came_in, row.went_out)
        for entry in entries:
            self._take(row, entry)
        if self._console.is_terminal:
            self._live.update(self._table())
        elif (row.state, row.came_in, row.went_out) != before:
            seconds = time.perf_counter() - self._began
            text = f"{seconds:5.1f}s  {row.case.name:<30} {row.state:<11} in: {row.came_in}  out: {row.went_out}"
            self._console.print(text, soft_wrap=True, markup=False)

    def _take(self, row: Row, entry: dict[str, Any]) -> None:
        kind, name, detail = entry["kind"], entry["name"], entry["detail"]
        row.entries.add(f"{kind}:{name}")
        match kind:
            case "transition":
                row.state = detail.get("to") or row.state
            case "upstream":
                answer = detail.get("code") or str(detail.get("answer", "")).replace("_", " ")
                videos = f", {detail['videos']} video" if detail.get("videos") else ""
                row.came_in = f"{name}: {answer}{videos}"
            case "callback":
                row.came_in = f"callback: {name}"
            case "event":
                row.went_out = name
            case "delivery":
                row.went_out = f"{row.went_out.split(' ')[0]} {name}"
            case _:
                return

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for column in ("task", "provider", "what", "state", "last came in", "last went out"):
            table.add_column(column, no_wrap=True)
        for row in self._rows:
            table.add_row(
                row.task_uuid[:8],
                row.case.provider,
                row.case.name,
                coloured(row.state),
                row.came_in,
                row.went_out,
            )
        return table
