"""When the next provider is tried: a task ended without a video, for reasons of its own upstream.

Only what is known to have ended, and certainly made nothing, is done again elsewhere; anything else could be paid twice.
"""

from service.core.fault import FaultKind
from service.core.reporting import SUBMIT_UNKNOWN
from service.core.states import State
from service.core.task import Task

NEVER = frozenset({"upstream_canceled", SUBMIT_UNKNOWN.code})
"""Somebody canceled it at the upstream, which is no failure; or it may have been made all the same."""


def wants_fallback(task: Task) -> bool:
    """Say whether a final task is worth another try at another provider.

    A failure that would come again with the same request is the caller's to mend; one without a reason is the
    upstream's. A deadline is no reason while the upstream may still be at work.
    """
    if task.error is None or task.error.code in NEVER:
        return False
    if task.unknown or task.slot_since is not None:
        return False
    if any(result.video for result in task.results):
        return False
    match task.state:
        case State.FAILED:
            return task.error.kind is not FaultKind.PERMANENT
        case State.REJECTED:
            # Its plan, its money, its capacity; policy and validation have other kinds.
            return task.error.kind is FaultKind.TRANSIENT
        case State.TIMED_OUT:
            return task.error.code == "never_started"
        case _:
            return False
