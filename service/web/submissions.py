"""A body of POST /v1/tasks: one submission or an array of them, with every fault of all of them at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.api.media import Archive
from schemas.api.tasks import Submission as Given
from service.core.errors import FieldError, Invalid
from service.core.media import Wanted
from service.flows.accept import Accept, Submission
from service.wire.api import parse_submission

MOST = 100


@dataclass(frozen=True, slots=True)
class Submissions:
    """Submissions whose own fields are valid."""

    given: Sequence[Submission]
    many: bool


def read_submissions(body: object, accept: Accept) -> Submissions:
    """Check the fields of ours; raises Invalid with every fault, those of the requests included."""
    if isinstance(body, Mapping):
        return Submissions(_read_all([body], accept, many=False), many=False)
    if not isinstance(body, list):
        raise _whole("Give one submission, or an array of them.")
    if not 1 <= len(body) <= MOST:
        raise _whole(f"An array has 1 to {MOST} submissions, not {len(body)}.")
    return Submissions(_read_all(body, accept, many=True), many=True)


def read_one(body: object, accept: Accept) -> Submission:
    """Check the fields of ours of one submission; raises Invalid with every fault."""
    if not isinstance(body, Mapping):
        raise _whole("Give one submission, as an object.")
    return _read_all([body], accept, many=False)[0]


def _read_all(bodies: Sequence[object], accept: Accept, *, many: bool) -> list[Submission]:
    read: list[Submission] = []
    own: dict[int, tuple[FieldError, ...]] = {}
    for position, body in enumerate(bodies):
        try:
            read.append(_submission(parse_submission(body, _prefix(position, many=many))))
        except Invalid as error:
            own[position] = error.errors
    if own:
        raise Invalid(errors=_all_faults(bodies, own, accept, many=many))
    return read


def _all_faults(
    bodies: Sequence[object],
    own: Mapping[int, tuple[FieldError, ...]],
    accept: Accept,
    *,
    many: bool,
) -> tuple[FieldError, ...]:
    """Add the faults of the requests to those of our own fields, in the order of the bodies."""
    faults: list[FieldError] = []
    for position, body in enumerate(bodies):
        faults += own.get(position, ())
        prefix = _prefix(position, many=many)
        faults += [FieldError(prefix + e.pointer, e.detail) for e in _of_request(body, accept)]
    return tuple(faults)


def _of_request(body: object, accept: Accept) -> tuple[FieldError, ...]:
    """Check what can be checked of a request whose submission may have faults of its own."""
    if not isinstance(body, Mapping):
        return ()
    provider, request = body.get("provider"), body.get("request")
    if not isinstance(provider, str) or not isinstance(request, dict):
        return ()
    try:
        bare = Submission(provider, request, None, {}, {}, None, None, 0)
        accept.check([bare], many=False)
    except Invalid as error:
        return tuple(e for e in error.errors if e.pointer.startswith("/request"))
    return ()


def _submission(given: Given) -> Submission:
    return Submission(
        provider=given.provider,
        request=given.request,
        task_uuid=given.taskUUID,
        labels=given.labels,
        metadata=given.metadata,
        deadline_s=given.deadlineSeconds,
        start_within_s=given.startWithinSeconds,
        priority=given.priority,
        account=given.account,
        archive=_wanted(given.archive),
        fallback=tuple((entry.provider, entry.request) for entry in given.fallback),
    )


def _wanted(given: Archive | None) -> Wanted | None:
    return None if given is None else Wanted(given.to, given.beforeCompleted, given.retentionDays)


def _prefix(position: int, *, many: bool) -> str:
    return f"/{position}" if many else ""


def _whole(text: str) -> Invalid:
    return Invalid(errors=(FieldError("", text),))
