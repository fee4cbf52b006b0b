"""Errors to RFC 9457 problem details."""

from typing import Final

import orjson

from schemas.api.problem import TITLES, TYPE_PREFIX
from service.core.errors import ServiceError

CONTENT_TYPE: Final = "application/problem+json"


def problem_of(error: ServiceError, instance: str) -> tuple[int, bytes]:
    """Make the status and the body that answer an error; `instance` is the request's path."""
    problem: dict[str, object] = {
        "type": TYPE_PREFIX + error.code,
        "title": TITLES[error.code],
        "status": error.status,
        "detail": error.detail,
        "instance": instance,
        "code": error.code,
    }
    if error.errors:
        problem["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in error.errors]
    return error.status, orjson.dumps(problem)
