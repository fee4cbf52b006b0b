"""When something else is tried: only what certainly made nothing and is over, and is not the caller's fault."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.fallback import wants_fallback
from service.core.fault import Fault, FaultKind
from service.core.states import FINAL, ResultState, State
from service.core.task import Result, Task, Video
from tests.support.tasks import Life

CODES = ("never_started", "deadline", "submit_unknown", "upstream_canceled", "generation_timeout")
NO_VIDEO = (Result(0, ResultState.FAILED, None, Fault("x", "x")),)
LATE = (*NO_VIDEO, Result(1, ResultState.LATE, Video("v", None)))


def ended(
    state: State = State.FAILED,
    code: str = "generation_timeout",
    kind: FaultKind = FaultKind.TRANSIENT,
) -> Task:
    base = Life().task
    return replace(
        base,
        state=state,
        error=Fault(code, "It went wrong.", kind),
        results=NO_VIDEO,
        finished_at=base.created_at + timedelta(minutes=1),
        look_again_at=None,
    )


@pytest.mark.parametrize(
    ("task", "wanted"),
    [
        (ended(), True),
        (ended(kind=FaultKind.UNKNOWN), True),
        (ended(kind=FaultKind.PERMANENT), False),
        (ended(code="upstream_canceled"), False),
        (ended(State.TIMED_OUT, "never_started"), True),
        (ended(State.TIMED_OUT, "deadline"), False),
        (ended(State.TIMED_OUT, "submit_unknown"), False),
        (ended(State.TIMED_OUT, "upstream_unreachable"), False),
        (ended(State.REJECTED, "account_payment_required"), True),
        (ended(State.REJECTED, "policy", FaultKind.UNKNOWN), False),
        (ended(State.REJECTED, "value", FaultKind.PERMANENT), False),
        (ended(State.CANCELED), False),
        (ended(State.COMPLETED), False),
    ],
)
def test_only_what_failed_for_reasons_of_its_provider_is_tried_elsewhere(
    task: Task, wanted: bool
) -> None:
    assert wants_fallback(task) is wanted


@given(
    st.sampled_from(sorted(State)),
    st.sampled_from(CODES),
    st.sampled_from(FaultKind),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_nothing_that_may_be_paid_for_is_done_again(
    state: State, code: str, kind: FaultKind, unknown: bool, runs: bool, late: bool
) -> None:
    task = replace(ended(state, code, kind), unknown=unknown, results=LATE if late else NO_VIDEO)
    task = replace(task, slot_since=task.created_at if runs else None)
    if wants_fallback(task):
        assert not any((unknown, runs, late))
        assert state in FINAL - {State.COMPLETED, State.CANCELED}
        assert code not in {"submit_unknown", "upstream_canceled"}
        assert kind is not FaultKind.PERMANENT or code == "never_started"


def test_a_task_without_a_fault_wants_none() -> None:
    assert not wants_fallback(replace(ended(), error=None, task_uuid=uuid4()))
