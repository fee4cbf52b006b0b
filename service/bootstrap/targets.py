"""Which kinds of targets can be subscribed here: those of the table of sinks whose client library is installed."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

from service.sinks import NEEDS
from service.web.subscription_bodies import CheckTarget, unknown_kind


def make_check(
    factories: Mapping[str, object], installed: Callable[[str], bool] | None = None
) -> CheckTarget:
    """Make the check of kinds for a table of sinks.

    A factory that came by an entry point may have `check(settings, credentials)`, which gives what is wrong as pairs of
    a pointer (`/settings/…`, `/credentials/…`) and a text.
    """
    has = installed or _installed

    def check(
        kind: str, settings: Mapping[str, object], credentials: Mapping[str, object]
    ) -> Sequence[tuple[str, str]]:
        if unknown := unknown_kind(kind, tuple(factories)):
            return unknown
        module, extra = NEEDS.get(kind, ("", ""))
        if module and not has(module):
            text = (
                f"The client library of {kind} is not installed: pip install 'callboard[{extra}]'."
            )
            return (("/kind", text),)
        own: Callable[[Mapping[str, object], Mapping[str, object]], Sequence[tuple[str, str]]]
        own = getattr(factories[kind], "check", _nothing)
        return tuple(own(settings, credentials))

    return check


def _installed(module: str) -> bool:
    return find_spec(module) is not None


def _nothing(
    settings: Mapping[str, object],  # noqa: ARG001 - the models of schemas.api.sinks have the rules
    credentials: Mapping[str, object],  # noqa: ARG001 - as settings
) -> Sequence[tuple[str, str]]:
    return ()
