"""The inbox: what providers called us with. Tokens are cut from all that is shown."""

from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from ..base import Strict
from .pages import Page

Outcome = Literal[
    "pending",
    "applied",
    "duplicate",
    "late",
    "conflicting",
    "unreadable",
    "unverified",
    "orphan",
]


class CallbackView(Strict):
    """One callback, with what became of it."""

    id: int
    receivedAt: AwareDatetime
    provider: str
    taskUUID: UUID = Field(description="The task that its path names; of an orphan, none of ours.")
    outcome: Outcome
    detail: str
    headers: dict[str, str]
    body: str = Field(description="As text; bytes that are no UTF-8 are shown as U+FFFD.")


class CallbackPage(Page[CallbackView]):
    """Callbacks, newest first."""
