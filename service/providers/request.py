"""A caller's request on its way out: its faults as RFC 6901 pointers, its bytes."""

import json
from collections.abc import Iterable, Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.core.errors import FieldError
from service.ports import InvalidRequest

TEXTS: Mapping[str, str] = {
    "extra_forbidden": "There is no such field",
    "missing": "This field is required",
}
"""Where pydantic's own words speak of Python, by its type of fault."""


def encode(value: object) -> bytes:
    """Write JSON as it is sent: compact, in the caller's order, the same bytes each time.

    Raises:
        ValueError: it holds NaN, an infinite number or half a surrogate pair.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode()


def unsendable(body: object) -> list[FieldError]:
    """Return the fault of a body that cannot be written as JSON, or nothing."""
    try:
        encode(body)
    except (ValueError, RecursionError):
        detail = "It holds what JSON cannot: NaN, half a character, or too many levels"
        return [FieldError("", detail)]
    return []


def faults_of(error: ValidationError, patterns: Mapping[str, str]) -> list[FieldError]:
    """Translate all faults; `patterns` explains, by pointer, what a pattern asks for."""
    return [_fault(fault, patterns) for fault in error.errors(include_url=False)]


def invalid(faults: Iterable[FieldError]) -> InvalidRequest:
    """Make the error that tells all faults, the same one once."""
    return InvalidRequest(list({(fault.pointer, fault.detail): fault for fault in faults}.values()))


def pointer(path: Iterable[str | int]) -> str:
    """Write a path as an RFC 6901 pointer."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _fault(fault: ErrorDetails, patterns: Mapping[str, str]) -> FieldError:
    where = pointer(fault["loc"])
    detail = TEXTS.get(fault["type"], fault["msg"])
    if fault["type"] == "string_pattern_mismatch":
        detail = patterns.get(where, detail)
    return FieldError(where, detail)
