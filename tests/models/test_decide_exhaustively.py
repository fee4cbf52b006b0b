"""Every sequence of inputs up to a length keeps the laws, and from wherever one is, time alone leads to an end.

The normal run walks short sequences; `make models` walks all of six inputs, for one and for two results.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.decide import decide, next_step
from service.core.inputs import (
    Accepted,
    Archived,
    Input,
    ReadFailed,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    SubmitUnknown,
    TryLater,
    Unconfirmed,
)
from service.core.task import Task
from tests.support.alphabet import INPUTS, claimed, moments
from tests.support.canonical import LEASE_NO, OTHER, OWN, canonical, order
from tests.support.tasks import NOW
from tests.support.walk import GRID, LETTERS, MIDDLE, Walk, start

FULL = 6
WIDTH = 8
"""From how many states of each level the normal run goes on, beyond the second input."""


HOLD_S = 90
KEPT: list[dict[str, Any]] = [{}, {"archives": True}, {"hold_s": HOLD_S}]
"""Videos are not kept, or kept, or kept before they are told of. The normal run leaves the second out: it is the least new."""


@pytest.mark.parametrize("kept", KEPT[::2])
@pytest.mark.parametrize("results", [1, 2])
def test_no_sequence_of_two_inputs_breaks_a_law_and_time_alone_ends_it(
    results: int, kept: dict[str, Any]
) -> None:
    _ends_by_itself(Walk(GRID).to_depth(start(results, **kept), 2))


@pytest.mark.parametrize("kept", KEPT[::2])
@pytest.mark.parametrize("results", [1, 2])
def test_no_sequence_of_six_inputs_in_a_sample_breaks_a_law(
    results: int, kept: dict[str, Any]
) -> None:
    _ends_by_itself(Walk(GRID).to_depth(start(results, **kept), FULL, WIDTH))


@pytest.mark.models
@pytest.mark.timeout(0)
@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("results", [1, 2])
def test_no_sequence_of_six_inputs_breaks_a_law_and_time_alone_ends_it(
    results: int, kept: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    walk = Walk(GRID).to_depth(start(results, **kept), FULL)
    _ends_by_itself(walk)
    said = (
        f"{results} result(s): {len(walk.states):,} states, {len(walk.moments):,} moments,"
        f" {walk.transitions:,} transitions, for {LETTERS}^{FULL} = {LETTERS**FULL:.1e} sequences"
    )
    with capsys.disabled():
        print(f"\n{said}")  # noqa: T201 - figures are printed


def _ends_by_itself(walk: Walk) -> None:
    """Time alone ends every open task by its deadline and grace, or `start_by`, or its send's lease."""
    for task in {task for task, _ in walk.moments if not task.final}:
        steps, span = walk.to_the_end(task)
        assert steps > 0
        assert NOW + span <= walk.limit(task), task


STEPS = st.lists(
    st.tuples(st.integers(0, 99), st.booleans(), st.sampled_from(INPUTS)), min_size=1, max_size=8
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2]), st.sampled_from(KEPT), STEPS)
def test_equal_states_may_be_merged(
    results: int, kept: dict[str, Any], steps: list[tuple[int, bool, Input]]
) -> None:
    """Deciding about a task, and about the canonical one that stands for it, comes to the same."""
    (task, _), now = start(results, **kept), NOW
    for wait, claim, event in steps:
        later = [*moments(task, now, GRID)]
        now = later[wait % len(later)]
        task = claimed(task, now, GRID) if claim else task
        stand_in = canonical(task, now, NOW, GRID)
        meant = _translated(event, task)
        real = decide(task, meant, now, GRID, MIDDLE)
        merged = decide(stand_in, event, NOW, GRID, MIDDLE)
        assert (merged.verdict, merged.reason) == (real.verdict, real.reason)
        assert sorted(a.type for a in merged.announce) == sorted(a.type for a in real.announce)
        assert canonical(merged.task, NOW, NOW, GRID) == canonical(real.task, now, NOW, GRID)
        assert next_step(stand_in, NOW, GRID) is next_step(task, now, GRID)
        # As its row is written.
        until = None if real.task.final else real.task.hold_until
        task = replace(real.task, hold_over_at=until)


def _translated(event: Input, task: Task) -> Input:
    """Say an input in the words of a task that is not canonical: its ids, its lease number."""
    names = {None: None, OWN: task.upstream_id or OWN, OTHER: f"not {task.upstream_id}"}
    match event:
        case Accepted() | Report():
            return replace(event, upstream_id=names[event.upstream_id])
        case Archived(index):
            real = order(task.results)
            return replace(event, index=real[index]) if index < len(real) else event
        case Unconfirmed(report):
            return Unconfirmed(replace(report, upstream_id=names[report.upstream_id]))
        case SubmitUnknown():
            given = names[event.upstream_id]
            no = task.lease_no + event.lease_no - LEASE_NO
            return replace(event, upstream_id=given, lease_no=no)
        case SendStarted() | Refused() | TryLater():
            return replace(event, lease_no=task.lease_no + event.lease_no - LEASE_NO)
        case ReadNothing(no) | ReadFailed(_, no) if no is not None:
            return replace(event, lease_no=task.lease_no + no - LEASE_NO)
        case _:
            return event
