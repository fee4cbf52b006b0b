"""What the routes do that are about the process, in the words of the OpenAPI document."""

from typing import Final

from service.web.openapi import Operation, Reply, Schema

TEXT: Final[Schema] = {"type": "string"}
OBJECT: Final[Schema] = {"type": "object"}

LIVE = Operation(
    "livez",
    "Whether this process should be left alone",
    "process",
    {200: Reply("It lives.", OBJECT), 503: Reply("A loop of it has died for good.", OBJECT)},
    guarded=False,
)
READY = Operation(
    "readyz",
    "Whether this process should be sent requests",
    "process",
    {
        200: Reply("Ready, perhaps with warnings.", OBJECT),
        503: Reply("The database is away, a loop is dead, or it is draining.", OBJECT),
    },
    guarded=False,
)
METRICS = Operation(
    "metrics",
    "Numbers, as Prometheus text",
    "process",
    {200: Reply("The numbers.", TEXT, media="text/plain")},
    guarded=False,
)
DOCUMENT = Operation(
    "openapi", "This document", "process", {200: Reply("The document.", OBJECT)}, guarded=False
)
DOCS = Operation(
    "docs",
    "This document, to be read",
    "process",
    {200: Reply("A page.", TEXT, media="text/html")},
    guarded=False,
)
HOME = Operation(
    "home",
    "What is served here",
    "process",
    {200: Reply("Name, version, links.", OBJECT)},
    guarded=False,
)
