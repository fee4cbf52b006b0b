"""The rate: never more in any minute than the limit, and nobody waits longer than needed."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core import rate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.integers(1, 200), st.lists(st.tuples(st.floats(0, 90), st.integers(1, 50)), max_size=60))
def test_no_minute_holds_more_turns_than_the_limit(
    limit: int, asked: list[tuple[float, int]]
) -> None:
    at, now, taken = None, NOW, []
    for wait_s, turns in asked:
        now += timedelta(seconds=wait_s)
        allowed = min(rate.room(at, limit, now), turns)
        at = rate.after(at, limit, now, allowed)
        taken += [now] * allowed
    for first in taken:
        within = [t for t in taken if first <= t < first + timedelta(seconds=60)]
        assert len(within) <= limit


@given(st.integers(1, 200), st.integers(0, 500))
def test_after_its_wait_there_is_room_and_not_before(limit: int, taken: int) -> None:
    at = rate.after(None, limit, NOW, taken)
    wait = rate.wait(at, limit, NOW)
    assert rate.room(at, limit, NOW + wait + timedelta(microseconds=taken + 1)) >= 1
    assert wait == timedelta(0) or rate.room(at, limit, NOW + wait * 0.9) == 0


@pytest.mark.parametrize("limit", [1, 2, 9, 60, 600])
def test_who_takes_every_turn_gets_almost_the_whole_limit(limit: int) -> None:
    at, now, taken = None, NOW, 0
    while now < NOW + timedelta(minutes=10):
        turns = rate.room(at, limit, now)
        at, taken = rate.after(at, limit, now, turns), taken + turns
        now += timedelta(milliseconds=100)
    assert taken >= 10 * limit * 0.85


def test_without_a_limit_nobody_waits() -> None:
    assert rate.room(None, 0, NOW) > 10**6
    assert rate.after(None, 0, NOW, 5) is None
    assert rate.wait(NOW + timedelta(days=1), 0, NOW) == timedelta(0)
