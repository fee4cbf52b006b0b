"""Pauses of accounts: who begins one, who ends it, and who has nothing to say about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.inputs import Accepted, Answer, Refused, SubmitUnknown, TryLater
from service.core.pausing import WELL, Pause, heard
from tests.support.tasks import BUSY, POLICY, REFUSAL, SILENCE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BEFORE, LATER = NOW - timedelta(seconds=5), NOW + timedelta(seconds=5)
PAUSED = Pause(2, NOW, NOW + timedelta(seconds=3), BUSY)
AT_FAULT = TryLater(BUSY, 1, account=True)
OTHERS: list[Answer] = [
    Accepted("up"),
    Refused(REFUSAL, 1),
    SubmitUnknown(SILENCE, 1),
    SubmitUnknown(SILENCE, 1, answered=True),
    TryLater(BUSY, 1),
]


def hear(pause: Pause, answer: Answer, sent_at: datetime | None = LATER) -> Pause:
    return heard(pause, answer, sent_at, LATER + timedelta(seconds=1), POLICY, 0.5)


def test_a_fault_of_the_account_pauses_it_and_each_further_one_for_longer() -> None:
    pause, sent, waits = WELL, NOW, []
    for _ in range(12):
        pause = heard(pause, AT_FAULT, sent, sent, POLICY, 0.999)
        assert pause.until is not None
        waits.append(pause.until - sent)
        sent = pause.until + timedelta(seconds=1)
    assert pause.count == 12
    assert waits == sorted(waits)
    assert waits[-1] <= POLICY.retry_max


def test_retry_after_is_honoured_within_bounds() -> None:
    asked = replace(AT_FAULT, retry_after=timedelta(seconds=77))
    assert hear(WELL, asked).until == LATER + timedelta(seconds=78)
    endless = replace(AT_FAULT, retry_after=timedelta(days=9))
    assert hear(WELL, endless).until == LATER + timedelta(seconds=1) + POLICY.retry_max


@pytest.mark.parametrize("answer", [Accepted("up"), Refused(REFUSAL, 1)])
def test_an_answer_that_shows_a_good_account_ends_the_pause(answer: Answer) -> None:
    assert hear(PAUSED, answer) == WELL


@pytest.mark.parametrize("answer", OTHERS[2:])
def test_an_answer_that_shows_nothing_lets_the_next_one_try(answer: Answer) -> None:
    after = hear(PAUSED, answer)
    assert after == replace(PAUSED, until=LATER + timedelta(seconds=1))


@pytest.mark.parametrize("answer", OTHERS)
@pytest.mark.parametrize("sent_at", [None, BEFORE, NOW])
def test_a_send_from_before_the_pause_neither_ends_nor_counts(
    answer: Answer, sent_at: datetime | None
) -> None:
    assert hear(PAUSED, answer, sent_at) == PAUSED
    assert hear(PAUSED, AT_FAULT, sent_at) == PAUSED


def test_a_send_from_before_the_pause_may_make_it_longer() -> None:
    asked = replace(AT_FAULT, retry_after=timedelta(seconds=60))
    assert hear(PAUSED, asked, BEFORE).until == LATER + timedelta(seconds=61)
    assert hear(PAUSED, asked, BEFORE).count == PAUSED.count


@pytest.mark.parametrize("answer", OTHERS)
def test_a_well_account_stays_well_for_faults_that_are_not_its_own(answer: Answer) -> None:
    assert hear(WELL, answer) is WELL


@given(st.lists(st.tuples(st.sampled_from([*OTHERS, AT_FAULT]), st.integers(0, 60)), max_size=30))
def test_a_pause_has_all_of_its_times_or_none(story: list[tuple[Answer, int]]) -> None:
    pause, now = WELL, NOW
    for answer, seconds in story:
        now += timedelta(seconds=seconds)
        pause = heard(pause, answer, now, now, POLICY, 0.5)
        assert (pause.count == 0) == (pause.since is None) == (pause.until is None)
        assert (pause.count == 0) == (pause.fault is None)
