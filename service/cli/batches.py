"""`batch submit show cancel`: many tasks at once, over HTTP."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.live import Live
from rich.text import Text

from service.cli.client import Api, api
from service.cli.output import DONE, TASK_FAILED, AsJson, Failed, coloured, err, out, run, shown
from service.cli.output import settings as read_settings
from service.cli.tasks import Place

app = typer.Typer(help="Many tasks at once, as JSON lines.", no_args_is_help=True)

FINAL = ("completed", "failed", "rejected", "canceled", "timed_out")
UPLOAD_S = 330
"""A little longer than the service reads one body."""
LOOK_S = 1.0
"""How often a batch that is waited for is looked at."""
READ_BYTES = 2**20
WIDTH = 30
BatchId = Annotated[str, typer.Argument(metavar="ID", help="A batch's id.")]
Batch = dict[str, Any]


@app.command("submit")
def submit(
    file: Annotated[
        str, typer.Argument(metavar="FILE|-", help="One submission a line, or - for stdin.")
    ],
    wait: Annotated[bool, typer.Option("--wait", help="Wait until every task is final.")] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Submitting twice makes one batch.")
    ] = None,
    archive: Place = None,
    as_json: AsJson = False,
) -> None:
    """Submit a file of tasks: all are stored, or none."""
    headers = {"Content-Type": "application/x-ndjson"}
    if idempotency_key is not None:
        headers["Idempotency-Key"] = idempotency_key

    async def main(lines: BinaryIO) -> Batch:
        async with api(read_settings()) as client:
            made: Batch = await client.call(
                "POST",
                "/v1/batches",
                data=lines if archive is None else _kept(lines, archive),
                headers=headers,
                timeout_s=UPLOAD_S,
            )
            return await _follow(client, made, quiet=as_json) if wait else made

    with _opened(file) as lines:
        found = run(main(lines))
    shown(found, as_json, lambda: _show(found))
    if wait:
        done = found["counts"]["completed"] == sum(found["counts"].values())
        raise typer.Exit(DONE if done else TASK_FAILED)


@app.command("show")
def show(batch: BatchId, as_json: AsJson = False) -> None:
    """Show how far a batch is."""
    found = run(_call("GET", f"/v1/batches/{batch}"))
    shown(found, as_json, lambda: _show(found))


@app.command("cancel")
def cancel(batch: BatchId, as_json: AsJson = False) -> None:
    """Cancel every task of a batch that is not final."""
    found = run(_call("POST", f"/v1/batches/{batch}/cancel"))
    shown(found, as_json, lambda: _show(found))


async def _call(method: str, path: str) -> Batch:
    async with api(read_settings()) as client:
        found: Batch = await client.call(method, path, timeout_s=UPLOAD_S)
        return found


async def _follow(client: Api, batch: Batch, *, quiet: bool) -> Batch:
    """Wait for a batch with its progress on the screen."""
    with Live(console=err, transient=True, refresh_per_second=4) as live:
        while batch["state"] != "completed":
            if not quiet:
                live.update(Text(_progress(batch)))
            await asyncio.sleep(LOOK_S)
            batch = await client.call("GET", f"/v1/batches/{batch['id']}")
    return batch


async def _kept(lines: BinaryIO, place: str) -> AsyncIterator[bytes]:
    """Have videos kept there, where a line says nothing else."""
    while some := await asyncio.to_thread(lines.readlines, READ_BYTES):
        yield b"".join(_kept_line(line, place) for line in some)


def _kept_line(line: bytes, place: str) -> bytes:
    """Name the place in front of what a line says, and leave its text as it is; the service says what is wrong with it."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if not isinstance(said, dict) or not said or "archive" in said:
        return line
    return line.replace(b"{", b'{"archive": %s, ' % json.dumps(place).encode(), 1)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(file).open("rb") as opened:
            yield opened
    except OSError as error:
        raise Failed(f"{file} cannot be read: {error.strerror}") from None


def _progress(batch: Batch) -> str:
    """Say how far a batch is in one line: a bar, how many are final, how many there are."""
    counts = batch["counts"]
    final, tasks = sum(counts[state] for state in FINAL), sum(counts.values())
    bar = ("#" * (WIDTH * final // tasks)).ljust(WIDTH, ".")
    return f"{batch['id']}  [{bar}]  {final} of {tasks} final ({100 * final // tasks} %)"


def _show(batch: Batch) -> None:
    out.print(_progress(batch), markup=False, soft_wrap=True)
    told = [f"{coloured(state)} {n}" for state, n in batch["counts"].items() if n]
    cost = "" if batch["cost"] is None else f"   {batch['cost']:.2f} USD"
    out.print(f"{batch['state']}: {', '.join(told)}{cost}", soft_wrap=True)
    if "canceledNow" in batch:
        out.print(f"canceled now: {batch['canceledNow']}")
