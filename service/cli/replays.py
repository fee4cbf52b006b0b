"""`replays start show list cancel`: deliveries of a time range are sent again, over HTTP."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.text import Text

from service.cli.client import Api, api
from service.cli.output import (
    DONE,
    TASK_FAILED,
    AsJson,
    Failed,
    coloured,
    err,
    out,
    run,
    shown,
    table,
)
from service.cli.output import settings as read_settings

app = typer.Typer(help="Deliveries that are sent again.", no_args_is_help=True)

LOOK_S = 1.0
"""How often a replay that is waited for is looked at."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
SubscriptionId = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="Its id.")]
ReplayId = Annotated[str, typer.Argument(metavar="ID", help="A replay's id.")]
Replay = dict[str, Any]


@app.command("start")
def start(
    subscription: SubscriptionId,
    since: Annotated[
        str, typer.Option(help="From this time on: 2026-01-31T12:00:00Z, or 6h, 2d ago.")
    ],
    until: Annotated[str | None, typer.Option(help="And before this one. Default: now.")] = None,
    state: Annotated[str, typer.Option(help="failed, held, missing or any.")] = "failed",
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, like video.*.")
    ] = None,
    rate: Annotated[int | None, typer.Option(help="How many a second at most.")] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until each was tried at least once.")
    ] = False,
    idempotency_key: Annotated[
        str | None, typer.Option(help="Starting twice makes one replay.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send deliveries of a time range again."""
    body: dict[str, object] = {"since": _moment(since), "state": state}
    body |= {"until": _moment(until)} if until is not None else {}
    body |= {"types": kind} if kind else {}
    body |= {"ratePerSecond": rate} if rate is not None else {}
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}

    async def main() -> Replay:
        async with api(read_settings()) as client:
            path = f"/v1/subscriptions/{subscription}/replay"
            begun: Replay = await client.call("POST", path, body=body, headers=headers)
            return await _follow(client, begun, quiet=as_json) if wait else begun

    found = run(main())
    shown(found, as_json, lambda: _show(found))
    if wait:
        raise typer.Exit(DONE if _went_well(found) else TASK_FAILED)


@app.command("show")
def show(replay: ReplayId, as_json: AsJson = False) -> None:
    """Show how far a replay is."""
    found = run(_call("GET", f"/v1/replays/{replay}"))
    shown(found, as_json, lambda: _show(found))


@app.command("list")
def list_all(subscription: SubscriptionId, as_json: AsJson = False) -> None:
    """List the replays of a subscription, newest first."""
    page = run(_call("GET", f"/v1/subscriptions/{subscription}/replays"))
    rows = [
        (
            r["id"],
            coloured(r["state"]),
            r["request"]["state"],
            *(r[name] for name in ("queued", "delivered", "failed", "retrying", "untried")),
            r["createdAt"],
        )
        for r in page["items"]
    ]
    columns = ("id", "state", "what", "queued", "delivered", "failed", "retrying", "untried")
    shown(page, as_json, lambda: table("", (*columns, "created"), rows))


@app.command("cancel")
def cancel(replay: ReplayId, as_json: AsJson = False) -> None:
    """Stop a replay; what it queued already is still sent."""
    found = run(_call("POST", f"/v1/replays/{replay}/cancel"))
    shown(found, as_json, lambda: _show(found))


async def _call(method: str, path: str) -> Replay:
    async with api(read_settings()) as client:
        found: Replay = await client.call(method, path)
        return found


async def _follow(client: Api, replay: Replay, *, quiet: bool) -> Replay:
    """Wait for a replay with its progress on the screen."""
    with Live(console=err, transient=True, refresh_per_second=4) as live:
        while replay["state"] == "running" or replay["untried"]:
            if not quiet:
                live.update(Text(_progress(replay)))
            await asyncio.sleep(LOOK_S)
            replay = await client.call("GET", f"/v1/replays/{replay['id']}")
    return replay


def _went_well(replay: Replay) -> bool:
    """Whether all that was queued has arrived."""
    return bool(replay["state"] == "completed" and replay["delivered"] == replay["queued"])


def _progress(replay: Replay) -> str:
    told = [f"{replay[n]} {n}" for n in ("queued", "delivered", "failed", "retrying", "untried")]
    return f"{replay['id']}  at {replay['reachedAt']}: {', '.join(told)}"


def _show(replay: Replay) -> None:
    out.print(_progress(replay), markup=False, soft_wrap=True)
    why = f" by {replay['canceledBy']}" if replay["canceledBy"] else ""
    more = [f"{replay[n]} {n}" for n in ("matched", "skipped", "held", "canceled") if replay[n]]
    out.print(f"{coloured(replay['state'])}{why}: {', '.join(more) or 'nothing matched'}")


def _moment(text: str) -> str:
    """Write a time, or how long ago, as the API takes it; what is neither is left to the API to refuse."""
    ago = re.fullmatch(r"(\d{1,6})([smhd])", text, re.ASCII)
    if ago is None:
        return text
    try:
        # The API looks at its own clock; for hours and days that of this machine will do.
        now = datetime.now(UTC)  # noqa: TID251 - people's time on their own machine
        since = now - timedelta(seconds=int(ago[1]) * UNITS[ago[2]])
    except OverflowError:
        raise Failed(f"{text} ago is before all time.") from None
    return since.isoformat(timespec="milliseconds")
