"""What an answer to a submit means that is no acknowledgement: one table for all upstreams.

| status                  | what the body says        | answer              |
| ----------------------- | ------------------------- | ------------------- |
| any                     | the uuid or key is taken  | unknown             |
| 3xx, 408, 409, 425, 5xx | anything                  | unknown             |
| 2xx, 4xx                | a fault of the account    | try later (account) |
| 401                     | anything                  | try later (account) |
| 402, 403                | a fault of the request    | refused             |
| 402, 403                | another fault             | try later (account) |
| 402                     | not the upstream's shape  | try later (account) |
| 429                     | a throttle, or no code    | try later (account) |
| 429 with Retry-After    | not the upstream's shape  | try later (account) |
| other 4xx               | of the request, unlisted  | refused             |
| 2xx                     | a fault of the request    | refused             |
| the rest                |                           | unknown             |

*Refused* needs an answer in the upstream's own shape: a page of some proxy in between is no word of
the upstream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus

from service.core.fault import Fault, FaultKind
from service.core.inputs import Refused, SubmitUnknown, TryLater
from service.core.settle import UNKNOWN


class Family(StrEnum):
    """What a fault is about, as far as its code tells."""

    REQUEST = "request"
    """The request itself: it would fail again."""
    ACCOUNT = "account"
    """The key, the money or the standing of the account: every request would fail now."""
    THROTTLE = "throttle"
    """Too much at once."""
    UPSTREAM = "upstream"
    """The upstream's own trouble: it may pass."""
    TAKEN = "taken"
    """The uuid or key was used before: what became of that use has to be read."""
    ASK = "ask"
    """It does not tell what became of the generation: that has to be read."""
    UNLISTED = "unlisted"
    """No code, or one that is not in the tables."""


KINDS = {
    Family.REQUEST: FaultKind.PERMANENT,
    Family.ACCOUNT: FaultKind.TRANSIENT,
    Family.THROTTLE: FaultKind.TRANSIENT,
    Family.UPSTREAM: FaultKind.TRANSIENT,
    Family.TAKEN: FaultKind.UNKNOWN,
    Family.ASK: FaultKind.UNKNOWN,
    Family.UNLISTED: FaultKind.UNKNOWN,
}
"""What a caller may do about a fault: retry (transient), never (permanent), or ask (unknown).

One of the account is worth another try once the account is mended; until then its tasks wait by
themselves.
"""
CODES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.PAYMENT_REQUIRED: "payment_required",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
}
"""Our codes for answers that have none; others are `refused` or `http_<status>`."""
SUCCESS, CLIENT_ERROR = range(200, 300), range(400, 500)
UNCLEAR = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY})
"""Answers of 4xx that may follow a request that was taken, or is being taken."""


@dataclass(frozen=True, slots=True)
class Said:
    """The fault that an answer tells of, in the upstream's shape but in our words.

    `wait_s` is how long to wait, by its body; `upstream_id` a generation that it names.
    """

    code: str | None
    message: str | None
    family: Family
    wait_s: float | None = None
    upstream_id: str | None = None


def async_fault(said: Said) -> Fault:
    """Make the fault of a generation that failed after it was accepted."""
    if said.code is None and said.message is None:
        return UNKNOWN
    message = said.message or "The upstream told a code and no reason."
    return Fault(said.code or UNKNOWN.code, message, KINDS[said.family])


def judge(
    lease_no: int, status: int, said: Said | None, retry_after_s: float | None
) -> Refused | TryLater | SubmitUnknown:
    """Judge an answer; `said` is None where its body is not in the upstream's shape."""
    fault = _fault(status, said)
    family = said.family if said is not None else None
    upstream_id = said.upstream_id if said is not None else None
    unclear = SubmitUnknown(fault, lease_no, answered=True, upstream_id=upstream_id)
    decided = status in SUCCESS or (status in CLIENT_ERROR and status not in UNCLEAR)
    if family is Family.TAKEN or not decided:
        return unclear
    if _account(status, family) or _throttle(status, family, retry_after_s):
        wait_s = said.wait_s if said is not None and said.wait_s is not None else retry_after_s
        wait = timedelta(seconds=wait_s) if wait_s is not None else None
        return TryLater(fault, lease_no, retry_after=wait, account=True)
    if _refusal(status, family):
        return Refused(replace(fault, kind=KINDS[Family.REQUEST]), lease_no)
    return unclear


def _account(status: int, family: Family | None) -> bool:
    if status == HTTPStatus.UNAUTHORIZED or family is Family.ACCOUNT:
        return True
    if status == HTTPStatus.FORBIDDEN and family is None:
        # One that is no JSON comes from a firewall in between, which may dislike only this body.
        return False
    payment = {HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.FORBIDDEN}
    return status in payment and family is not Family.REQUEST


def _throttle(status: int, family: Family | None, retry_after_s: float | None) -> bool:
    """Whether it is a 429 that we recognise: by its code, or a gateway's by its Retry-After."""
    if status != HTTPStatus.TOO_MANY_REQUESTS:
        return False
    if family is None:
        return retry_after_s is not None
    return family in {Family.THROTTLE, Family.UNLISTED}


def _refusal(status: int, family: Family | None) -> bool:
    if status in SUCCESS:
        return family is Family.REQUEST
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    return family in {Family.REQUEST, Family.UNLISTED}


def _fault(status: int, said: Said | None) -> Fault:
    refused = said is not None and status in CLIENT_ERROR
    code = CODES.get(status, "refused" if refused else f"http_{status}")
    message = f"The upstream answered {status}."
    if said is None:
        return Fault(code, message)
    return Fault(said.code or code, said.message or message, KINDS[said.family])
