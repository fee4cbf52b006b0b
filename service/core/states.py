"""The states of a task and of a result, each with how a task gets there and how it leaves.

What the world may rely on is CONTRACT.md section 2; the moves themselves are in `decide.py`, and
`MOVES` below is the promise it is tested against: a move that is not in the table is a bug.
"""

from enum import StrEnum


class State(StrEnum):
    """Where a task is."""

    QUEUED = "queued"
    """Accepted and durable, nothing is upstream. Left by a send, a cancel or `startWithinSeconds`."""
    SUBMITTING = "submitting"
    """Being sent, or sent with an unknown outcome. Left by any word of the upstream, or by time."""
    PROCESSING = "processing"
    """The upstream has it: an acknowledgement, a callback or a poll said so. Left by settling."""
    COMPLETED = "completed"
    """Every result is settled and at least one video arrived. Final."""
    FAILED = "failed"
    """Every result is settled and none arrived, or the upstream failed the task. Final."""
    REJECTED = "rejected"
    """The upstream refused it before working on it. Final."""
    CANCELED = "canceled"
    """The user canceled it. Final."""
    TIMED_OUT = "timed_out"
    """Its time passed without an outcome. Final."""


class ResultState(StrEnum):
    """Where one video of a task is."""

    PENDING = "pending"
    """Asked for, not settled. Left by settling, or by the cancel of its task."""
    ARCHIVING = "archiving"
    """Its video arrived in time and is being kept; nobody is told yet. Left by that, or by `hold_until`."""
    COMPLETED = "completed"
    """Its video arrived in time."""
    FAILED = "failed"
    """It will not come, for the reason in its error."""
    CANCELED = "canceled"
    """Its task was canceled before it was settled; nobody is told."""
    LATE = "late"
    """A paid video that came when its task was final without it, or that nobody had asked for."""


FINAL = frozenset({State.COMPLETED, State.FAILED, State.REJECTED, State.CANCELED, State.TIMED_OUT})

MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset(State) - {State.QUEUED},
    State.SUBMITTING: frozenset(State) - {State.SUBMITTING},
    State.PROCESSING: FINAL,
    **{state: frozenset() for state in FINAL},
}
"""From each state, the states it may move to. Only *try later* leads back to `queued`."""


class CallbackOutcome(StrEnum):
    """What became of one callback (CONTRACT.md section 5)."""

    PENDING = "pending"
    """Stored and answered, not applied yet; the reconciler applies it."""
    APPLIED = "applied"
    """It said something new and the task took it."""
    DUPLICATE = "duplicate"
    """It said nothing that was not known."""
    LATE = "late"
    """It said something new to a final task."""
    CONFLICTING = "conflicting"
    """It names another task than its path, or another upstream id than the task has."""
    UNREADABLE = "unreadable"
    """Its shape is unknown or it is not JSON; the upstream is asked instead."""
    UNVERIFIED = "unverified"
    """Good token, bad signature: kept, not applied; the upstream is asked instead."""
    ORPHAN = "orphan"
    """Good token, no such task."""
    ERASED = "erased"
    """Good token, but its task was erased: counted, and not kept."""


KEPT = frozenset(CallbackOutcome) - {CallbackOutcome.ERASED}
"""The outcomes that are found in the inbox."""
