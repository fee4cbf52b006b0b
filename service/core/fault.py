"""Why something did not work, as decisions and people see it."""

from dataclasses import dataclass
from enum import StrEnum


class FaultKind(StrEnum):
    """What a caller may make of a fault."""

    TRANSIENT = "transient"
    """The same request may well succeed later."""
    PERMANENT = "permanent"
    """The same request would fail again."""
    UNKNOWN = "unknown"
    """Nobody said why."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why something did not work: a stable code, a text for people, and what to make of it."""

    code: str
    message: str
    kind: FaultKind = FaultKind.UNKNOWN
