"""What each kind of target is told in `settings` and `credentials`; kinds that are not here come by entry points."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..base import WORDS, Request, Where
from . import brokers, clouds

WEBHOOK: Final = "webhook"


class FileSettings(Request):
    """A file of JSON lines in the service's own folder for them."""

    path: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
        description="A plain file name; it ends up in `sinks` below the service's data folder.",
        examples=["events.jsonl"],
    )


SETTINGS: dict[str, type[Request]] = {
    "file": FileSettings,
    **brokers.SETTINGS,
    **clouds.SETTINGS,
}
CREDENTIALS: dict[str, type[Request]] = {**brokers.CREDENTIALS, **clouds.CREDENTIALS}
"""Write-only: what is given here is sealed, and never shown."""


class OneOf:
    """Says in JSON Schema what `faults_of` checks: what one of the kinds wants, or that of a kind from elsewhere."""

    def __init__(self, models: Mapping[str, type[Request]]) -> None:
        self._models = models

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """List the shapes; an object of any other is last."""
        known = [handler(model.__pydantic_core_schema__) for model in self._models.values()]
        return {"anyOf": [*known, {"type": "object"}]} if known else {"type": "object"}


def faults_of(kind: str, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
    """Yield what is wrong with `settings` and `credentials` of a body, for a kind that is known here."""
    if kind in SETTINGS:
        yield from _faults(SETTINGS, kind, body, "settings")
    if kind in SETTINGS and "credentials" in body and kind not in CREDENTIALS:
        yield ("credentials",), f"For the kind {kind} there are no credentials"
    elif kind in CREDENTIALS:
        yield from _faults(CREDENTIALS, kind, body, "credentials")


def with_defaults(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give checked settings with the defaults of their kind filled in."""
    model = SETTINGS.get(kind)
    if model is None:
        return dict(settings)
    return model.model_validate(dict(settings)).model_dump(mode="json", exclude_none=True)


def _faults(
    models: Mapping[str, type[Request]], kind: str, body: Mapping[str, Any], name: str
) -> Iterator[tuple[Where, str]]:
    given = body.get(name, {})
    if not isinstance(given, Mapping):
        return
    try:
        models[kind].model_validate(given)
    except ValidationError as error:
        if name not in body:
            yield (name,), f"The kind {kind} needs its {name}"
            return
        for fault in error.errors(include_url=False, include_input=False):
            yield (name, *fault["loc"]), WORDS.get(fault["type"], fault["msg"])
