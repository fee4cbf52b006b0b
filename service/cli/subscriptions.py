"""`subscriptions`: where events go, over HTTP."""

from typing import Annotated, Any

import typer

from service.cli.client import api
from service.cli.output import AsJson, out, run, shown, table
from service.cli.output import settings as read_settings

app = typer.Typer(help="Where events go.", no_args_is_help=True)


@app.command("create")
def create(
    url: Annotated[str, typer.Argument(help="Where events are posted.")],
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Which events, like video.*.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe a URL; its secret is shown this once."""
    body = {"url": url, **({"types": kind} if kind else {})}
    made = run(_call("POST", "/v1/subscriptions", body))
    shown(
        made, as_json, lambda: out.print(f"{made['id']}\nsecret: {made['secret']}", soft_wrap=True)
    )


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List subscriptions."""
    page = run(_call("GET", "/v1/subscriptions"))
    rows = [
        (s["id"], s["kind"], s.get("url"), ", ".join(s["types"]), "yes" if s["enabled"] else "no")
        for s in page["items"]
    ]
    shown(page, as_json, lambda: table("", ("id", "kind", "url", "types", "enabled"), rows))


@app.command("delete")
def delete(subscription: Annotated[str, typer.Argument(help="A subscription's id.")]) -> None:
    """Delete a subscription; nothing more is sent to it."""
    run(_call("DELETE", f"/v1/subscriptions/{subscription}"))
    out.print("Deleted.")


async def _call(method: str, path: str, body: object = None) -> dict[str, Any]:
    async with api(read_settings()) as client:
        answer: dict[str, Any] = await client.call(method, path, body=body)
        return answer
