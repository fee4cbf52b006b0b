"""A side door: what a request would cost. Nothing is stored and nothing is generated."""

from dataclasses import dataclass

from service.core.errors import FieldError, Invalid
from service.core.estimate import Estimate
from service.core.url_guard import UrlRefused, check_url
from service.flows.upstreams import Upstreams
from service.ports import Checked, Dice, InvalidRequest


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

    A provider that is off prices too: what it costs may be why nobody has got a key yet.
    """
    checked = check(upstreams, provider, request)
    estimate = await upstreams[provider].provider.estimate(
        checked.request, seconds, fps, task_uuid=dice.uuid()
    )
    return Priced(checked, estimate)


def check(upstreams: Upstreams, provider: str, request: object) -> Checked:
    """Check a request as on submit; raises Invalid with every fault."""
    if provider not in upstreams:
        known = ", ".join(upstreams.names())
        text = f"There is no provider {provider!r}; there are: {known}."
        raise Invalid(errors=(FieldError("/provider", text),))
    try:
        checked = upstreams[provider].provider.check(request)
    except InvalidRequest as error:
        faults = tuple(FieldError(f"/request{e.pointer}", e.detail) for e in error.errors)
        raise Invalid(errors=faults) from None
    if checked.notify_url is not None:
        _check_notify_url(checked.notify_url, request)
    return checked


def _check_notify_url(url: str, request: object) -> None:
    try:
        check_url(url)
    except UrlRefused as error:
        named = isinstance(request, dict) and "webhookUrl" in request
        place = "/request/webhookUrl" if named else "/request/webhookURL"
        raise Invalid(errors=(FieldError(place, str(error)),)) from None
