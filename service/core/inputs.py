"""The closed union of what can happen to a task, whoever says so.

The submit's answer, a callback, a poll, the clock and the operator all become one of these, so a
race between them is a question that `decide` answers, not three code paths.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from service.core.fault import Fault
from service.core.media import Archive
from service.core.task import Video


class Source(StrEnum):
    """Who brought a report."""

    SUBMIT = "submit"
    CALLBACK = "callback"
    POLL = "poll"


@dataclass(frozen=True, slots=True)
class SendStarted:
    """A worker is about to send; committed before the first byte leaves (`sent_at`)."""

    lease_no: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the upstream says of a generation, in whichever form it came.

    `videos` and `faults` are per result. `rejected` is the refusal of the whole task. `running` says
    that something is still being worked on. A poll tells the whole present state, a callback only what
    is new: `source` decides whether failures may be counted. `vague` marks faults without a reason.
    An empty report (nothing at all) means no more than "the upstream has it".
    """

    source: Source
    upstream_id: str | None = None
    videos: tuple[Video, ...] = ()
    faults: tuple[Fault, ...] = ()
    rejected: Fault | None = None
    running: bool = False
    vague: bool = False

    @property
    def says_ended(self) -> bool:
        """Whether nothing is running any more, as far as this report can know."""
        return not self.running and bool(self.videos or self.faults or self.rejected)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The submit's answer: the upstream has it. What came with the answer is in `report`."""

    upstream_id: str | None = None
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The submit's answer: a definite no about this very request."""

    fault: Fault
    lease_no: int


@dataclass(frozen=True, slots=True)
class TryLater:
    """The submit's answer: certainly not accepted, and not this request's fault.

    Not one byte was written, or a throttle that we recognise, or a fault of the account.
    """

    fault: Fault
    lease_no: int
    retry_after: timedelta | None = None
    account: bool = False


@dataclass(frozen=True, slots=True)
class SubmitUnknown:
    """The submit's answer: everything else. The upstream may or may not have it.

    `answered` is true when an answer arrived (a 5xx, a taken key), false for time-outs and resets.
    """

    fault: Fault
    lease_no: int
    answered: bool = False
    upstream_id: str | None = None


@dataclass(frozen=True, slots=True)
class ReadNothing:
    """A read worked and found nothing of this task. It proves nothing: lists lag and are shared.

    `lease_no` is the claim that it was read under: what was read before somebody else claimed the task may be
    older than the latest send. None where the claim is not known.
    """

    lease_no: int | None = None


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """A read did not work. It says nothing about the task and never fails one; `lease_no` as above."""

    fault: Fault
    lease_no: int | None = None


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: leases, `startWithinSeconds`, the deadline, the watch over a slot."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """The user wants it no more."""


@dataclass(frozen=True, slots=True)
class AskUpstream:
    """Something came that could not be trusted or read: the upstream is to be asked at once."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unconfirmed:
    """A callback for which nobody vouches (`CALLBACK_CONFIRM`): nothing in it counts until a poll says so."""

    report: Report


@dataclass(frozen=True, slots=True)
class Archived:
    """The file of a result was kept, or could not be, or its time is over."""

    index: int
    archive: Archive


Answer = Accepted | Refused | TryLater | SubmitUnknown
"""The four answers to a submit (DESIGN.md "Submitting")."""
Reading = Report | ReadNothing | ReadFailed
"""What a read of the upstream comes to."""
Input = SendStarted | Answer | Reading | Tick | CancelAsked | AskUpstream | Unconfirmed | Archived
