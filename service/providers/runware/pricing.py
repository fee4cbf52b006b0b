"""What a request would cost, told by Runware itself."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from service.core.fault import Fault
from service.providers import foreign
from service.providers.runware.calls import Calls
from service.providers.runware.mapping import OURS

DRY_RUN = {"X-Runware-Dry-Run": "1"}
"""Validates and prices without executing, says the vendor's own guide for agents."""


async def dry_run(
    calls: Calls, request: Mapping[str, object], *, task_uuid: UUID
) -> Decimal | None:
    """Return the price in USD of all results of a request; None where Runware tells none.

    The shape of the answer is not documented: the `cost` of every item about the task is added up.
    An upstream that ignores the header would generate for money, so this is for the vendor's own
    address and not for proxies of it.
    """
    task: dict[str, object] = {
        **{key: value for key, value in request.items() if key not in OURS},
        "taskType": "videoInference",
        "deliveryMethod": "async",
        "includeCost": True,
    }
    said = await calls.ask(task, task_uuid, **DRY_RUN)
    if isinstance(said, Fault):
        return None
    costs = [cost for item in said if (cost := foreign.usd(item.cost)) is not None]
    return sum(costs, Decimal(0)) if costs else None
