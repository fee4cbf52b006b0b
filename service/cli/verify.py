"""`verify`: checks a captured webhook, and says what is wrong with it."""

import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from schemas.cloudevents import STRUCTURED, CloudEventError, is_binary, read
from schemas.events.data import EVENTS
from schemas.verify import TIMESTAMP, header_pairs, jwks_keys
from service.cli.captured import Captured, read_headers, read_request
from service.cli.diagnosis import Diagnosis, Keys, check_keys, diagnose
from service.cli.output import AsJson, Failed, out, shown

INVALID = 1
_WHOLE = re.compile(r"[0-9]{1,12}")


def verify(
    request: Annotated[
        Path | None,
        typer.Argument(
            help="The whole request: raw HTTP, or the JSON that a function was called with. - is stdin."
        ),
    ] = None,
    body: Annotated[Path | None, typer.Option(help="The body alone; - is stdin.")] = None,
    headers: Annotated[
        Path | None, typer.Option(help="The headers alone: a `Name: value` a line, or JSON.")
    ] = None,
    secret: Annotated[
        list[str] | None,
        typer.Option(envvar="CALLBOARD_WEBHOOK_SECRET", help="whsec_…; may be given again."),
    ] = None,
    public_key: Annotated[
        list[str] | None, typer.Option(help="whpk_…, for scheme v1a; may be given again.")
    ] = None,
    jwks: Annotated[
        Path | None, typer.Option(help="Public keys, as /.well-known/webhooks-keys gives them.")
    ] = None,
    at: Annotated[
        str,
        typer.Option(help="Check as of this Unix time; `timestamp` is when it was signed."),
    ] = "now",
    tolerance: Annotated[
        int, typer.Option(min=0, help="How many seconds old or new it may be.")
    ] = 300,
    as_json: AsJson = False,
) -> None:
    """Check a captured webhook; says what is wrong with it. Exit code 0: it is valid, 1: it is not."""
    captured = _captured(request, body, headers)
    keys = Keys(secret or [], [*(public_key or []), *_from_jwks(jwks)])
    if not (keys.secrets or keys.public_keys):
        raise Failed("Give a --secret (or CALLBOARD_WEBHOOK_SECRET), a --public-key or --jwks.")
    try:
        check_keys(keys)
    except ValueError as error:
        raise Failed(_about_keys(str(error), keys.secrets)) from None
    found = diagnose(captured, keys, _moment(at, captured), tolerance)
    events, trouble = about_events(captured)
    made = {
        "valid": found.problem is None,
        "problem": found.problem,
        "text": found.text,
        "id": found.id,
        "timestamp": found.timestamp,
        "ageSeconds": found.age_s,
        "matches": found.matches,
        "notes": list(captured.notes),
        "events": events,
        "eventProblem": trouble,
    }
    shown(made, as_json, lambda: _print(found, captured, events, trouble))
    if found.problem is not None:
        raise typer.Exit(INVALID)


def about_events(captured: Captured) -> tuple[list[dict[str, Any]], str | None]:
    """Say what the body holds, and what is wrong with it."""
    content_type = next((v for n, v in header_pairs(captured.headers) if n == "content-type"), "")
    if not content_type.strip().lower().startswith(STRUCTURED) and not is_binary(captured.headers):
        return _standard(captured.body)
    try:
        events = read(captured.headers, captured.body)
    except CloudEventError as error:
        return [], f"It is no CloudEvent: {error}."
    told = [{name: e.get(name) for name in ("type", "id", "subject", "time")} for e in events]
    return told, next(filter(None, map(_misfit, events)), None)


def _standard(body: bytes) -> tuple[list[dict[str, Any]], str | None]:
    try:
        event = json.loads(body)
        return [{"type": event["type"], "time": event["timestamp"]}], None
    except (ValueError, RecursionError, KeyError, TypeError):
        return [], "It is neither a CloudEvent nor JSON with type and timestamp."


def _misfit(event: dict[str, Any]) -> str | None:
    model = EVENTS.get(event["type"])
    if model is None:
        return f"{event['type']} is no type of Callboard's events."
    if "data" not in event and event.get("dataref"):
        return None
    try:
        model.model_validate_json(json.dumps(event))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = "".join(f"/{step}" for step in fault["loc"])
        return f"{place} of the event {event['id']}: {fault['msg']}."
    return None


def _captured(request: Path | None, body: Path | None, headers: Path | None) -> Captured:
    if (request is None) == (body is None and headers is None):
        raise Failed("Give one file with the whole request, or --body and --headers.")
    if request is not None:
        return read_request(_file(request))
    if body is None or headers is None or str(body) == str(headers):
        raise Failed("--body and --headers go together, each with a file of its own.")
    return Captured(read_headers(_file(headers)), _file(body))


def _file(path: Path) -> bytes:
    try:
        return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from None


def _from_jwks(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        return jwks_keys(json.loads(_file(path)))
    except (ValueError, RecursionError) as error:
        raise Failed(f"{path} is no JWK set: {error}.") from None


def _moment(at: str, captured: Captured) -> float:
    if at == "now":
        return time.time()  # noqa: TID251 - a command asks what the time is here
    if at == "timestamp":
        signed = next((v for n, v in header_pairs(captured.headers) if n == TIMESTAMP), "")
        return float(signed) if _WHOLE.fullmatch(signed) else 0.0
    if not _WHOLE.fullmatch(at):
        raise Failed(f"--at is a Unix time in seconds, `now` or `timestamp`, not {at!r}.")
    return float(at)


def _about_keys(fault: str, secrets: Sequence[str]) -> str:
    hint = ""
    if any(secret.startswith("whpk_") for secret in secrets):
        hint = " A whpk_… is a public key: give it as --public-key."
    if any(secret.startswith("whsk_") for secret in secrets):
        hint = " A whsk_… is a private key: receivers need its whpk_… only."
    return f"{fault[:1].upper()}{fault[1:]}.{hint}"


def _print(
    found: Diagnosis, captured: Captured, events: list[dict[str, Any]], trouble: str | None
) -> None:
    def line(name: str, value: object) -> None:
        out.print(f"{name:<10} {value}", markup=False, soft_wrap=True)

    line("valid" if found.problem is None else "INVALID", found.text)
    if found.problem is not None:
        line("problem", found.problem)
    for note in captured.notes:
        line("note", note)
    if found.id is not None:
        line("id", found.id)
        line("timestamp", f"{found.timestamp} ({found.age_s} s before it was checked)")
    for match in found.matches:
        line("signed", f"entry {match['entry']} ({match['scheme']}) by {match['key']}")
    for event in events:
        line("event", " ".join(str(value) for value in event.values() if value is not None))
    if trouble is not None:
        line("event", trouble)
