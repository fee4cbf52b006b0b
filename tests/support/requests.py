"""Requests for upstreams: the documents' examples, changed place by place, and what is wrong with them."""

import copy
import itertools
import json
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.base import Request
from schemas.upstream import runware, sync_so
from tests.support.samples import SAMPLES

VIDEO, AUDIO = "https://example.com/v.mp4", "https://example.com/a.wav"
UUID4 = "6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e"
UUID1 = "6f2f1d6c-9d6a-1b5e-8c1e-0a4f5b6c7d8e"
GONE = object()
Edit = tuple[str, Any]
Field = tuple[dict[str, Any], str, list[Any], list[Any]]
"""A body, a place in it, values that are taken there, and values that are not."""


def a_request(name: str) -> Any:
    return json.loads((SAMPLES / "requests" / f"{name}.json").read_text())


def edited(body: dict[str, Any], *edits: Edit) -> dict[str, Any]:
    """Return a copy with values set at slash-separated paths; GONE removes, `-` appends."""
    result: dict[str, Any] = copy.deepcopy(body)
    for path, value in edits:
        *way, last = path.split("/")
        place: Any = result
        for step in way:
            place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
        if isinstance(place, list):
            place.append(value) if last == "-" else place.__setitem__(int(last), value)
        elif value is GONE:
            del place[last]
        else:
            place[last] = value
    return result


def told(body: object) -> set[tuple[str, str]]:
    """Return the place and the text of all faults of a request, either upstream's."""
    ours = isinstance(body, dict) and "input" in body
    parse = sync_so.parse_request if ours else runware.parse_request
    try:
        parse(body)
    except ValidationError as error:
        return {("/".join(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()}
    return set()


def faults(body: object) -> set[str]:
    """Return the places of all faults of a request."""
    return {place for place, _ in told(body)}


def taken(table: list[Field]) -> list[tuple[dict[str, Any], str, Any]]:
    """List what of a table should be taken."""
    return [(body, path, value) for body, path, good, _ in table for value in good]


def refused(table: list[Field]) -> list[tuple[dict[str, Any], str, Any]]:
    """List what of a table should be refused; null always is."""
    return [(body, path, value) for body, path, _, bad in table for value in (*bad, None)]


def places(model: type[BaseModel], *inner: tuple[str, type[Request]]) -> set[str]:
    """Name every field of a model; `inner` says by which path it holds other models."""
    below = {f"{path}/{name}" for path, part in inner for name in part.model_fields}
    return set(model.model_fields) | below


def plain(path: str) -> str:
    """Take the numbers out of a path."""
    return "/".join(step for step in path.split("/") if not step.isdigit())


def combined(edits: dict[str, list[Edit]], group: set[str]) -> list[tuple[str, str]]:
    """Pair what can be broken at once: of a group one at a time, and nothing at the same place."""
    return [
        (one, other)
        for one, other in itertools.combinations(sorted(edits), 2)
        if not {one, other} <= group
        and not any(_overlap(a, b) for a, _ in edits[one] for b, _ in edits[other])
    ]


def valid_requests(table: list[Field]) -> st.SearchStrategy[dict[str, Any]]:
    """Put several good values of a table into one of its bodies."""
    good = taken(table)

    @st.composite
    def made(draw: st.DrawFn) -> dict[str, Any]:
        body = draw(st.sampled_from([body for body, *_ in good]))
        edits = [(path, value) for base, path, value in good if base is body and value is not GONE]
        request = edited(body, *draw(st.lists(st.sampled_from(edits), max_size=8)))
        assume(faults(request) == set())
        return request

    return made()


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
