"""The fields of a subscription, each by itself."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ..base import HttpUrlText
from . import sinks

Format = Literal["structured", "binary", "standard", "batched"]
Scheme = Literal["v1", "v1a"]
DisabledReason = Literal["user", "gone", "failing"]
EventPattern = Literal[
    "*",
    "task.*",
    "video.*",
    "task.processing",
    "video.completed",
    "video.failed",
    "task.completed",
    "task.failed",
    "task.rejected",
    "task.canceled",
    "task.timed_out",
    "video.late",
    "video.archived",
    "video.archive_failed",
    "batch.*",
    "batch.completed",
    "subscription.*",
    "subscription.disabled",
]
"""What can be subscribed to. `callboard.test` is not: it goes to the subscription under test."""
HIDDEN = "***"
"""What is shown of a header's value. In a PATCH it stands for the value that is there."""
DEFAULT_BATCH = 100
_OWN = re.compile(
    r"content-.*|webhook-.*|ce-.*|proxy-.*|host|connection|keep-alive|transfer-encoding|te|trailer|upgrade"
    r"|expect|accept-encoding|date",
    re.IGNORECASE,
)
"""Headers that say how a call is made and what is in it: these are set here."""


def _free(name: str) -> str:
    if _OWN.fullmatch(name):
        raise PydanticCustomError(
            "header_taken", "This header is set by the service itself, or belongs to the connection"
        )
    return name


Text = r"^[^\x00]*$"
Kind = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$", examples=["webhook", *sinks.SETTINGS])
]
HeaderName = Annotated[
    str, Field(max_length=128, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"), AfterValidator(_free)
]
"""A token of RFC 9110."""
HeaderValue = Annotated[str, Field(max_length=4096, pattern=r"^[!-~]([ -~]*[!-~])?$")]
Url = Annotated[HttpUrlText, Field(max_length=2048)]
Types = Annotated[list[EventPattern], Field(min_length=1, max_length=32)]
Model = Annotated[str, Field(min_length=1, max_length=200, pattern=Text)]
Condition = Annotated[str, Field(min_length=1, max_length=512, pattern=Text)]
Description = Annotated[str, Field(max_length=1000, pattern=Text)]
Settings = Annotated[dict[str, Any], sinks.OneOf(sinks.SETTINGS)]
Credentials = Annotated[dict[str, Any], sinks.OneOf(sinks.CREDENTIALS)]
Schemes = Annotated[
    list[Scheme],
    Field(
        min_length=1,
        max_length=2,
        json_schema_extra={"uniqueItems": True, "contains": {"const": "v1"}},
    ),
]
BatchSize = Annotated[int, Field(ge=1, le=1000)]
Concurrency = Annotated[int, Field(ge=1, le=1000)]
PerMinute = Annotated[int, Field(ge=1, le=1_000_000)]
TimeoutSeconds = Annotated[float, Field(ge=1, le=60)]
