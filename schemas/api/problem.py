"""Errors: RFC 9457 problem details, and the closed list of their types."""

from typing import Literal

from pydantic import Field

from ..base import Strict

TYPE_PREFIX = "urn:callboard:problem:"

ProblemCode = Literal[
    "internal",
    "malformed",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "conflict",
    "upstream_still_running",
    "subscription_disabled",
    "replay_running",
    "cursor_expired",
    "erased",
    "no_video",
    "not_kept",
    "not_kept_yet",
    "kept_elsewhere",
    "video_deleted",
    "link_invalid",
    "link_expired",
    "precondition_failed",
    "range_not_satisfiable",
    "too_large",
    "unsupported_media_type",
    "invalid",
    "idempotency_key_reused",
    "unavailable",
]

TITLES: dict[str, str] = {
    "internal": "Something went wrong in the service",
    "malformed": "The request could not be read",
    "unauthorized": "The caller could not prove who it is",
    "not_found": "There is no such thing here",
    "method_not_allowed": "This method does not exist here",
    "request_timeout": "The request came too slowly",
    "conflict": "The request does not fit the present state",
    "upstream_still_running": "The task may still run upstream",
    "subscription_disabled": "The subscription is disabled",
    "replay_running": "A replay of the subscription is running",
    "cursor_expired": "The cursor is older than what is kept",
    "erased": "What was there was erased",
    "no_video": "There is no such video",
    "not_kept": "The video could not be kept",
    "not_kept_yet": "The video is not kept yet",
    "kept_elsewhere": "The video is kept elsewhere",
    "video_deleted": "The video was deleted",
    "link_invalid": "The link is not good",
    "link_expired": "The link has expired",
    "precondition_failed": "The file is another one",
    "range_not_satisfiable": "The file has no such bytes",
    "too_large": "The body is too large",
    "unsupported_media_type": "The body has a form that is not taken here",
    "invalid": "The request is not valid",
    "idempotency_key_reused": "The Idempotency-Key was used with another body",
    "unavailable": "The service cannot take this now",
}
"""One title for each code; a test keeps both equal to the errors of the service."""


class FieldFault(Strict):
    """One fault of a body."""

    pointer: str = Field(description="Where: a JSON pointer (RFC 6901) into the body.")
    detail: str


class Problem(Strict):
    """Why a request was not done."""

    type: str = Field(
        description=f"`{TYPE_PREFIX}` and the code.",
        json_schema_extra={"enum": [TYPE_PREFIX + code for code in TITLES]},
    )
    title: str
    status: int = Field(ge=400, le=599)
    detail: str
    instance: str = Field(description="The path of the request.")
    code: ProblemCode = Field(description="The end of `type`, to be compared with.")
    errors: list[FieldFault] = Field(
        default_factory=list, description="All faults of a body; left out where there is none."
    )
