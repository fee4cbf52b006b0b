"""A caller's request, checked, and the bytes that are sent for it."""

from collections.abc import Mapping
from typing import cast
from uuid import UUID

from pydantic import ValidationError

from schemas.base import part
from schemas.upstream.runware import RunwareVideoRequest, parse_request
from service.core.errors import FieldError
from service.ports import Checked
from service.providers.request import encode, faults_of, invalid, unsendable

OURS = frozenset({"taskUUID", "webhookURL", "taskType", "deliveryMethod"})
"""What Callboard sets itself; it is cut from what is stored."""
PATTERNS = {
    "/taskUUID": "It should be a UUID v4",
    "/model": "It should be an AIR identifier such as sync:3@0",
}


def check(request: object) -> Checked:
    """Validate a request in full; raises InvalidRequest."""
    faults = unsendable(request) + _delivery_faults(request)
    try:
        model = parse_request(request)
    except ValidationError as error:
        raise invalid(faults + faults_of(error, PATTERNS)) from None
    if faults:
        raise invalid(faults)
    return _checked(cast("Mapping[str, object]", request), model)


def submit_body(task_uuid: UUID, request: Mapping[str, object], webhook_url: str | None) -> bytes:
    """Make the body of the first send: an array of one task object."""
    task: dict[str, object] = {
        "taskType": "videoInference",
        "taskUUID": str(task_uuid),
        "deliveryMethod": "async",
        "includeCost": True,
        **{key: value for key, value in request.items() if key not in OURS},
    }
    if webhook_url is not None:
        task["webhookURL"] = webhook_url
    return encode([task])


def read_body(task_type: str, task_uuid: UUID) -> bytes:
    """Make the body of `getResponse` or `getTaskDetails`; the uuid is that of the task looked up."""
    return encode([{"taskType": task_type, "taskUUID": str(task_uuid)}])


def _delivery_faults(request: object) -> list[FieldError]:
    """Refuse `sync`, which most models know: a call held for minutes, and no callback."""
    if part(request, "deliveryMethod") in (None, "async"):
        return []
    return [FieldError("/deliveryMethod", "Input should be 'async'")]


def _checked(request: Mapping[str, object], model: RunwareVideoRequest) -> Checked:
    return Checked(
        request={key: value for key, value in request.items() if key not in OURS},
        model=model.model,
        results_expected=model.numberResults or 1,
        task_uuid=UUID(model.taskUUID) if model.taskUUID is not None else None,
        notify_url=model.webhookURL,
    )
