"""Ranges of bytes (RFC 9110, section 14): which part of a file is asked for."""

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes=[ \t]*([0-9]*)-([0-9]*)[ \t]*", re.IGNORECASE)
_MOST_DIGITS = 30
"""Numbers beyond any file; Python refuses to read those of thousands of digits."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a file that has at least one byte."""

    start: int
    length: int

    @property
    def last(self) -> int:
        """The place of its last byte."""
        return self.start + self.length - 1


class Unsatisfiable(Exception):
    """No byte of the file is in the range."""


def part_of(asked: str | None, size: int) -> Part | None:
    """Say which part of a file of `size` bytes a Range header asks for; none for the whole.

    What is no range, other units and several ranges are passed over, as the RFC allows: the whole is never wrong.
    Raises Unsatisfiable.
    """
    found = _RANGE.fullmatch(asked or "")
    if found is None or not (found[1] or found[2]):
        return None
    if not found[1]:
        length = min(_number(found[2]), size)
        return _of(size - length, size)
    start = _number(found[1])
    end = min(_number(found[2]) + 1, size) if found[2] else size
    if found[2] and _number(found[2]) < start:
        return None
    return _of(start, end)


def _of(start: int, end: int) -> Part:
    if start >= end:
        raise Unsatisfiable
    return Part(start, end - start)


def _number(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
