"""A side door: what a request would cost. Nothing is stored and nothing is generated."""

from dataclasses import dataclass

from service.core.estimate import Estimate
from service.flows.check import check
from service.flows.upstreams import Upstreams
from service.ports import Checked, Dice


@dataclass(frozen=True, slots=True)
class Priced:
    """A checked request and what it would cost."""

    checked: Checked
    estimate: Estimate


async def price(
    upstreams: Upstreams,
    dice: Dice,
    provider: str,
    request: object,
    seconds: float | None,
    fps: float | None,
) -> Priced:
    """Check a request as on submit and price it; raises Invalid with every fault.

    A provider that is off prices too: what it costs may be why nobody has got a key yet. One that is asked for
    its price is asked by the environment's account, else by the first that has a key: asking costs nothing.
    """
    checked = check(upstreams, provider, request)
    estimate = await upstreams[provider].any_client.estimate(
        checked.request, seconds, fps, task_uuid=dice.uuid()
    )
    return Priced(checked, estimate)
