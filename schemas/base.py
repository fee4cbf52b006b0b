"""The two kinds of model: strict for what we promise or accept, lenient for what others send."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

Where = tuple[str | int, ...]
WORDS = {
    "extra_forbidden": "There is no such field",
    "missing": "This field is required",
    "null_forbidden": "Input should not be null",
}
"""Where pydantic's own words speak of Python, by its type of fault."""


class Strict(BaseModel):
    """Refuse unknown fields: a misspelled option must not be paid for."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Lenient(BaseModel):
    """Keep unknown fields: upstreams add some without telling."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Request(Strict):
    """A JSON body as its sender wrote it: no coercion, no null for "not given", all faults at once.

    A subclass states its cross-field rules in `broken_rules`, which reads the raw body, so that they
    are reported together with the faults of single fields.
    """

    model_config = ConfigDict(strict=True)

    @classmethod
    def broken_rules(
        cls,
        body: Mapping[str, Any],  # noqa: ARG003 - for subclasses
    ) -> Iterator[tuple[Where, str]]:
        """Yield (place, what is wrong) of each broken rule; `body` may be malformed anywhere."""
        yield from ()

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_null(cls, value: object) -> object:
        if value is None:
            raise PydanticCustomError("null_forbidden", "Input should not be null")
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _report_all_faults(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        faults: list[InitErrorDetails] = []
        model = None
        try:
            model = handler(data)
        except ValidationError as error:
            faults = [_again(fault) for fault in error.errors(include_url=False)]
        if isinstance(data, Mapping):
            faults += [
                InitErrorDetails(
                    type=PydanticCustomError("rule_broken", "{rule}", {"rule": rule}),
                    loc=place,
                    input=data,
                )
                for place, rule in cls.broken_rules(data)
            ]
        if model is None or faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return model


def _again(fault: Any) -> InitErrorDetails:
    """Make a reported fault raisable again; its text goes in as a value, for it may hold braces."""
    text = "Input should be an object" if fault["type"] == "model_type" else fault["msg"]
    kind = PydanticCustomError(fault["type"], "{text}", {"text": text})
    return InitErrorDetails(type=kind, loc=fault["loc"], input=fault["input"])


def part(body: object, *path: str | int) -> Any:
    """Return what stands at `path` of a JSON value, or None where there is no such place."""
    for step in path:
        if isinstance(step, str) and isinstance(body, Mapping):
            body = body.get(step)
        elif isinstance(step, int) and isinstance(body, list) and step < len(body):
            body = body[step]
        else:
            return None
    return body


def numbers(*values: object) -> bool:
    """Say whether all values are JSON numbers, so that a rule may compare them."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


_URL = TypeAdapter(AnyHttpUrl)
URL_START = r"^[Hh][Tt][Tt][Pp][Ss]?://[^/\\]"


def checked_url(text: str) -> str:
    """Check an http or https URL and keep its spelling, which AnyHttpUrl would normalise.

    Raises:
        ValidationError: it is not one.
    """
    _URL.validate_python(text)
    # The URL parser mends what stands after the scheme, and trims and escapes white space.
    if not re.match(URL_START, text) or any(letter.isspace() for letter in text):
        raise PydanticCustomError("url_parsing", "Input should be a valid URL, without white space")
    return text


HttpUrlText = Annotated[
    str,
    AfterValidator(checked_url),
    Field(json_schema_extra={"format": "uri", "pattern": URL_START}),
]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = Annotated[int, BeforeValidator(_whole)]
"""An integer; `2.0` is one too, as JSON Schema has it and as both upstreams read numbers."""

T = TypeVar("T")


def _or_none(value: object, handler: ValidatorFunctionWrapHandler) -> Any:
    try:
        return handler(value)
    except ValidationError:
        return None


Forgiven = Annotated[T | None, WrapValidator(_or_none)]
"""A field of an answer that decides nothing: of an unknown type it is None, not the answer's end."""
