"""Errors as RFC 9457 problems."""

from collections.abc import Iterator
from typing import get_args

import pytest

from schemas.api.problem import TITLES, Problem, ProblemCode
from service.core.errors import FieldError, Invalid, ServiceError
from service.wire.problems import problem_of


def errors(root: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield root
    for child in root.__subclasses__():
        yield from errors(child)


@pytest.mark.parametrize("error", list(errors(ServiceError)))
def test_every_error_has_its_problem(error: type[ServiceError]) -> None:
    status, body = problem_of(error(), "/v1/tasks")
    problem = Problem.model_validate_json(body)
    assert status == problem.status == error.status
    assert problem.code == error.code
    assert problem.type == f"urn:callboard:problem:{error.code}"
    assert problem.title
    assert problem.detail
    assert problem.instance == "/v1/tasks"
    assert b'"errors"' not in body


def test_every_code_has_one_title() -> None:
    assert set(TITLES) == set(get_args(ProblemCode))
    assert len(set(TITLES.values())) == len(TITLES)


def test_faults_come_with_their_pointers() -> None:
    faults = (FieldError("/request/inputs/audio", "A URL is needed"), FieldError("", "Too much"))
    _, body = problem_of(Invalid("Two faults.", errors=faults), "/v1/tasks")
    problem = Problem.model_validate_json(body)
    assert problem.detail == "Two faults."
    assert [(e.pointer, e.detail) for e in problem.errors] == [
        ("/request/inputs/audio", "A URL is needed"),
        ("", "Too much"),
    ]
