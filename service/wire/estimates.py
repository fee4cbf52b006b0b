"""An estimate to the JSON that is shown."""

from collections.abc import Sequence
from decimal import Decimal

from service.core.estimate import Estimate


def estimate_view(
    estimate: Estimate, *, provider: str, model: str, results: int, warnings: Sequence[str]
) -> dict[str, object]:
    """Show an estimate; sums of money as the numbers of JSON."""
    return {
        "provider": provider,
        "model": model,
        "currency": "USD",
        "cost": _number(estimate.cost),
        "costLow": _number(estimate.low),
        "costHigh": _number(estimate.high),
        "basis": estimate.basis.value,
        "results": results,
        "durationSeconds": estimate.seconds,
        "fps": estimate.fps,
        "frames": estimate.frames,
        "perFrame": _number(estimate.per_frame),
        "perSecond": _number(estimate.per_second),
        "note": estimate.note,
        "warnings": list(warnings),
    }


def _number(sum_of_money: Decimal | None) -> float | None:
    return None if sum_of_money is None else float(sum_of_money)
