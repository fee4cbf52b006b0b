"""What the head of an answer says of a file: which part of it comes, and whether that can be gone on with. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin, urlsplit

_RANGE = re.compile(r"bytes +([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)", re.IGNORECASE)
_STRONG = re.compile(r'"[\x21\x23-\x7e\x80-\xff]*"')


@dataclass(frozen=True, slots=True)
class ContentRange:
    """The part that comes: from its first to its last byte, both in it; `total` is none for `*`."""

    first: int
    last: int
    total: int | None


def read_content_range(text: str | None) -> ContentRange | None:
    """Read a Content-Range of bytes; nothing for what is none or contradicts itself (RFC 9110, 14.4)."""
    found = _RANGE.fullmatch((text or "").strip())
    if found is None:
        return None
    first, last = int(found[1]), int(found[2])
    total = None if found[3] == "*" else int(found[3])
    if first > last or (total is not None and last >= total):
        return None
    return ContentRange(first, last, total)


def validator(headers: Mapping[str, str]) -> str | None:
    """Give what an If-Range may say: a strong ETag, else a date that is strong, else nothing.

    A date is strong when the file was left alone for a second before it was sent (RFC 9110, 8.8.2.2).
    """
    etag = headers.get("ETag", "").strip()
    if etag:
        # With an ETag, weak or broken, a date is not to be used (13.1.5).
        return etag if _STRONG.fullmatch(etag) else None
    modified = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers.get("Date", "")) - parsedate_to_datetime(modified)
    except (ValueError, TypeError, OverflowError):
        return None
    return modified if age.total_seconds() >= 1 else None


@dataclass(frozen=True, slots=True)
class Piece:
    """What an answer brings: bytes from `start` on, as many as `length` says, of a file of `total`.

    Lengths are none where the answer does not say. `validator` is for an If-Range.
    """

    start: int
    length: int | None
    total: int | None
    validator: str | None

    @property
    def end(self) -> int | None:
        """How many bytes there are when this answer was read to its end."""
        if self.total is not None or self.length is None:
            return self.total
        return self.start + self.length


def read_whole(headers: Mapping[str, str], length: int | None) -> Piece:
    """Read the head of a 200."""
    return Piece(0, length, length, validator(headers))


def read_rest(
    headers: Mapping[str, str], length: int | None, have: int, before: Piece
) -> Piece | None:
    """Read the head of a 206 to a request for all from `have` on; nothing when it does not fit what we have."""
    found = read_content_range(headers.get("Content-Range"))
    if found is None or found.first != have:
        return None
    # What was compared by If-Range is compared again: some servers send a part of whatever is there now.
    known = before.validator or ""
    name = "ETag" if known.startswith('"') else "Last-Modified"
    other = headers.get(name, known).strip() != known
    contradicts = None not in (found.total, before.total) and found.total != before.total
    span = found.last - found.first + 1
    if other or contradicts or (length is not None and length != span):
        return None
    total = before.total if found.total is None else found.total
    return Piece(have, span, total, before.validator)


class BadRedirect(Exception):
    """Where an answer sends us is no place to go; the text says why and may be shown."""


def follow(url: str, location: str | None) -> str:
    """Give the URL that a redirect leads to, spelt as it came; raises BadRedirect."""
    if not location:
        raise BadRedirect("A redirect says not where to.")
    try:
        target = urljoin(url, location.strip())
        before, after = urlsplit(url).scheme, urlsplit(target).scheme
    except ValueError:
        raise BadRedirect("A redirect leads to what is no URL.") from None
    if after not in {"http", "https"}:
        raise BadRedirect("A redirect leads to what is neither http nor https.")
    if before == "https" and after == "http":
        raise BadRedirect("A redirect leads from https to http, which is not followed.")
    return target
