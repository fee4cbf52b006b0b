"""Where events go, and the secret that signs what goes to a notifyURL."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ..base import HttpUrlText, Request, Strict, Where
from .pages import Page
from .tasks import Labels, Provider

Kind = Literal["webhook", "file"]
Format = Literal["structured"]
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
    "batch.*",
    "batch.completed",
]
"""What can be subscribed to. `callboard.test` is not: it goes to the subscription under test."""


class FileSettings(Request):
    """A file of JSON lines in the service's own folder for them."""

    path: str = Field(
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
        description="A plain file name; it ends up in `sinks` below the service's data folder.",
        examples=["events.jsonl"],
    )


class SubscriptionCreate(Request):
    """A new subscription: a `url`, or another `kind` with its settings."""

    url: Annotated[HttpUrlText, Field(max_length=2048)] | None = None
    kind: Kind | None = Field(default=None, description="Not needed with a url.")
    settings: FileSettings | None = None
    types: list[EventPattern] = Field(default=["*"], min_length=1, max_length=32)
    provider: Provider | None = Field(
        default=None, description="Only of this provider's tasks; no events of batches."
    )
    labels: Labels = Field(
        default_factory=dict,
        description="Only of tasks with all of these; with any, no events of batches.",
    )
    format: Format = "structured"
    includeRequest: bool = Field(
        default=False, description="Whether the data of task events holds the task's request."
    )

    @classmethod
    def broken_rules(cls, body: Mapping[str, Any]) -> Iterator[tuple[Where, str]]:
        """Yield what is wrong about url, kind and settings together."""
        kind = body.get("kind", "webhook" if "url" in body else None)
        if kind is None:
            yield (), "Give a url, or a kind and its settings"
        elif kind == "webhook":
            if "url" not in body:
                yield ("url",), "A webhook needs a url"
            if "settings" in body:
                yield ("settings",), "A webhook has no settings"
        elif kind == "file":
            if "url" in body:
                yield ("url",), "A file has no url"
            if "settings" not in body:
                yield ("settings",), "A file needs its settings"


class SubscriptionView(Strict):
    """A subscription as it is shown."""

    id: UUID
    kind: Kind
    url: str | None
    settings: dict[str, Any]
    types: list[str]
    provider: str | None
    labels: dict[str, str]
    format: Format
    includeRequest: bool
    enabled: bool
    createdAt: AwareDatetime


class SubscriptionCreated(SubscriptionView):
    """A new subscription, with its secret: it is shown this once."""

    secret: str | None = Field(description="`whsec_…`; null where nothing is signed.")


class SubscriptionPage(Page[SubscriptionView]):
    """Subscriptions, oldest first."""


class SigningSecret(Strict):
    """The tenant's default secret, which signs what goes to a notifyURL."""

    secret: str
