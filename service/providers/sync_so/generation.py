"""What a generation object says, whether it came as an answer, in a list or as a callback."""

from dataclasses import replace
from uuid import UUID

from pydantic import ValidationError

from schemas.upstream.sync_so import SyncGeneration
from service.core.fault import Fault, FaultKind
from service.core.inputs import Report, Source
from service.core.settle import UNKNOWN
from service.core.task import Video
from service.providers import foreign
from service.providers.sync_so import faults
from service.providers.verdict import KINDS, Family, Said, async_fault

NAME = "sync"
CANCELED = Fault("upstream_canceled", "The upstream canceled it.", FaultKind.UNKNOWN)
TIMED_OUT = Fault("upstream_timeout", "It took the upstream too long.", FaultKind.TRANSIENT)
REJECTED = Fault("rejected", "The upstream rejected it and gave no reason.", FaultKind.PERMANENT)


def generation(body: object) -> SyncGeneration | None:
    """Read a generation object; None where it has no usable id or status."""
    try:
        found = SyncGeneration.model_validate(body)
    except ValidationError:
        return None
    usable = foreign.text(found.id, foreign.ID_LENGTH) == found.id
    return found if usable and found.status.strip() else None


def task_of(found: SyncGeneration) -> UUID | None:
    """Return the task that made it, by the webhook URL that is echoed; it may be null."""
    return foreign.called_task(found.webhookUrl, NAME)


def report(found: SyncGeneration, source: Source) -> Report:
    """Say what its status says; any that nobody has heard of means that it is running."""
    told = Report(source, upstream_id=found.id)
    match found.status.strip().upper():
        case "COMPLETED":
            return replace(told, videos=(Video(found.id, foreign.address(found.outputUrl)),))
        case "REJECTED":
            return replace(told, rejected=_rejection(found))
        case "FAILED":
            fault = async_fault(_said(found))
            return replace(told, faults=(fault,), vague=fault == UNKNOWN)
        case "CANCELED" | "CANCELLED":
            return replace(told, faults=(_with_text(CANCELED, found),))
        case "TIMED_OUT":
            return replace(told, faults=(_with_text(TIMED_OUT, found),))
        case _:
            return replace(told, running=True)


def _said(found: SyncGeneration) -> Said:
    """Read the reason: `error_code` in callbacks, `errorCode` in answers, or neither."""
    code = foreign.text(found.error_code, foreign.ID_LENGTH)
    code = code or foreign.text(found.errorCode, foreign.ID_LENGTH)
    return Said(code, foreign.text(found.error), faults.family(code))


def _rejection(found: SyncGeneration) -> Fault:
    said = _said(found)
    unlisted = said.family is Family.UNLISTED
    return Fault(
        said.code or REJECTED.code,
        said.message or REJECTED.message,
        REJECTED.kind if unlisted else KINDS[said.family],
    )


def _with_text(fault: Fault, found: SyncGeneration) -> Fault:
    return replace(fault, message=foreign.text(found.error) or fault.message)
