"""`deliveries list show retry`: what became of events on their way, over HTTP."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from service.cli.client import api
from service.cli.output import AsJson, out, run, shown, table
from service.cli.output import settings as read_settings

app = typer.Typer(help="What became of events on their way.", no_args_is_help=True)

COLOURS = {"delivered": "green", "failed": "red", "held": "yellow", "canceled": "magenta"}
MOST = 1000
"""How many are listed at most: whoever wants more follows the cursor of the API."""
DeliveryId = Annotated[str, typer.Argument(metavar="ID", help="A delivery's id.")]
Delivery = dict[str, Any]


@app.command("list")
def list_all(
    subscription: Annotated[str | None, typer.Option(help="Only to this subscription.")] = None,
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    event: Annotated[str | None, typer.Option(help="Only of this event.")] = None,
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only in this state, like failed.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, like video.*.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List deliveries, newest first."""
    given = {"subscription": subscription, "task": task, "event": event}
    query = [(name, value) for name, value in given.items() if value is not None]
    query += [("state", s) for s in state or ()] + [("type", k) for k in kind or ()]
    page = run(_list(query, limit))
    shown(page, as_json, lambda: _table(page["items"]))


@app.command("show")
def show(delivery: DeliveryId, as_json: AsJson = False) -> None:
    """Show a delivery with its attempts."""
    found = run(_call("GET", f"/v1/deliveries/{delivery}"))
    shown(found, as_json, lambda: _show(found))


@app.command("retry")
def retry(delivery: DeliveryId, as_json: AsJson = False) -> None:
    """Send a delivery again now."""
    found = run(_call("POST", f"/v1/deliveries/{delivery}/retry"))
    shown(found, as_json, lambda: _table([found]))


async def _list(query: list[tuple[str, str]], limit: int) -> dict[str, Any]:
    """Read pages until there are enough: a page of a rare type may be short."""
    items: list[Delivery] = []
    cursor: str | None = None
    async with api(read_settings()) as client:
        while True:
            here = [*query, ("limit", str(min(limit - len(items), 100)))]
            here += [("cursor", cursor)] if cursor else []
            page = await client.call("GET", "/v1/deliveries", query=here)
            items += page["items"]
            cursor = page["nextCursor"]
            if cursor is None or len(items) >= limit:
                return {"items": items, "nextCursor": cursor}


async def _call(method: str, path: str) -> Delivery:
    async with api(read_settings()) as client:
        found: Delivery = await client.call(method, path)
        return found


def _table(items: list[Delivery]) -> None:
    rows = [
        (
            d["id"],
            _coloured(d["state"]),
            d["event"]["type"],
            d["subject"],
            d["subscription"] or d["notifyHost"],
            d["attempts"],
            d["lastError"] or d["lastStatus"],
            d["nextAttemptAt"] or d["finishedAt"],
        )
        for d in items
    ]
    columns = ("id", "state", "event", "task", "to", "attempts", "last", "next or end")
    table("", columns, rows)


def _show(found: Delivery) -> None:
    _table([found])
    rows = [
        (
            *(a["no"], a["at"], a["durationMs"], a["status"], a["error"], a["address"]),
            # What a stranger answered is no markup.
            escape(a["response"]),
        )
        for a in found["attemptLog"]
    ]
    out.print()
    columns = ("no", "at", "ms", "status", "error", "address", "answer")
    table("Attempts", columns, rows)


def _coloured(state: str) -> str:
    colour = COLOURS.get(state)
    return f"[{colour}]{state}[/]" if colour else state
