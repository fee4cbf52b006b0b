"""Accounts of providers as they are shown, and pausing them."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from ..base import Request, Strict
from .media import Fault
from .pages import Page
from .tasks import AccountName, Provider

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class AccountPause(Request):
    """Why an account is paused."""

    reason: Reason | None = Field(
        default=None, description="For those who look at it. Not given, it keeps the one it has."
    )


class AccountView(Strict):
    """An account as it is shown. Its key never is."""

    provider: Provider
    account: AccountName
    state: Literal["active", "paused", "probing", "held"] = Field(
        description=(
            "`paused`: it was at fault (a bad key, no balance, no capacity, a throttle), nothing is sent before "
            "`pausedUntil`. `probing`: after a pause one task goes ahead, the others follow once it is taken. "
            "`held`: paused by an operator until it is resumed. What runs upstream goes on in all of them."
        )
    )
    hasKey: bool = Field(description="Whether the process that answers can send by it.")
    concurrency: int = Field(ge=0, description="How many tasks may be upstream by it at once.")
    slotsTaken: int = Field(
        ge=0, description="How many are; more than `concurrency` only after it was lowered."
    )
    submitsPerMinute: int = Field(ge=0, description="0 is no limit.")
    readsPerMinute: int = Field(ge=0, description="0 is no limit.")
    weight: int = Field(ge=1, description="Its share of the tasks that name no account.")
    pausedUntil: AwareDatetime | None
    pausedFor: Fault | None = Field(description="What it was paused for, until it is well again.")
    heldFor: str | None = Field(description="What the operator said.")
    source: Literal["environment", "database"] = Field(
        description="Whose limits and key it has: the settings of the service, or `callboard accounts`."
    )
    createdAt: AwareDatetime


class AccountPage(Page[AccountView]):
    """All accounts, by provider and name."""
