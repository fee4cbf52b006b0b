"""Conditional requests for a file that has an ETag and a Last-Modified (RFC 9110, section 13)."""

from collections.abc import Iterable
from datetime import UTC, datetime

from aiohttp import ETag, web

from service.core.ranges import Part, Unsatisfiable, part_of
from service.web.refusals import PreconditionFailed, RangeNotSatisfiable


def is_known(request: web.Request, etag: str, modified: datetime) -> bool:
    """Say whether the caller has it already (304); raises PreconditionFailed where it wants another.

    In the order of section 13.2.2: a condition on dates counts only where the one on ETags is not given.
    """
    date = modified.replace(microsecond=0)
    if request.if_match is not None:
        if not _among(etag, (e for e in request.if_match if not e.is_weak)):
            raise PreconditionFailed
    elif request.if_unmodified_since is not None and date > request.if_unmodified_since:
        raise PreconditionFailed
    if request.if_none_match is not None:
        return _among(etag, request.if_none_match)
    return request.if_modified_since is not None and date <= request.if_modified_since


def wanted_part(request: web.Request, size: int, etag: str, modified: datetime) -> Part | None:
    """Say which part is asked for, none for the whole; raises RangeNotSatisfiable.

    Ranges are for GET only. With If-Range, whoever has a part of another file gets the whole of this one.
    """
    if request.method != "GET" or not _continues(request, etag, modified):
        return None
    try:
        return part_of(request.headers.get("Range"), size)
    except Unsatisfiable:
        raise RangeNotSatisfiable(size) from None


def _continues(request: web.Request, etag: str, modified: datetime) -> bool:
    given = request.headers.get("If-Range")
    if given is None or given.strip() == f'"{etag}"':
        return True
    # aiohttp reads a date here; an ETag is none.
    return request.if_range == modified.astimezone(UTC).replace(microsecond=0)


def _among(etag: str, given: Iterable[ETag]) -> bool:
    return any(e.value in {etag, "*"} for e in given)
