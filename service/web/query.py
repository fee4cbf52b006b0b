"""Query parameters and the parts of paths, each read by what it means. Faults are 400 and name the place."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from aiohttp import web

from service.core.errors import Malformed, NotFound

Value = TypeVar("Value")
MOST_LABELS = 16
MOST_CHARACTERS = 2_000
LABEL_PATTERN = r"[^:\x00]{1,64}:[^\x00]{0,256}"
"""As long as a label may be; a task has no other."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+ -]\d\d:\d\d)", re.ASCII
)


class Query:
    """The query of one request; whatever is in it has to be known."""

    def __init__(self, request: web.Request, *known: str) -> None:
        self._given = request.query
        unknown = sorted(set(self._given) - set(known))
        if unknown:
            there_are = f"there are: {', '.join(known)}" if known else "there is none here"
            names = ", ".join(repr(name) for name in unknown)
            raise Malformed(f"There is no query parameter {names}; {there_are}.")
        for name, value in self._given.items():
            if len(value) > MOST_CHARACTERS or not _is_text(value):
                raise Malformed(f"The query parameter {name} is no text that could be looked for.")

    def all(self, name: str) -> Sequence[str]:
        """Give every value of a parameter that may be repeated."""
        return self._given.getall(name, [])

    def one(self, name: str) -> str | None:
        """Give the text of a parameter; empty counts as not given."""
        return self._once(name) or None

    def read(
        self, name: str, reader: Callable[[str], Value | None], should_be: str
    ) -> Value | None:
        """Give what a reader makes of a parameter; what it makes nothing of is a fault, empty too."""
        text = self._once(name)
        if text is None:
            return None
        value = reader(text)
        if value is None:
            raise Malformed(f"The query parameter {name} should be {should_be}.")
        return value

    def _once(self, name: str) -> str | None:
        values = self.all(name)
        if len(values) > 1:
            raise Malformed(f"The query parameter {name} is given more than once.")
        return values[0] if values else None

    def number(self, name: str, least: int, most: int) -> int | None:
        """Give a whole number within bounds."""

        def reader(text: str) -> int | None:
            value = int(text) if _NUMBER.fullmatch(text) else -1
            return value if least <= value <= most else None

        return self.read(name, reader, f"a whole number from {least} to {most}")

    def limit(self, most: int, default: int) -> int:
        """Give how many items a page has."""
        return self.number("limit", 1, most) or default

    def uuid(self, name: str) -> UUID | None:
        """Give a UUID."""
        return self.read(name, uuid_of, "a UUID")

    def time(self, name: str) -> datetime | None:
        """Give a moment."""
        return self.read(name, time_of, "an RFC 3339 time with its offset, as 2026-01-31T12:00:00Z")

    def word(self, name: str, words: Sequence[str]) -> str | None:
        """Give one of a few words."""
        return self.read(name, lambda t: t if t in words else None, f"one of {', '.join(words)}")

    def labels(self, name: str) -> list[tuple[str, str]]:
        """Give labels that are written key:value."""
        given = self.all(name)
        if len(given) > MOST_LABELS:
            raise Malformed(f"At most {MOST_LABELS} labels can be asked for at once.")
        found: list[tuple[str, str]] = []
        for text in given:
            if not re.fullmatch(LABEL_PATTERN, text, re.DOTALL):
                raise Malformed(f"The query parameter {name} should be key:value.")
            key, _, value = text.partition(":")
            found.append((key, value))
        return found


def uuid_of(text: str) -> UUID | None:
    """Read a UUID that is written with hyphens."""
    return UUID(text) if _UUID.fullmatch(text) else None


def time_of(text: str) -> datetime | None:
    """Read an RFC 3339 time; a plus that became a space on its way through a URL is a plus."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text[:19] + text[19:].replace(" ", "+").upper()).astimezone(
            UTC
        )
    except (ValueError, OverflowError):
        return None


def path_uuid(request: web.Request, what: str) -> UUID:
    """Read the UUID in a path; raises NotFound for anything else, for nothing has such a name."""
    found = uuid_of(request.match_info["id"])
    if found is None:
        raise NotFound(f"There is no such {what}.")
    return found


def path_number(request: web.Request, what: str) -> int:
    """Read the number in a path; raises NotFound for anything else."""
    text = request.match_info["id"]
    if not _NUMBER.fullmatch(text):
        raise NotFound(f"There is no such {what}.")
    return int(text)


def _is_text(value: str) -> bool:
    """Say whether Postgres takes it: no NUL, no half of a surrogate pair."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)
