"""What a generation costs by Sync's price list, which bills each frame of the output.

https://sync.so/docs and https://sync.so/llms.txt, as of November 2026; the bands of its pages are those
between the list price and the largest plan's discount.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

from schemas.base import part
from service.core.estimate import Basis, Estimate

PER_FRAME: Mapping[str, Decimal] = {
    "sync-3": Decimal("0.00534"),
    "lipsync-2-pro": Decimal("0.00333"),
    "lipsync-2": Decimal("0.002"),
    "lipsync-1.9.0-beta": Decimal("0.001"),
    "react-1": Decimal("0.00667"),
}
"""USD without discount; older models are in no list."""
LARGEST_DISCOUNT = Decimal("0.20")
"""That of the plan Scale."""
QUOTED_FPS = 25.0
"""The rate at which Sync quotes its prices for a second."""

LIST = "By Sync's price list for one frame; its plans take up to 20 % off."
NO_PRICE = "There is no published price of this model."
NO_DURATION = "Give durationSeconds: media are not fetched, so their length is not known here."
ASSUMED_FPS = "25 frames per second were assumed."
DUBBED = "What translating and dubbing cost on top is not published."


def estimate(request: Mapping[str, object], seconds: float | None, fps: float | None) -> Estimate:
    """Price a checked request for a result of this length."""
    price = PER_FRAME.get(str(request.get("model")))
    rate, notes = _rate(request, fps)
    frames = None if seconds is None else _frames(seconds, rate)
    if request.get("dubParams") is not None:
        notes.append(DUBBED)
    if price is None:
        return Estimate(Basis.UNKNOWN, seconds=seconds, fps=rate, frames=frames, note=NO_PRICE)
    cost = None if frames is None else price * frames
    return Estimate(
        Basis.LIST_PRICE if cost is not None else Basis.UNKNOWN,
        cost=cost,
        low=None if cost is None else cost * (1 - LARGEST_DISCOUNT),
        high=cost,
        seconds=seconds,
        fps=rate,
        frames=frames,
        per_frame=price,
        per_second=price * Decimal(str(rate)),
        note=" ".join([LIST, *([NO_DURATION] if frames is None else []), *notes]),
    )


def _rate(request: Mapping[str, object], fps: float | None) -> tuple[float, list[str]]:
    """Say at which rate it is billed: the caller's word, the request's, or what is usual."""
    wanted = part(request, "options", "fps")
    if fps is not None:
        return fps, []
    if isinstance(wanted, int | float):
        return float(wanted), []
    return QUOTED_FPS, [ASSUMED_FPS]


def _frames(seconds: float, fps: float) -> int:
    """Count frames, begun ones included; in decimals, for 0.1 s at 30 are 3 frames and not 4."""
    exact = Decimal(str(seconds)) * Decimal(str(fps))
    return int(exact.to_integral_value(ROUND_CEILING))
