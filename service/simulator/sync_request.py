"""Reads what is sent to create a generation: as JSON or as a form, with all that is wrong in it."""

import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from schemas.base import part
from schemas.upstream.sync_rules import VISUALS
from schemas.upstream.sync_so import parse_request
from service.simulator.state import may_call
from service.simulator.sync_files import SyncFiles
from service.simulator.sync_refusals import Refused, bad_request, too_large

BAD_KEY = "bad"
"""How the API keys begin that are not known."""
IDEMPOTENCY_KEY = re.compile(r"[A-Za-z0-9._~-]{1,128}")
NAME_LENGTH = 255
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
"""The second is what `syncsdk` makes of a form without files."""
TEXTS, OBJECTS = ("model", "webhookUrl", "outputFileName", "projectId"), ("options", "dubParams")


def require_key(request: web.Request) -> None:
    """Refuse a request without a key, or with one that is not known."""
    key = request.headers.get("x-api-key")
    if not key:
        message = "Either Cookie or x-api-key header must be provided"
        raise Refused(401, message, error="Unauthorized")
    if key.startswith(BAD_KEY):
        raise Refused(401, "Unauthorized")


def idempotency_key(request: web.Request) -> str | None:
    """Return the key that makes a repetition harmless, if one was sent."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or not IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise bad_request("Invalid Idempotency-Key", errorCode="INVALID_IDEMPOTENCY_KEY")
    return keys[0]


async def read_json(request: web.Request) -> Any:
    """Read a body of JSON."""
    try:
        return json.loads(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large() from error
    except ValueError as error:
        raise bad_request("The body is not JSON") from error


async def read_form(request: web.Request) -> Mapping[str, list[Any]]:
    """Read a form: for each name its texts and files."""
    try:
        form = await request.post()
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large() from error
    except ValueError as error:
        raise bad_request("The body is not a form") from error
    return {name: form.getall(name) for name in form}


async def read_create(request: web.Request, files: SyncFiles) -> dict[str, Any]:
    """Read what is to be generated; uploaded files get a URL.

    Raises:
        Refused: it cannot be read, or anything in it is wrong.
    """
    if request.content_type in FORMS:
        body: Any = _from_form(await read_form(request), files)
    else:
        body = await read_json(request)
    faults = faults_in(body)
    if faults:
        raise bad_request(faults, **_code(body))
    return dict(body)


def faults_in(body: object) -> list[str]:
    """Return what is wrong, as class-validator would: what it does not know it does not mind."""
    try:
        parse_request(_without_nulls(body))
    except ValidationError as error:
        known = [fault for fault in error.errors() if fault["type"] != "extra_forbidden"]
    else:
        known = []
    texts = [
        f"{'.'.join(map(str, fault['loc']))} {fault['msg'].replace('Input should', 'must')}".strip()
        for fault in known
    ]
    webhook = part(body, "webhookUrl")
    fine = not any(text.startswith("webhookUrl") for text in texts)
    if fine and isinstance(webhook, str) and not may_call(webhook):
        texts.append("webhookUrl must be an https URL")
    return list(dict.fromkeys(texts))


def cleaned_name(name: object) -> object:
    """Return an `outputFileName` as newer servers make it: cleaned, not refused."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:NAME_LENGTH] if isinstance(name, str) else name


def _from_form(form: Mapping[str, list[Any]], files: SyncFiles) -> dict[str, Any]:
    texts = {
        name: [value for value in values if isinstance(value, str)] for name, values in form.items()
    }
    body: dict[str, Any] = {name: texts[name][0] for name in TEXTS if texts.get(name)}
    for name in OBJECTS:
        if texts.get(name):
            body[name] = _parse(name, texts[name][0])
    items = _parse_all("input", texts.get("input", []))
    if texts.get("segments"):
        body["segments"] = _parse_all("segments", texts["segments"])
    for kind in ("video", "audio"):
        items.extend(
            {"type": kind, "url": files.keep(file.file.read(), file.content_type)}
            for file in form.get(kind, ())
            if isinstance(file, web.FileField)
        )
    return {**body, "input": items}


def _parse_all(name: str, parts: list[str]) -> list[Any]:
    """Read a list: as one part with an array, as a part for each element, or as both."""
    values = [_parse(name, text) for text in parts]
    return [one for value in values for one in (value if isinstance(value, list) else [value])]


def _parse(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise bad_request([f"{name} must be JSON"]) from error


def _without_nulls(value: Any) -> Any:
    """Leave out what is null: to its validator that is as good as not given."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _code(body: object) -> dict[str, str]:
    """Name the fault where the catalogue has a code for it."""
    items = part(body, "input")
    kinds = [part(item, "type") for item in items] if isinstance(items, list) else []
    if sum(kind in VISUALS for kind in kinds) > 1:
        return {"errorCode": "generation_input_too_many_visual"}
    if part(body, "dubParams") is not None and {"audio", "text"} & set(map(str, kinds)):
        return {"errorCode": "generation_input_dub_audio_conflict"}
    if part(body, "segments") is not None:
        return {"errorCode": "generation_input_segments_invalid"}
    return {}
