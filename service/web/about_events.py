"""What the operations on events do, in the words of the OpenAPI document."""

import re
from typing import Final

from schemas.api.events import EventPage
from schemas.events.data import EVENTS
from service.core.event import EVENT_TYPES, FAMILIES
from service.web.events import MOST_TYPES
from service.web.openapi import Operation, Parameter, Reply, Schema
from service.web.operations import CURSOR_TEXT, TASK, limit
from service.web.query import MOST_CHARACTERS

_TYPE: Final = "|".join(re.escape(name) for name in (*FAMILIES, *EVENT_TYPES))
TYPES: Final[Schema] = {
    "type": "string",
    "maxLength": MOST_CHARACTERS,
    "pattern": f"^(({_TYPE})(,({_TYPE}))*)?$",
    "examples": ["task.completed", "video.*", "task.failed,video.failed"],
}
TYPE: Final = Parameter(
    "type",
    TYPES,
    "A type, or a family like `task.*`; repeated, or a list with commas.",
    most=MOST_TYPES,
)
FEED = Operation(
    "listEvents",
    "List events, oldest first",
    "events",
    {200: Reply("A page.", [EventPage])},
    about="A reader that follows `nextCursor` misses no event. One of an erased task has its place, but no more data.",
    parameters=[
        TYPE,
        TASK,
        Parameter("cursor", CURSOR_TEXT, "Where to read on; `now` for what comes from now on."),
        limit(1000, 100),
    ],
    problems=[400, 410],
)
STREAM = Operation(
    "streamEvents",
    "The same as Server-Sent Events",
    "events",
    {
        200: Reply(
            "Events, for as long as the reader stays.", {"type": "string"}, "text/event-stream"
        )
    },
    about=(
        "The `id` of a message is the cursor, its `event` the type, its `data` the event. Without a cursor it begins with "
        "the oldest event that is kept, as the list does; `cursor=now` begins with what comes. A browser's EventSource "
        "resumes by `Last-Event-ID`, which goes before `cursor`. Silence is broken every 15 s by a comment and an `id`. "
        "A reader that takes nothing for 10 s is hung up on: it resumes where it was."
    ),
    parameters=[
        TYPE,
        TASK,
        Parameter("cursor", CURSOR_TEXT, "Where to begin; `now` for what comes from now on."),
        Parameter("Last-Event-ID", CURSOR_TEXT, "Where to go on.", "header"),
    ],
    problems=[400, 410],
)
SHOW = Operation(
    "getEvent",
    "Show an event as it is sent",
    "events",
    {200: Reply("The event.", tuple(EVENTS.values()), "application/cloudevents+json")},
    problems=[400, 404, 410],
)
DATA = Operation(
    "getEventData",
    "Give the data of an event",
    "events",
    {
        200: Reply(
            "The data; `dataref` of an event that was too large for a target leads here.",
            {"type": "object"},
        )
    },
    problems=[400, 404, 410],
)
