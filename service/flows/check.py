"""A request held against the rules of its provider: the same for submitting and for estimating."""

from service.core.errors import FieldError, Invalid
from service.core.url_guard import UrlRefused, check_url
from service.flows.upstreams import Upstreams
from service.ports import Checked, InvalidRequest


def check(upstreams: Upstreams, provider: str, request: object, prefix: str = "") -> Checked:
    """Check a request in full; raises Invalid with every fault, its pointers below `prefix`."""
    if provider not in upstreams:
        known = ", ".join(upstreams.names())
        text = f"There is no provider {provider!r}; there are: {known}."
        raise Invalid(errors=(FieldError(f"{prefix}/provider", text),))
    try:
        checked = upstreams[provider].provider.check(request)
    except InvalidRequest as error:
        faults = tuple(FieldError(f"{prefix}/request{e.pointer}", e.detail) for e in error.errors)
        raise Invalid(errors=faults) from None
    if checked.notify_url is not None:
        _check_notify_url(checked.notify_url, request, prefix)
    return checked


def _check_notify_url(url: str, request: object, prefix: str) -> None:
    try:
        check_url(url)
    except UrlRefused as error:
        named = isinstance(request, dict) and "webhookUrl" in request
        place = "webhookUrl" if named else "webhookURL"
        raise Invalid(errors=(FieldError(f"{prefix}/request/{place}", str(error)),)) from None
