"""Bodies about subscriptions, read with every fault at once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from schemas.api.sinks import SETTINGS, WEBHOOK, with_defaults
from schemas.api.subscription_fields import HIDDEN
from schemas.api.subscriptions import SubscriptionCreate, SubscriptionPatch, SubscriptionView
from service.core.condition import MAX_CHARACTERS
from service.core.errors import FieldError, Invalid
from service.core.url_guard import UrlRefused
from service.flows.draft import Draft, Wanted
from service.wire.api import json_pointer, parse_body
from service.wire.subscriptions import Document, merged

CheckUrl: TypeAlias = Callable[[str], None]
CheckTarget: TypeAlias = Callable[
    [str, Mapping[str, object], Mapping[str, object]], Sequence[tuple[str, str]]
]
"""Gives what is wrong with a kind, its settings and its credentials, as (pointer, text)."""


def check_target(
    kind: str,
    settings: Mapping[str, object],
    credentials: Mapping[str, object],
) -> Sequence[tuple[str, str]]:
    """Know the kinds that are described here, and no other; what these are told was checked before."""
    return unknown_kind(kind, (WEBHOOK, *SETTINGS))


def unknown_kind(kind: str, kinds: Sequence[str]) -> Sequence[tuple[str, str]]:
    """Say that there is no such kind, unless there is."""
    if kind in kinds:
        return ()
    return (("/kind", f"There is no kind {kind!r} here; there are: {', '.join(kinds)}."),)


def read_new(body: object, url_check: CheckUrl, target_check: CheckTarget) -> Draft:
    """Read the body that makes a subscription."""
    return _draft(body, frozenset(), url_check, target_check)


def read_patch(
    current: Document, patch: object, url_check: CheckUrl, target_check: CheckTarget
) -> Draft:
    """Read a merge patch of a subscription that `current` would make as it is."""
    if not isinstance(patch, Mapping):
        return Draft(None, (FieldError("", "Give an object: a JSON merge patch."),))
    known = {name: given for name, given in patch.items() if name in SubscriptionPatch.model_fields}
    body = merged(current, known)
    draft = _draft(body, frozenset(current.get("headers", ())), url_check, target_check)
    foreign = tuple(_not_changed(current, patch))
    return Draft(draft.wanted, foreign + draft.faults, draft.condition)


def _draft(
    body: object, there: frozenset[str], url_check: CheckUrl, target_check: CheckTarget
) -> Draft:
    """Read a whole body; `there` are names of headers whose values may stay as they are."""
    hidden = _hidden(body, there)
    if isinstance(body, Mapping) and hidden:
        body = {**body, "headers": {**body["headers"], **dict.fromkeys(hidden, "kept")}}
    own: tuple[FieldError, ...] = ()
    given: SubscriptionCreate | None = None
    try:
        given = parse_body(SubscriptionCreate, body)
    except Invalid as error:
        own = error.errors
    places = {fault.pointer for fault in own}
    more = [*_refused_url(body, url_check), *_refused_target(body, target_check)]
    faults = own + tuple(fault for fault in more if fault.pointer not in places)
    wanted = None if given is None or faults else _wanted(given, hidden)
    return Draft(wanted, faults, _condition(body))


def _wanted(given: SubscriptionCreate, hidden: frozenset[str]) -> Wanted:
    kind = given.kind or WEBHOOK
    return Wanted(
        kind=kind,
        url=given.url,
        settings=with_defaults(kind, given.settings or {}),
        types=given.types,
        provider=given.provider,
        labels=given.labels,
        format=given.format,
        include_request=given.includeRequest,
        model=given.model,
        condition=given.condition,
        description=given.description,
        batch_size=given.batchSize,
        headers={n: None if n in hidden else v for n, v in given.headers.items()},
        credentials=given.credentials,
        v1a="v1a" in (given.signatures or ()),
        concurrency=given.concurrency,
        rate_per_minute=given.ratePerMinute,
        timeout_s=given.timeoutSeconds,
        handshake=given.handshake,
        enabled=given.enabled,
    )


def _not_changed(current: Document, patch: Mapping[str, Any]) -> list[FieldError]:
    """Name the fields of a patch that nobody can change."""
    faults = []
    for name in patch:
        pointer = json_pointer((name,))
        if name == "kind" and patch[name] != current["kind"]:
            text = f"The kind cannot change from {current['kind']}: make another subscription."
            faults.append(FieldError(pointer, text))
        elif name in SubscriptionPatch.model_fields or name == "kind":
            continue
        elif name in SubscriptionView.model_fields or name == "secret":
            faults.append(FieldError(pointer, "This field is shown, and cannot be set"))
        else:
            faults.append(FieldError(pointer, "There is no such field"))
    return faults


def _hidden(body: object, there: frozenset[str]) -> frozenset[str]:
    """Name the headers whose value is to stay."""
    headers = body.get("headers") if isinstance(body, Mapping) else None
    known = {name.lower() for name in there}
    if not isinstance(headers, Mapping):
        return frozenset()
    return frozenset(n for n, v in headers.items() if v == HIDDEN and str(n).lower() in known)


def _condition(body: object) -> str | None:
    """Give a condition that Postgres can be asked about, whatever else is wrong."""
    text = body.get("condition") if isinstance(body, Mapping) else None
    fits = isinstance(text, str) and 0 < len(text) <= MAX_CHARACTERS and "\0" not in text
    return text if fits else None


def _refused_url(body: object, url_check: CheckUrl) -> list[FieldError]:
    """Say what is wrong with the URL as a place to call, apart from its being one."""
    url = body.get("url") if isinstance(body, Mapping) else None
    if not isinstance(url, str):
        return []
    try:
        url_check(url)
    except UrlRefused as error:
        return [FieldError("/url", str(error))]
    return []


def _refused_target(body: object, target_check: CheckTarget) -> list[FieldError]:
    if not isinstance(body, Mapping):
        return []
    kind, settings = body.get("kind", WEBHOOK), body.get("settings", {})
    credentials = body.get("credentials", {})
    if not isinstance(kind, str) or not all(
        isinstance(v, Mapping) for v in (settings, credentials)
    ):
        return []
    return [FieldError(*fault) for fault in target_check(kind, settings, credentials)]
