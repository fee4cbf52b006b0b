"""A caller's request, checked, and the bytes that are sent for it."""

from collections.abc import Iterator, Mapping
from typing import cast

from pydantic import ValidationError

from schemas.base import part
from schemas.upstream.sync_so import MODELS, parse_request
from service.ports import Checked
from service.providers.request import encode, faults_of, invalid, unsendable

OURS = frozenset({"webhookUrl"})
"""What Callboard sets itself; it is cut from what is stored."""
PATTERNS = {"/projectId": "It should be a UUID"}
NATIVE_MODEL = "sync-3"
NATIVE = ("temperature", "reasoning_enabled", "occlusion_detection_enabled")
"""Options of older models that sync-3 does by itself (its page, "No manual tuning required")."""


def check(request: object) -> Checked:
    """Validate a request in full; raises InvalidRequest."""
    faults = unsendable(request)
    try:
        model = parse_request(request)
    except ValidationError as error:
        raise invalid(faults + faults_of(error, PATTERNS)) from None
    if faults:
        raise invalid(faults)
    body = cast("Mapping[str, object]", request)
    return Checked(
        request={key: value for key, value in body.items() if key not in OURS},
        model=model.model,
        results_expected=1,
        notify_url=model.webhookUrl,
        warnings=_warnings(body, model.model),
    )


def submit_body(request: Mapping[str, object], webhook_url: str | None) -> bytes:
    """Make the body of the first send, without the options that sync-3 has no use for."""
    body = {key: value for key, value in request.items() if key not in OURS}
    if body.get("model") == NATIVE_MODEL:
        body = _without_native(body, "options")
        segments = body.get("segments")
        if isinstance(segments, list):
            body["segments"] = [_without_native(s, "optionsOverride") for s in segments]
    if webhook_url is not None:
        body["webhookUrl"] = webhook_url
    return encode(body)


def _warnings(request: Mapping[str, object], model: str) -> tuple[str, ...]:
    if model not in MODELS:
        return (f"The model {model} is not known here: only what all models share was checked.",)
    if model != NATIVE_MODEL:
        return ()
    return tuple(
        f"{place} is not sent: {NATIVE_MODEL} does this by itself." for place in _native(request)
    )


def _native(request: Mapping[str, object]) -> Iterator[str]:
    """Yield where the options stand that sync-3 has no use for."""
    options = part(request, "options")
    yield from (f"options.{name}" for name in NATIVE if part(options, name) is not None)
    segments = part(request, "segments")
    for index, segment in enumerate(segments if isinstance(segments, list) else ()):
        override = part(segment, "optionsOverride")
        place = f"segments[{index}].optionsOverride"
        yield from (f"{place}.{name}" for name in NATIVE if part(override, name) is not None)


def _without_native(body: dict[str, object], field: str) -> dict[str, object]:
    options = body.get(field)
    if not isinstance(options, Mapping):
        return body
    left = {name: value for name, value in options.items() if name not in NATIVE}
    if left or not options:
        return {**body, field: left}
    return {key: value for key, value in body.items() if key != field}
