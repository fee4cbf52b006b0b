"""What a generation of Runware costs, as far as anybody has told.

There is no price list that could be read; the one price here is from an invoice of a third party. Runware's
own word is a dry run (`X-Runware-Dry-Run: 1`), which needs a key.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from schemas.upstream.runware import LIP_SYNC_MODELS
from service.core.estimate import Basis, Estimate

PER_SECOND: Mapping[str, Decimal] = dict.fromkeys(LIP_SYNC_MODELS, Decimal("0.133"))
"""USD for a second of each result."""

APPROXIMATE = "Approximate: about $0.133 a second, by an invoice, not by a price list."
NO_PRICE = "There is no published price of this model."
NO_DURATION = "Give durationSeconds: media are not fetched, so their length is not known here."


def estimate(request: Mapping[str, object], seconds: float | None, fps: float | None) -> Estimate:
    """Price a checked request for results of this length each; frames do not count."""
    price = PER_SECOND.get(str(request.get("model")))
    if price is None:
        return Estimate(Basis.UNKNOWN, seconds=seconds, fps=fps, note=NO_PRICE)
    if seconds is None:
        note = f"{APPROXIMATE} {NO_DURATION}"
        return Estimate(Basis.UNKNOWN, fps=fps, per_second=price, note=note)
    results = request.get("numberResults", 1)
    count = int(results) if isinstance(results, int | float) else 1
    return Estimate(
        Basis.LIST_PRICE,
        cost=price * Decimal(str(seconds)) * count,
        seconds=seconds,
        fps=fps,
        per_second=price,
        note=APPROXIMATE,
    )


def priced(listed: Estimate, cost: Decimal) -> Estimate:
    """Put Runware's own word in the place of a list price."""
    note = "Runware's own price for this request (a dry run: nothing was generated)."
    return replace(listed, basis=Basis.DRY_RUN, cost=cost, note=note)
