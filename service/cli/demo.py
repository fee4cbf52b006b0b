"""`callboard demo`: the main job with no keys and no network, on real parts.

An embedded Postgres, both upstreams simulated on loopback, the service, a receiver: the documents' own examples go
in through the public API, and every task's end and every event is checked.
"""

import asyncio
import itertools
import secrets
import shutil
import socket
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import typer

from service.bootstrap.run import StartError, service
from service.cli.client import Api, api
from service.cli.database import database
from service.cli.demo_board import Board, Row
from service.cli.demo_cases import Case, cases
from service.cli.demo_receiver import Receiver
from service.cli.output import AsJson, Failed, coloured, out, print_json, run, table
from service.cli.output import settings as read_settings
from service.cli.tasks import FINAL, timeline
from service.observe import set_up_logs
from service.settings import Settings
from service.simulator.app import Simulator
from service.workers.roles import Role

PATIENCE_S = 15.0
LOOK_S = 0.1
# Production has minutes here; nothing else differs.
QUICK: dict[str, object] = {
    "poll_after_seconds": 1.5,
    "poll_max_seconds": 2,
    "unknown_read_seconds": 0.2,
    "retry_base_seconds": 0.2,
    "loop_poll_seconds": 0.2,
    "drain_seconds": 3,
    "handler_grace_seconds": 1,
    "runware_concurrency": 10,
    "sync_concurrency": 10,
    "sync_submits_per_minute": 6000,
}


def demo(as_json: AsJson = False) -> None:
    """Show the main job end to end with no keys and no network; exits 0 only if all came out right."""
    began = time.perf_counter()
    # The embedded server may run as another user, which has to be able to enter.
    home = Path(tempfile.mkdtemp(prefix="callboard-demo-"))
    home.chmod(0o755)
    set_up_logs("console", "error")
    try:
        ended = _run(home, quiet=as_json)
    except StartError as error:
        raise Failed(str(error), 1) from None
    finally:
        shutil.rmtree(home, ignore_errors=True)
    seconds = round(time.perf_counter() - began, 1)
    wrong = [f for e in ended for f in e["faults"]]
    if as_json:
        print_json({"tasks": ended, "seconds": seconds, "ok": not wrong})
    else:
        _print(ended, wrong, seconds)
    if wrong:
        raise typer.Exit(1)


def _run(home: Path, *, quiet: bool) -> list[dict[str, Any]]:
    fixed = {"data_dir": home, "port": _free_port()}
    with database(_settings(fixed)) as db:
        return run(_demo(fixed, db.dsn, quiet=quiet))


def _settings(given: dict[str, object]) -> Settings:
    """Make settings of what is given; of the environment only which Postgres to run counts."""
    fields = {name: f.default for name, f in Settings.model_fields.items() if name != "pg_bin"}
    return read_settings(**fields | QUICK | given)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _demo(fixed: dict[str, object], dsn: str, *, quiet: bool) -> list[dict[str, Any]]:
    secret = "whsec_" + secrets.token_hex(24)
    simulator = Simulator(generation_seconds=0.6, sync_webhook_secret=secret)
    receiver = Receiver()
    async with AsyncExitStack() as stack:
        upstream = await simulator.start()
        stack.push_async_callback(simulator.stop)
        await receiver.start()
        stack.push_async_callback(receiver.stop)
        settings = _settings(
            fixed
            | {"runware_url": f"{upstream}/v1", "runware_api_key": "demo"}
            | {"sync_url": upstream, "sync_api_key": "demo", "sync_webhook_secret": secret}
            | {"allow_networks": "127.0.0.0/8"}
        )
        await stack.enter_async_context(
            service(settings, dsn, roles=frozenset(Role), embedded=True)
        )
        client = await stack.enter_async_context(api(settings))
        rows = await _submit(client, receiver)
        await _follow(client, receiver, rows, quiet=quiet)
        return [await _judge(client, receiver, simulator, row) for row in rows]


async def _submit(client: Api, receiver: Receiver) -> list[Row]:
    subscribed = await client.call(
        "POST", "/v1/subscriptions", body={"url": f"{receiver.url}/events"}
    )
    receiver.secrets["events"] = subscribed["secret"]
    default = await client.call("GET", "/v1/signing-secret")
    receiver.secrets["notify"] = default["secret"]
    wanted = cases(f"{receiver.url}/notify")
    body = [
        {"provider": c.provider, "request": c.request, "labels": {"demo": "yes"}} for c in wanted
    ]
    answer = await client.call("POST", "/v1/tasks", body=body)
    return [Row(c, t["taskUUID"]) for c, t in zip(wanted, answer["items"], strict=True)]


async def _follow(client: Api, receiver: Receiver, rows: list[Row], *, quiet: bool) -> None:
    """Show every step until all is done, or patience is over."""
    until = time.perf_counter() + PATIENCE_S
    out.quiet = quiet
    with Board(out, rows) as board:
        while time.perf_counter() < until:
            for row in rows:
                board.show(row, await timeline(client, row.task_uuid))
            if all(_done(receiver, row) for row in rows):
                break
            await asyncio.sleep(LOOK_S)
    out.quiet = False


def _done(receiver: Receiver, row: Row) -> bool:
    told = receiver.types("events", row.task_uuid)
    return row.state in FINAL and len(told) >= len(row.case.events) and _all_seen(row)


def _all_seen(row: Row) -> bool:
    return set(row.case.must_see) <= row.entries


async def _judge(client: Api, receiver: Receiver, simulator: Simulator, row: Row) -> dict[str, Any]:
    """Hold what came of a task against what had to."""
    task = await client.call("GET", f"/v1/tasks/{row.task_uuid}")
    told = receiver.types("events", row.task_uuid)
    billed = Counter(b.key for b in simulator.billed)[row.task_uuid]
    faults = [
        text
        for wrong, text in (
            (task["state"] != row.case.state, f"is {task['state']}, not {row.case.state}"),
            (told != row.case.events, f"was told as {list(told)}, not {list(row.case.events)}"),
            (not _all_seen(row), f"misses one of {list(row.case.must_see)} on its timeline"),
            (billed != row.case.generations, f"was generated {billed} times"),
            (
                _notified_wrongly(receiver, row.case, row.task_uuid),
                "was told wrongly at its notifyURL",
            ),
        )
        if wrong
    ]
    faults += [f"an event was refused: {text}" for text in receiver.refused]
    return {
        "taskUUID": row.task_uuid,
        "name": row.case.name,
        "state": task["state"],
        "videos": sum(r["state"] == "completed" for r in task["results"]),
        "cost": task["cost"],
        "events": list(told),
        "generations": billed,
        "faults": [f"{row.case.name}: {f}" for f in faults],
    }


def _notified_wrongly(receiver: Receiver, case: Case, task_uuid: str) -> bool:
    wished = "webhookUrl" in case.request
    return receiver.types("notify", task_uuid) != (case.events if wished else ())


def _print(ended: list[dict[str, Any]], wrong: list[str], seconds: float) -> None:
    out.print()
    rows = [
        (
            e["taskUUID"][:8],
            e["name"],
            coloured(e["state"]),
            e["videos"],
            e["generations"],
            _short(e["events"]),
        )
        for e in ended
    ]
    table("How each ended", ("task", "what", "state", "videos", "billed", "verified events"), rows)
    for fault in wrong:
        out.print(f"[red]wrong[/] {fault}", soft_wrap=True)
    events = sum(len(e["events"]) for e in ended)
    verdict = "[red]Something came out wrong[/]" if wrong else "[green]All came out as expected[/]"
    out.print(
        f"\n{verdict}: {len(ended)} tasks, {events} events, each signature verified, in {seconds} s."
    )


def _short(events: list[str]) -> str:
    """Write a run of events on one line: the family only where it is not the task's."""
    names = [e.removeprefix("task.") for e in events]
    runs = [(name, len(list(same))) for name, same in itertools.groupby(names)]
    return " → ".join(name if n == 1 else f"{name} x{n}" for name, n in runs)
