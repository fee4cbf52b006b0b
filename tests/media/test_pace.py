"""What downloads take together while callbacks come."""

import math
import time
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.bootstrap.archive import make_archive
from service.media.pace import QUIET_S, Pace
from service.settings import load
from tests.support.media_server import MEGABYTE, MediaServer, serving

RATE = 1_000_000
Turns = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 2**21)), min_size=1, max_size=40)


def busy() -> float:
    return 0.0


@given(Turns)
def test_all_together_take_no_more_than_the_rate_and_leave_none_of_it_unused(
    turns: list[tuple[float, int]],
) -> None:
    pace, now, free_at = Pace(RATE, busy), 100.0, 0.0
    for later, size in turns:
        now += later
        began = max(now, free_at)
        free_at = now + pace.wait_s(size, now)
        assert free_at - began == pytest.approx(size / RATE, abs=1e-6)


@given(Turns)
def test_without_a_limit_nobody_waits(turns: list[tuple[float, int]]) -> None:
    pace = Pace(0, busy)
    assert not any(pace.wait_s(size, now) for now, size in turns)


def test_what_was_taken_while_no_callback_came_costs_nothing_later() -> None:
    silence = QUIET_S
    pace = Pace(RATE, lambda: silence)
    assert pace.wait_s(50 * RATE, 10) == 0
    silence = 0.5
    assert pace.wait_s(RATE, 10) == 1
    assert pace.wait_s(RATE, 10) == 2
    silence = math.inf
    assert pace.wait_s(RATE, 10) == 0


@pytest.mark.parametrize(("silence", "rate"), [(0.0, 4 * MEGABYTE), (QUIET_S, 1), (0.0, 0)])
async def test_a_served_process_fetches_at_its_pace_only_while_callbacks_come(
    tmp_path: Path, silence: float, rate: int
) -> None:
    settings = load(
        runware_api_key="k",
        poll_only=True,
        allow_networks="127.0.0.0/8",
        media_dir=tmp_path,
        archive_bytes_per_second=rate,
    )
    async with AsyncExitStack() as stack, serving(MediaServer(2)) as server:
        archive = make_archive(stack, settings, lambda: silence)
        began = time.monotonic()
        media = await archive.fetcher.fetch(f"{server.url}/a.mp4", tmp_path / "a")
        took_s = time.monotonic() - began
    assert media.bytes > 2 * MEGABYTE
    # At a byte a second it would take three weeks.
    assert took_s >= (0.5 if (silence, rate) == (0.0, 4 * MEGABYTE) else 0)
