"""`subscriptions`: where events go, over HTTP."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from service.cli.client import api
from service.cli.output import TASK_FAILED, AsJson, Failed, out, run, shown, table
from service.cli.output import settings as read_settings
from service.cli.subscription_options import (
    BatchSize,
    Concurrency,
    Condition,
    Credentials,
    Description,
    Format,
    Handshake,
    Headers,
    Id,
    IncludeRequest,
    Labels,
    Model,
    PerMinute,
    Provider,
    Schemes,
    Settings,
    Timeout,
    Types,
    credentials_from,
    given,
    json_object,
    pairs,
    with_resets,
)

app = typer.Typer(help="Where events go.", no_args_is_help=True)
PATH = "/v1/subscriptions"
Found = dict[str, Any]


@app.command("create")
def create(
    url: Annotated[str | None, typer.Argument(help="Where events are posted.")] = None,
    url_option: Annotated[str | None, typer.Option("--url", help="The same.")] = None,
    kind: Annotated[str | None, typer.Option(help="In place of a URL: file, nats, …")] = None,
    settings: Settings = None,
    credentials_stdin: Credentials = False,
    types: Types = None,
    provider: Provider = None,
    model: Model = None,
    label: Labels = None,
    condition: Condition = None,
    description: Description = None,
    format_: Format = None,
    batch_size: BatchSize = None,
    header: Headers = None,
    signature: Schemes = None,
    concurrency: Concurrency = None,
    rate_per_minute: PerMinute = None,
    timeout: Timeout = None,
    include_request: IncludeRequest = None,
    handshake: Handshake = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Hold its deliveries.")] = False,
    idempotency_key: Annotated[str | None, typer.Option(help="Creating twice makes one.")] = None,
    as_json: AsJson = False,
) -> None:
    """Subscribe a URL, or another kind of target; its secret is shown this once."""
    if url is not None and url_option is not None:
        raise Failed("Give the URL once.")
    body = given(
        url=url or url_option,
        kind=kind,
        settings=json_object(settings, "--settings"),
        credentials=credentials_from(read=credentials_stdin),
        types=types,
        provider=provider,
        model=model,
        labels=pairs(label, ":", "--label", "key:value"),
        condition=condition,
        description=description,
        format=format_,
        batchSize=batch_size,
        headers=pairs(header, ":", "--header", "'Name: value'"),
        signatures=signature,
        concurrency=concurrency,
        ratePerMinute=rate_per_minute,
        timeoutSeconds=timeout,
        includeRequest=include_request,
        handshake=handshake,
        enabled=False if disabled else None,
    )
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    made = run(_call("POST", PATH, body, headers=headers))
    shown(made, as_json, lambda: _secret(made))


@app.command("update")
def update(
    subscription: Id,
    url: Annotated[str | None, typer.Option(help="Where events are posted.")] = None,
    settings: Settings = None,
    credentials_stdin: Credentials = False,
    types: Types = None,
    provider: Provider = None,
    model: Model = None,
    label: Labels = None,
    condition: Condition = None,
    description: Description = None,
    format_: Format = None,
    batch_size: BatchSize = None,
    header: Headers = None,
    signature: Schemes = None,
    concurrency: Concurrency = None,
    rate_per_minute: PerMinute = None,
    timeout: Timeout = None,
    include_request: IncludeRequest = None,
    handshake: Handshake = None,
    reset: Annotated[
        list[str] | None,
        typer.Option(
            help="Bring the default back of a field of the API, or of one label: labels.a."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change a subscription; what is not given stays, and labels and headers are added to."""
    patch = given(
        url=url,
        settings=json_object(settings, "--settings"),
        credentials=credentials_from(read=credentials_stdin),
        types=types,
        provider=provider,
        model=model,
        labels=pairs(label, ":", "--label", "key:value"),
        condition=condition,
        description=description,
        format=format_,
        batchSize=batch_size,
        headers=pairs(header, ":", "--header", "'Name: value'"),
        signatures=signature,
        concurrency=concurrency,
        ratePerMinute=rate_per_minute,
        timeoutSeconds=timeout,
        includeRequest=include_request,
        handshake=handshake,
    )
    _change(subscription, with_resets(patch, reset or ()), as_json=as_json)


@app.command("enable")
def enable(subscription: Id, as_json: AsJson = False) -> None:
    """Send to a subscription again; what was held stays held until it is replayed."""
    _change(subscription, {"enabled": True}, as_json=as_json)


@app.command("disable")
def disable(subscription: Id, as_json: AsJson = False) -> None:
    """Hold what would go to a subscription."""
    _change(subscription, {"enabled": False}, as_json=as_json)


@app.command("list")
def list_all(
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enabled/--disabled", help="Only those that are, or are not.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List subscriptions, oldest first."""
    query: dict[str, object] = {"limit": 100, "kind": kind}
    if enabled is not None:
        query["enabled"] = str(enabled).lower()
    items = run(_all(query))
    shown({"items": items, "nextCursor": None}, as_json, lambda: _table(items))


@app.command("show")
def show(subscription: Id, as_json: AsJson = False) -> None:
    """Show a subscription."""
    found = run(_call("GET", f"{PATH}/{subscription}"))
    shown(found, as_json, lambda: _fields(found))


@app.command("test")
def try_out(subscription: Id, as_json: AsJson = False) -> None:
    """Send a test event now; exits 1 when it did not arrive."""
    told = run(_call("POST", f"{PATH}/{subscription}/test"))
    shown(told, as_json, lambda: _fields(told))
    if not told["ok"]:
        raise typer.Exit(TASK_FAILED)


@app.command("rotate-secret")
def rotate_secret(
    subscription: Id,
    overlap: Annotated[
        int | None, typer.Option(help="How many seconds the old one signs too; 86400 if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Give a subscription a new secret; it is shown this once."""
    made = run(_call("POST", f"{PATH}/{subscription}/rotate-secret", given(overlapSeconds=overlap)))
    shown(made, as_json, lambda: _secret(made))


@app.command("delete")
def delete(subscription: Id) -> None:
    """Delete a subscription; nothing more is sent to it."""
    run(_call("DELETE", f"{PATH}/{subscription}"))
    out.print("Deleted.")


def _change(subscription: str, patch: Mapping[str, object], *, as_json: bool) -> None:
    if not patch:
        raise Failed("Say what to change: see callboard subscriptions update --help.")
    found = run(_call("PATCH", f"{PATH}/{subscription}", patch))
    shown(found, as_json, lambda: _fields(found))


async def _call(
    method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Found:
    async with api(read_settings()) as client:
        answer: Found = await client.call(method, path, body=body, headers=headers)
        return answer


async def _all(query: dict[str, object]) -> list[Found]:
    found: list[Found] = []
    async with api(read_settings()) as client:
        while True:
            page = await client.call("GET", PATH, query=query)
            found += page["items"]
            if page["nextCursor"] is None:
                return found
            query = query | {"cursor": page["nextCursor"]}


def _secret(made: Found) -> None:
    out.print(made["id"], markup=False, soft_wrap=True)
    for name, value in (("secret", made["secret"]), ("public key", made["publicKey"])):
        if value is not None:
            out.print(f"{name}: {value}", markup=False, soft_wrap=True)


def _fields(found: Found) -> None:
    rows = [
        (name, json.dumps(value) if isinstance(value, dict | list | bool) else value)
        for name, value in found.items()
    ]
    table("", ("field", "value"), rows)


def _table(items: Sequence[Found]) -> None:
    rows = [
        (
            *(s["id"], s["kind"], s["url"], ", ".join(s["types"])),
            "yes" if s["enabled"] else f"no ({s['disabledReason']})",
        )
        for s in items
    ]
    table("", ("id", "kind", "url", "types", "enabled"), rows)
