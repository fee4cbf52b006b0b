"""What a request would cost, asked before it is submitted."""

from typing import Annotated, Literal

from pydantic import Field

from ..base import Request, Strict
from .tasks import Provider, ProviderRequest

MAX_DURATION_S = 86_400
"""A day: 48 times what the largest plan takes."""
MAX_FPS = 240

Basis = Literal["list_price", "dry_run", "unknown"]
Money = Annotated[float, Field(ge=0)]


class EstimateRequest(Request):
    """A request to be priced; nothing is stored, and nothing is generated."""

    provider: Provider
    request: ProviderRequest
    durationSeconds: float | None = Field(
        default=None,
        gt=0,
        le=MAX_DURATION_S,
        description="How long the result will be. No media are fetched, so only the caller knows.",
    )
    fps: float | None = Field(
        default=None,
        gt=0,
        le=MAX_FPS,
        description="Frames per second of the result. Default: what the request says, or 25.",
    )


class EstimateView(Strict):
    """What a request would cost, as far as it can be told. What is not known is null."""

    provider: str
    model: str
    currency: Literal["USD"] = "USD"
    cost: Money | None = Field(description="Of all results together.")
    costLow: Money | None = Field(description="With the largest discount that a plan gives.")
    costHigh: Money | None = Field(description="Without any discount.")
    basis: Basis = Field(
        description="`list_price`: a table of published prices; `dry_run`: the provider was asked."
    )
    results: int = Field(ge=1)
    durationSeconds: float | None = Field(description="Of each result, as it was given.")
    fps: float | None
    frames: int | None = Field(ge=1, description="Of each result, begun ones included.")
    perFrame: Money | None
    perSecond: Money | None
    note: str = Field(description="What the estimate rests on, and what it lacks.")
    warnings: list[str] = Field(description="Those that the task would have.")
