"""What requests cost by the published prices."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.core.estimate import Basis
from service.providers.runware import prices as runware
from service.providers.sync_so import prices as sync

SYNC_3: dict[str, Any] = {"model": "sync-3"}
LIP_SYNC: dict[str, Any] = {"model": "sync:3@0"}


@pytest.mark.parametrize(
    ("model", "low", "high"),
    [
        ("sync-3", "0.107", "0.133"),
        ("lipsync-2-pro", "0.067", "0.083"),
        ("lipsync-2", "0.04", "0.05"),
        ("lipsync-1.9.0-beta", "0.02", "0.025"),
        ("react-1", "0.133", "0.167"),
    ],
)
def test_a_second_at_25_fps_costs_what_the_pages_quote(model: str, low: str, high: str) -> None:
    told = sync.estimate({"model": model}, 1, 25)
    assert told.low is not None
    assert told.high is not None
    assert abs(told.low - Decimal(low)) < Decimal("0.001")
    assert abs(told.high - Decimal(high)) < Decimal("0.001")
    assert (told.basis, told.cost, told.per_second) == (Basis.LIST_PRICE, told.high, told.high)


@pytest.mark.parametrize(
    ("seconds", "fps", "frames"),
    [(10, 25, 250), (0.1, 30, 3), (0.101, 30, 4), (10.24, 25, 256), (1, 23.976, 24), (1e-9, 1, 1)],
)
def test_begun_frames_are_counted_and_no_more(seconds: float, fps: float, frames: int) -> None:
    told = sync.estimate(SYNC_3, seconds, fps)
    assert told.frames == frames
    assert told.cost == Decimal("0.00534") * frames


@given(st.floats(1e-3, 86_400), st.floats(0.01, 240))
def test_money_is_never_less_than_what_was_asked_for(seconds: float, fps: float) -> None:
    told = sync.estimate(SYNC_3, seconds, fps)
    assert told.frames is not None
    assert told.frames >= 1
    assert Decimal(told.frames) >= Decimal(str(seconds)) * Decimal(str(fps))
    assert Decimal(told.frames - 1) < Decimal(str(seconds)) * Decimal(str(fps))


def test_the_rate_is_the_callers_then_the_requests_then_25() -> None:
    request = {**SYNC_3, "options": {"fps": 50}}
    assert sync.estimate(request, 1, 10).frames == 10
    assert sync.estimate(request, 1, None).frames == 50
    usual = sync.estimate(SYNC_3, 1, None)
    assert (usual.frames, usual.fps) == (25, 25)
    assert sync.ASSUMED_FPS in usual.note


def test_without_a_duration_there_is_a_price_and_no_cost() -> None:
    told = sync.estimate(SYNC_3, None, 25)
    assert (told.basis, told.cost, told.frames) == (Basis.UNKNOWN, None, None)
    assert told.per_frame == Decimal("0.00534")
    assert sync.NO_DURATION in told.note
    told = runware.estimate(LIP_SYNC, None, None)
    assert (told.basis, told.cost, told.per_second) == (Basis.UNKNOWN, None, Decimal("0.133"))
    assert runware.NO_DURATION in told.note


@pytest.mark.parametrize("model", ["lipsync-1.6.0", "sync-9"])
def test_a_model_of_sync_without_a_price_has_no_cost(model: str) -> None:
    told = sync.estimate({"model": model}, 4, 25)
    assert (told.basis, told.cost, told.frames, told.note) == (
        Basis.UNKNOWN,
        None,
        100,
        sync.NO_PRICE,
    )


def test_another_model_of_runware_has_no_cost() -> None:
    told = runware.estimate({"model": "klingai:5@3"}, 4, None)
    assert (told.basis, told.cost, told.note) == (Basis.UNKNOWN, None, runware.NO_PRICE)


def test_dubbing_is_said_to_cost_more() -> None:
    request = {**SYNC_3, "dubParams": {"targetLang": "fr"}}
    assert sync.DUBBED in sync.estimate(request, 1, 25).note


@pytest.mark.parametrize(("results", "cost"), [(1, "1.33"), (2, "2.66"), (2.0, "2.66")])
def test_every_result_of_runware_costs(results: float, cost: str) -> None:
    told = runware.estimate({**LIP_SYNC, "numberResults": results}, 10, None)
    assert (told.basis, told.cost) == (Basis.LIST_PRICE, Decimal(cost))
    assert "Approximate" in told.note


def test_both_ids_of_sync_3_cost_the_same() -> None:
    older = runware.estimate({"model": "sync:lipsync@3"}, 10, None)
    assert older == runware.estimate(LIP_SYNC, 10, None)
