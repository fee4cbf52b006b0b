"""`submit tasks show watch cancel retry delete`: tasks over HTTP."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from service.cli.client import Api, api
from service.cli.output import (
    COLOURS,
    DONE,
    TASK_FAILED,
    AsJson,
    Failed,
    coloured,
    err,
    out,
    print_json,
    run,
    shown,
    table,
)
from service.cli.output import settings as read_settings

FINAL = frozenset({"completed", "failed", "rejected", "canceled", "timed_out"})
TaskId = Annotated[str, typer.Argument(metavar="TASK", help="A taskUUID.")]
Task = dict[str, Any]
WAITS = {
    "slot": "a place: as many tasks as its account may have are upstream",
    "rate": "its turn: its account sends only so many a minute",
    "account_paused": "its account: every one that may send it is paused, or gone (callboard accounts list)",
    "retry_at": "another try: the last one was certainly not accepted",
}


Place = Annotated[
    str | None,
    typer.Option(
        "--archive",
        metavar="PLACE",
        help="Where the videos are kept: disk, an object store's URL, or none. What the file says comes first.",
    ),
]


def submit(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="A submission as JSON, an array of them, or - for stdin."
        ),
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every task is final.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Submitting twice makes one task.")
    ] = None,
    archive: Place = None,
    as_json: AsJson = False,
) -> None:
    """Submit tasks."""
    body = _read(file)
    if archive is not None:
        body = _kept(body, archive)
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}

    async def main() -> list[Task]:
        async with api(read_settings()) as client:
            answer = await client.call("POST", "/v1/tasks", body=body, headers=headers)
            made: list[Task] = answer["items"] if isinstance(body, list) else [answer]
            if wait:
                made = [await _follow(client, t["taskUUID"], quiet=as_json) for t in made]
            return made

    made = run(main())
    shown(made if isinstance(body, list) else made[0], as_json, lambda: _list(made))
    if wait:
        raise typer.Exit(_code(made))


def tasks(
    state: Annotated[str | None, typer.Option(help="Only in this state.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only of this provider.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only with this key:value; repeat for and.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100)] = 20,
    as_json: AsJson = False,
) -> None:
    """List tasks, newest first."""
    query = [("limit", str(limit)), *(("label", value) for value in label or ())]
    query += [(k, v) for k, v in (("state", state), ("provider", provider)) if v is not None]

    async def main() -> dict[str, Any]:
        async with api(read_settings()) as client:
            page: dict[str, Any] = await client.call("GET", "/v1/tasks", query=query)
            return page

    page = run(main())
    shown(page, as_json, lambda: _list(page["items"]))


def show(task: TaskId, as_json: AsJson = False) -> None:
    """Show a task and everything that happened to it."""

    async def main() -> tuple[Task, list[dict[str, Any]]]:
        async with api(read_settings()) as client:
            shown_task = await client.call("GET", f"/v1/tasks/{task}")
            return shown_task, await timeline(client, task)

    found, entries = run(main())
    shown({"task": found, "timeline": entries}, as_json, lambda: _show(found, entries))


def watch(task: TaskId, as_json: AsJson = False) -> None:
    """Wait until a task is final; exits 1 when it did not complete."""

    async def main() -> Task:
        async with api(read_settings()) as client:
            return await _follow(client, task, quiet=as_json)

    found = run(main())
    shown(found, as_json, lambda: _list([found]))
    raise typer.Exit(_code([found]))


def cancel(task: TaskId, as_json: AsJson = False) -> None:
    """Cancel a task: what has not been sent is not sent, what runs is no longer waited for."""
    found = run(_post(f"/v1/tasks/{task}/cancel", None))
    shown(found, as_json, lambda: _list([found]))


def delete(
    task: TaskId,
    force: Annotated[
        bool, typer.Option("--force", help="Even if it may still run upstream.")
    ] = False,
) -> None:
    """Erase all that is kept of a final task, for good."""

    async def main() -> None:
        async with api(read_settings()) as client:
            query = {"force": "true"} if force else {}
            await client.call("DELETE", f"/v1/tasks/{task}", query=query)

    run(main())
    out.print("Erased.")


def retry(
    task: TaskId,
    again: Annotated[
        bool, typer.Option("--again", help="Make another task even if one was made.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even if it may still run upstream.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a new task of a final one's request."""
    found = run(_post(f"/v1/tasks/{task}/retry", {"again": again, "force": force}))
    shown(found, as_json, lambda: _list([found]))


async def _post(path: str, body: object) -> Task:
    async with api(read_settings()) as client:
        found: Task = await client.call("POST", path, body=body)
        return found


async def timeline(client: Api, task: str) -> list[dict[str, Any]]:
    """Load the whole timeline of a task."""
    entries: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await client.call("GET", f"/v1/tasks/{task}/timeline", query={"cursor": cursor})
        entries += page["items"]
        cursor = page["nextCursor"]
        if cursor is None:
            return entries


async def _follow(client: Api, task: str, *, quiet: bool) -> Task:
    """Wait for a task with its state and the seconds that passed on the screen."""
    began = time.perf_counter()
    with Live(console=err, transient=True, refresh_per_second=4) as live:
        while True:
            wait = 1 if err.is_terminal and not quiet else 60
            found: Task = await client.call("GET", f"/v1/tasks/{task}", query={"wait": wait})
            if found["state"] in FINAL:
                return found
            if not quiet:
                live.update(_progress(found, time.perf_counter() - began))


def _progress(task: Task, seconds: float) -> Text:
    done = sum(r["state"] in {"completed", "failed"} for r in task["results"])
    waiting = f", waits for {WAITS[task['waitingFor']]}" if task["waitingFor"] else ""
    text = (
        f"{task['taskUUID']}  {done}/{task['resultsExpected']} results  {seconds:.0f} s{waiting}  "
    )
    return Text(text).append(task["state"], style=COLOURS.get(task["state"], ""))


def _read(file: str) -> object:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None
    try:
        body: object = json.loads(text)
    except ValueError as error:
        raise Failed(f"{file} is not JSON: {error}") from None
    return body


def _kept(body: object, place: str) -> object:
    """Have videos kept there, where a submission says nothing else."""
    if isinstance(body, list):
        return [_kept(one, place) for one in body]
    return {"archive": place, **body} if isinstance(body, dict) else body


def _code(made: list[Task]) -> int:
    return DONE if all(t["state"] == "completed" for t in made) else TASK_FAILED


def _list(items: list[Task]) -> None:
    rows = [
        (
            t["taskUUID"],
            t["provider"],
            t["model"],
            coloured(t["state"]),
            f"{sum(r['state'] == 'completed' for r in t['results'])}/{t['resultsExpected']}",
            t["cost"],
            (t["error"] or {}).get("code"),
            t["createdAt"],
        )
        for t in items
    ]
    columns = ("task", "provider", "model", "state", "videos", "USD", "error", "created")
    table("", columns, rows)


def _show(task: Task, entries: list[dict[str, Any]]) -> None:
    _list([task])
    if task["waitingFor"]:
        out.print(f"  waits for {WAITS[task['waitingFor']]}", soft_wrap=True)
    for result in task["results"]:
        kept = (result.get("media") or {}).get("url")
        what = kept or result.get("videoURL") or (result.get("error") or {}).get("message") or ""
        out.print(f"  result {result['index']}: {coloured(result['state'])} {what}", soft_wrap=True)
    for warning in task["warnings"]:
        out.print(f"  [yellow]warning[/] {warning}")
    rows = [
        (
            e["at"],
            e["kind"],
            e["name"],
            " ".join(f"{k}={v}" for k, v in e["detail"].items() if v is not None and v != ""),
        )
        for e in entries
    ]
    out.print()
    table("Timeline", ("at", "kind", "what", "detail"), rows)


__all__ = [
    "cancel",
    "delete",
    "print_json",
    "retry",
    "show",
    "submit",
    "tasks",
    "timeline",
    "watch",
]
