"""The OpenAPI document, made of the route table and the models: what is served is what it says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import orjson
from pydantic import BaseModel

from schemas.api.problem import Problem
from schemas.export import schema_of

Schema = dict[str, Any]
REF = "#/components/schemas/"
_PLACES = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a query, a header or a path."""

    name: str
    schema: Schema
    about: str
    place: str = "query"
    most: int = 1
    """How often it may be given."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is no problem: a model, one of several, a plain schema, or nothing."""

    about: str
    content: Schema | Sequence[type[BaseModel]] = ()
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What one route does, for people and programs outside."""

    id: str
    summary: str
    tag: str
    replies: Mapping[int, Reply]
    parameters: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    body_required: bool = True
    media: Sequence[str] = ("application/json",)
    """What the body may be sent as."""
    examples: Mapping[str, object] = field(default_factory=dict)
    """Good bodies by name."""
    array_of: int = 0
    """How many bodies an array may hold; none where an array is not taken."""
    lines: Sequence[str] = ()
    """The media types of bodies as JSON lines, `body` each; none where it is plain JSON."""
    problems: Sequence[int] = ()
    guarded: bool = True
    linked: bool = False
    """Whether a signature in the query stands for a key."""
    about: str = ""


class Line(Protocol):
    """A line of the route table."""

    @property
    def method(self) -> str:
        """Give the method."""
        ...

    @property
    def path(self) -> str:
        """Give the path with its places in braces."""
        ...

    @property
    def operation(self) -> Operation:
        """Give what it does."""
        ...


def document(lines: Iterable[Line], version: str) -> bytes:
    """Make the document."""
    components: dict[str, Schema] = {}
    paths: dict[str, dict[str, Schema]] = {}
    for line in lines:
        shown = _operation(line, components)
        paths.setdefault(line.path, {})[line.method.lower()] = shown
    whole = {
        "openapi": "3.1.0",
        "info": {
            "title": "Callboard",
            "version": version,
            "summary": "Video generation tasks: submitted, followed, told of in events.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "apiKey": {"type": "http", "scheme": "bearer"},
                "link": {"type": "apiKey", "in": "query", "name": "signature"},
            },
        },
    }
    return orjson.dumps(whole, option=orjson.OPT_INDENT_2)


def _operation(line: Line, components: dict[str, Schema]) -> Schema:
    operation = line.operation
    shown: Schema = {
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": _security(operation),
        "responses": _responses(operation, components),
    }
    if operation.about:
        shown["description"] = operation.about
    if parameters := [_parameter(p) for p in _with_places(line)]:
        shown["parameters"] = parameters
    if operation.body is not None:
        shown["requestBody"] = _body(operation, operation.body, components)
    return shown


def _security(operation: Operation) -> list[Schema]:
    by_key: list[Schema] = [{"apiKey": []}] if operation.guarded else []
    return [*by_key, {"link": []}] if operation.linked else by_key


def _body(operation: Operation, model: type[BaseModel], components: dict[str, Schema]) -> Schema:
    one = _component(model, components)
    about = {}
    if operation.lines:
        # OpenAPI 3.1 has no word for the shape of a line.
        schema: Schema = {"type": "string", "minLength": 1}
        about = {"description": f"JSON lines; each is a `{model.__name__}`."}
    elif operation.array_of:
        many = {"type": "array", "items": one, "minItems": 1, "maxItems": operation.array_of}
        schema = {"oneOf": [one, many]}
    else:
        schema = one
    content: Schema = {"schema": schema}
    if operation.examples:
        content["examples"] = {n: {"value": v} for n, v in operation.examples.items()}
    media = operation.lines or operation.media
    return {
        "required": operation.body_required,
        "content": dict.fromkeys(media, content),
        **about,
    }


def _with_places(line: Line) -> list[Parameter]:
    """Add the places of the path that the operation does not describe itself: they hold UUIDs."""
    described = {p.name for p in line.operation.parameters if p.place == "path"}
    uuid = {"type": "string", "format": "uuid"}
    places = [p for p in _PLACES.findall(line.path) if p not in described]
    return [Parameter(p, uuid, "", "path") for p in places] + list(line.operation.parameters)


def _parameter(parameter: Parameter) -> Schema:
    shown: Schema = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "schema": parameter.schema,
    }
    if parameter.about:
        shown["description"] = parameter.about
    if parameter.most > 1:
        shown["schema"] = {
            "type": "array",
            "items": parameter.schema,
            "maxItems": parameter.most,
        }
        shown |= {"style": "form", "explode": True}
    return shown


def _responses(operation: Operation, components: dict[str, Schema]) -> Schema:
    responses = {
        str(status): _reply(reply, components) for status, reply in operation.replies.items()
    }
    problem = {"application/problem+json": {"schema": _schema([Problem], components)}}
    statuses = {*operation.problems, *((401, 503) if operation.guarded else ())}
    for status in sorted(statuses - set(operation.replies)):
        responses[str(status)] = {"description": PROBLEMS[status], "content": problem}
    responses["default"] = {"description": "Anything else that went wrong.", "content": problem}
    return responses


def _reply(reply: Reply, components: dict[str, Schema]) -> Schema:
    shown: Schema = {"description": reply.about}
    if reply.content:
        shown["content"] = {reply.media: {"schema": _schema(reply.content, components)}}
    if reply.headers:
        shown["headers"] = {
            name: {"description": about, "schema": {"type": "string"}}
            for name, about in reply.headers.items()
        }
    return shown


def _schema(content: Schema | Sequence[type[BaseModel]], components: dict[str, Schema]) -> Schema:
    """Refer to a model, or to one of several; their schemas become components."""
    if isinstance(content, dict):
        return content
    found = [_component(model, components) for model in content]
    return found[0] if len(found) == 1 else {"oneOf": found}


def _component(model: type[BaseModel], components: dict[str, Schema]) -> Schema:
    for name, part in _parts(model).items():
        if components.setdefault(name, part) != part:
            raise ValueError(f"there are two shapes by the name of {name}")
    return {"$ref": REF + model.__name__}


@cache  # most models are named by several operations, and each takes some milliseconds
def _parts(model: type[BaseModel]) -> Mapping[str, Schema]:
    schema = schema_of(model, REF + "{model}")
    return {**schema.pop("$defs", {}), model.__name__: schema}


PROBLEMS = {
    400: "The request could not be read: JSON, a header, a query parameter.",
    401: "The API key or the token is missing or not good.",
    403: "The link is not good.",
    404: "There is no such thing here.",
    408: "The body came too slowly.",
    409: "The request does not fit the present state.",
    410: "What was there is no longer kept: the cursor is too old, or what is asked for was erased.",
    412: "The file is not the one that is asked for.",
    413: "The body is too large.",
    415: "The body is not JSON, or it is compressed.",
    416: "No byte of the file is in the range.",
    422: "The body is not valid; `errors` names every place.",
    503: "The service cannot take this now; Retry-After says when to try again.",
}
