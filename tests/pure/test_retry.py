"""Exact waits: of submits, of polls, of deliveries."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.retry import DELIVERY_WAITS, backoff, delivery_wait, poll_wait, submit_wait

SECOND = timedelta(seconds=1)
ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize(
    ("attempt", "seconds"),
    [(0, 2), (1, 2), (2, 4), (3, 8), (7, 128), (8, 256), (9, 300), (10**6, 300)],
)
def test_the_ceiling_of_a_backoff_doubles_up_to_its_highest(attempt: int, seconds: float) -> None:
    assert backoff(attempt, 2 * SECOND, 300 * SECOND, 0.5) == seconds / 2 * SECOND


def test_a_backoff_is_never_nothing() -> None:
    assert backoff(1, 2 * SECOND, 300 * SECOND, 0.0) == timedelta(milliseconds=200)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 100), st.floats(0, ALMOST_ONE), st.integers(0, 10**6))
def test_a_submit_waits_at_least_what_was_asked_and_at_most_the_ceiling(
    attempt: int, jitter: float, asked_s: int
) -> None:
    asked, ceiling = asked_s * SECOND, 300 * SECOND
    wait = submit_wait(attempt, 2 * SECOND, ceiling, asked, jitter)
    assert min(asked, ceiling) <= wait <= ceiling
    assert submit_wait(attempt, 2 * SECOND, ceiling, None, jitter) <= wait


@pytest.mark.parametrize(
    ("polls", "seconds"), [(0, 60), (1, 90), (2, 135), (5, 455.625), (6, 600), (10**6, 600)]
)
def test_polls_come_half_as_often_again_up_to_the_longest_wait(polls: int, seconds: float) -> None:
    assert poll_wait(polls, 60 * SECOND, 600 * SECOND, 0.5) == seconds * SECOND


def test_a_poll_wait_is_spread_by_a_fifth() -> None:
    assert poll_wait(0, 60 * SECOND, 600 * SECOND, 0.0) == 48 * SECOND
    assert poll_wait(0, 60 * SECOND, 600 * SECOND, ALMOST_ONE) <= 72 * SECOND


def test_ten_attempts_of_a_delivery_take_about_seventy_five_hours() -> None:
    waits = [delivery_wait(n, None, 0.5) for n in range(1, 11)]
    seconds = [w.total_seconds() if w is not None else None for w in waits]
    assert seconds == [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None]
    assert sum(DELIVERY_WAITS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [(None, 300), (1, 300), (300, 300), (450, 450), (600, 600), (9999, 600)],
)
def test_retry_after_stretches_a_delivery_wait_to_at_most_twice(
    retry_after: int | None, seconds: int
) -> None:
    asked = None if retry_after is None else retry_after * SECOND
    assert delivery_wait(2, asked, 0.5) == seconds * SECOND


def test_a_delivery_wait_is_spread_by_a_fifth() -> None:
    assert delivery_wait(2, None, 0.0) == 240 * SECOND
    assert delivery_wait(2, None, 0.25) == 270 * SECOND


def test_a_delivery_with_waits_of_its_own_follows_them() -> None:
    assert delivery_wait(1, None, 0.5, (SECOND,)) == SECOND
    assert delivery_wait(2, None, 0.5, (SECOND,)) is None
