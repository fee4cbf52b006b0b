"""`events`: the feed over HTTP."""

import asyncio
import json
from typing import Annotated, Any

import typer

from service.cli.client import api
from service.cli.output import UNREACHABLE, AsJson, Failed, out, print_json, run
from service.cli.output import settings as read_settings

REST_S = 1.0


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
    filters = [("type", k) for k in kinds] + ([("task", task)] if task else [])
    async with api(read_settings()) as client:
        while True:
            query = [*filters, *([("cursor", cursor)] if cursor else [])]
            page = await client.call("GET", "/v1/events", query=query)
            for event in page["items"]:
                _print(event, as_json=as_json)
            cursor = str(page["nextCursor"])
            if not page["items"]:
                break
        while follow:
            try:
                async for last_id, data in client.stream(
                    "/v1/events/stream", query=filters, last_id=cursor
                ):
                    _print(json.loads(data), as_json=as_json)
                    cursor = last_id
            except Failed as error:
                if error.code != UNREACHABLE:
                    raise
            # The service is being restarted, or something between us ended the connection.
            await asyncio.sleep(REST_S)


def _print(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(event)
        return
    data = event["data"]
    result = data.get("result") or {}
    erased = "erased" if data.get("erased") else ""
    kept = (result.get("media") or {}).get("url")
    what = (
        kept
        or result.get("videoURL")
        or ((result or data).get("error") or {}).get("code")
        or erased
    )
    out.print(f"{event['time']}  {event['subject']}  {event['type']:<16} {what}", soft_wrap=True)
