"""What `subscriptions create` and `update` take, and the bodies that are made of it."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from service.cli.output import Failed

Found = dict[str, Any]

Id = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="A subscription's id.")]
Types = Annotated[
    list[str] | None, typer.Option("--type", help="Which events, like video.*; repeat for more.")
]
Provider = Annotated[str | None, typer.Option(help="Only of this provider's tasks.")]
Model = Annotated[str | None, typer.Option(help="Only of this model's tasks.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", help="Only of tasks with this key:value; repeat.")
]
Condition = Annotated[
    str | None,
    typer.Option(help="An SQL/JSON path predicate on the event's data: '$.result.cost > 0.5'."),
]
Settings = Annotated[str | None, typer.Option(help="What the kind wants to know, as JSON.")]
Credentials = Annotated[
    bool,
    typer.Option("--credentials-stdin", help="Read what a broker asks for as JSON from stdin."),
]
Description = Annotated[str | None, typer.Option(help="For people.")]
Format = Annotated[
    str | None, typer.Option("--format", help="structured, binary, standard or batched.")
]
BatchSize = Annotated[int | None, typer.Option(help="How many events one call has at most.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", help="'Name: value', sent with every event; repeat.")
]
Schemes = Annotated[
    list[str] | None, typer.Option("--signature", help="v1, or v1 and v1a; repeat.")
]
Concurrency = Annotated[int | None, typer.Option(help="How many attempts may be under way.")]
PerMinute = Annotated[
    int | None, typer.Option("--rate-per-minute", help="How many attempts may begin in a minute.")
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="How long an attempt may take, in seconds.")
]
IncludeRequest = Annotated[
    bool | None,
    typer.Option(
        "--include-request/--no-include-request", help="Whether events hold the task's request."
    ),
]
Handshake = Annotated[
    bool | None, typer.Option("--handshake/--no-handshake", help="Ask the receiver for consent.")
]


def given(**fields: object) -> Found:
    """Keep the fields that were given."""
    return {name: value for name, value in fields.items() if value is not None}


def json_object(text: str | None, what: str) -> Found | None:
    """Read a JSON object; raises Failed for anything else, without repeating it."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Failed(f"{what} should be a JSON object.")
    return value


def credentials_from(*, read: bool) -> Found | None:
    """Read them from where no list of processes shows them."""
    return json_object(sys.stdin.read(), "What stdin holds") if read else None


def pairs(
    texts: Sequence[str] | None, mark: str, option: str, should_be: str
) -> dict[str, str] | None:
    """Split texts like key:value; raises Failed for one without the mark, and does not repeat it: it may be a token."""
    found: dict[str, str] = {}
    for text in texts or ():
        name, sign, value = text.partition(mark)
        if not sign:
            raise Failed(f"{option} should be {should_be}.")
        found[name.strip()] = value.strip()
    return found or None


def with_resets(patch: Mapping[str, Any], resets: Sequence[str]) -> Found:
    """Add the nulls that bring defaults back: of a field, or of one member of it after a dot."""
    found = dict(patch)
    for text in resets:
        name, dot, member = text.partition(".")
        if dot and (name not in found or isinstance(found[name], dict)):
            found[name] = found.get(name, {}) | {member: None}
        elif name in found:
            raise Failed(f"Set {name} or reset it, not both.")
        else:
            found[name] = None
    return found
