"""What is certain after one call to an upstream: an answer, nothing sent, or neither.

The difference between *not sent* and *no answer* decides whether a generation may be paid twice;
`http` draws it, and here is what it means for a submit and for a read.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from service.core.fault import Fault, FaultKind
from service.core.inputs import ReadFailed, SubmitUnknown, TryLater


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer, whatever its status. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class NotSent:
    """Not one byte of the request was written: there was no connection to write to."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have been written, wholly or in part, and no whole answer came back."""

    reason: str


Outcome = HttpAnswer | NotSent | NoAnswer


def submit_unanswered(outcome: NotSent | NoAnswer, lease_no: int) -> TryLater | SubmitUnknown:
    """Say what a submit without an answer comes to."""
    if isinstance(outcome, NotSent):
        return TryLater(Fault("not_reached", outcome.reason, FaultKind.TRANSIENT), lease_no)
    return SubmitUnknown(Fault("no_answer", outcome.reason, FaultKind.TRANSIENT), lease_no)


def read_unanswered(outcome: NotSent | NoAnswer) -> ReadFailed:
    """Say what a read without an answer comes to."""
    code = "not_reached" if isinstance(outcome, NotSent) else "no_answer"
    return ReadFailed(Fault(code, outcome.reason, FaultKind.TRANSIENT))


def read_refused(status: int) -> ReadFailed:
    """Note a read that was answered with something else than what was asked for."""
    text = f"The upstream answered a read with {status}, which says nothing of the task."
    return ReadFailed(Fault(f"http_{status}", text, FaultKind.TRANSIENT))


def read_unreadable() -> ReadFailed:
    """Note a read whose answer has a shape that nobody knows."""
    text = "The upstream's answer to a read could not be understood."
    return ReadFailed(Fault("unreadable_answer", text, FaultKind.TRANSIENT))


READ_TIMEOUT = ReadFailed(
    Fault("read_timeout", "Reading the upstream took too long.", FaultKind.TRANSIENT)
)
NO_KEY = Fault("no_api_key", "There is no API key for this provider.", FaultKind.TRANSIENT)
KEY_CHANGED = Fault(
    "key_changed",
    "It may have been accepted under another API key, so it is not sent again under this one.",
)
