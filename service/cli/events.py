"""`events`: the feed over HTTP."""

import asyncio
from typing import Annotated, Any

import typer

from service.cli.client import api
from service.cli.output import AsJson, out, print_json, run
from service.cli.output import settings as read_settings

REST_S = 0.5


def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    kind: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, like video.*.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only of this task.")] = None,
    cursor: Annotated[
        str | None, typer.Option(help="Begin after this place; `now` for what comes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List events, oldest first; --json prints one event a line."""
    try:
        run(_events(kind or [], task, cursor, follow=follow, as_json=as_json))
    except KeyboardInterrupt:
        raise typer.Exit from None


async def _events(
    kinds: list[str], task: str | None, cursor: str | None, *, follow: bool, as_json: bool
) -> None:
    async with api(read_settings()) as client:
        while True:
            query = [("type", k) for k in kinds]
            query += [(k, v) for k, v in (("task", task), ("cursor", cursor)) if v is not None]
            page = await client.call("GET", "/v1/events", query=query)
            for event in page["items"]:
                _print(event, as_json=as_json)
            cursor = page["nextCursor"]
            if not page["items"]:
                if not follow:
                    return
                await asyncio.sleep(REST_S)


def _print(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(event)
        return
    data = event["data"]
    result = data.get("result") or {}
    erased = "erased" if data.get("erased") else ""
    what = result.get("videoURL") or ((result or data).get("error") or {}).get("code") or erased
    out.print(f"{event['time']}  {event['subject']}  {event['type']:<16} {what}", soft_wrap=True)
