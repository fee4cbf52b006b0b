"""What a request would cost, before it is submitted."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Basis(StrEnum):
    """What an estimate rests on."""

    LIST_PRICE = "list_price"
    """A table of prices that somebody published."""
    DRY_RUN = "dry_run"
    """The upstream's own word about this very request."""
    UNKNOWN = "unknown"
    """Nothing: no price, or not what it is to be multiplied with."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a request would cost in USD, all results together; what is not known is None.

    `low` and `high` are the ends of a band of discounts. `seconds`, `fps` and `frames` are those of
    each result.
    """

    basis: Basis
    cost: Decimal | None = None
    low: Decimal | None = None
    high: Decimal | None = None
    seconds: float | None = None
    fps: float | None = None
    frames: int | None = None
    per_frame: Decimal | None = None
    per_second: Decimal | None = None
    note: str = ""
