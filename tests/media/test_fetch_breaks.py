"""Downloads that break: gone on with where that is safe, begun anew where it is not, given up in the end."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from service.core.fault import FaultKind
from service.media.fetch import Fetch
from service.simulator.media import free, make_video
from tests.support.fetching import content_of, refused, sha256, size_of
from tests.support.scripted_server import Answer, Script, always, head, header, raw_server

_SMALL = make_video("breaks")
VIDEO = _SMALL + free(3 * 2**20) + bytes(3 * 2**20 - 16)
HALF = len(VIDEO) // 2
OLD = {"Last_Modified": "Sat, 21 Nov 2020 10:00:00 GMT", "Date": "Sat, 21 Nov 2020 10:00:05 GMT"}
STRONG = {"ETag": '"one"'}
Headers = Mapping[str, str]
NONE: Headers = {}
TRANSIENT = FaultKind.TRANSIENT


def whole(**headers: object) -> Script:
    return always(head("200 OK", Content_Length=len(VIDEO), **headers), VIDEO)


def half(then: str = "hang", **headers: object) -> Script:
    first = head("200 OK", Content_Length=len(VIDEO), **headers)
    return lambda _: Answer([first, VIDEO[:HALF]], then)  # type: ignore[arg-type]


def rest(total: object = len(VIDEO), shift: int = 0, *, headers: Headers = NONE) -> Script:
    """Give what is asked for, or what is so many bytes later."""

    def answer(asked: str) -> Answer:
        start = int((header(asked, "Range") or "bytes=0-")[6:-1]) + shift
        said = f"bytes {start}-{len(VIDEO) - 1}/{total}"
        length = len(VIDEO) - start
        first = head("206 Partial", Content_Length=length, Content_Range=said, **headers)
        return Answer([first, VIDEO[start:]])

    return answer


async def fetched(fetch: Fetch, into: Path, *scripts: Script) -> list[tuple[int, str | None]]:
    """Fetch all of it; gives where each request but the first began, and its If-Range."""
    async with raw_server(*scripts) as server:
        media = await fetch.fetch(server.url, into)
    assert (media.bytes, media.sha256) == (len(VIDEO), sha256(VIDEO))
    assert content_of(into) == VIDEO
    asked = [(header(h, "Range") or "bytes=0-", header(h, "If-Range")) for h in server.heads]
    assert asked[0] == ("bytes=0-", None)
    return [(int(span[6:-1]), validator) for span, validator in asked[1:]]


@pytest.mark.parametrize("validator", [STRONG, OLD], ids=["etag", "date"])
@pytest.mark.parametrize("total", [len(VIDEO), "*"])
async def test_a_stall_is_gone_on_with_where_it_stopped(
    fetch: Fetch, into: Path, validator: dict[str, str], total: object
) -> None:
    asked = await fetched(fetch, into, half(**validator), rest(total, headers=validator))
    assert asked == [(HALF, next(iter(validator.values())))]


async def test_a_reset_in_the_middle_goes_on_with_what_is_there(fetch: Fetch, into: Path) -> None:
    def there() -> bool:
        return size_of(into) >= 2**20

    first = head("200 OK", Content_Length=len(VIDEO), **STRONG)
    broken = Answer([first, VIDEO[:HALF]], "reset", after=there)
    async with raw_server(lambda _: broken, rest(headers=STRONG)) as server:
        media = await fetch.fetch(server.url, into)
    assert media.sha256 == sha256(VIDEO)
    start = int((header(server.heads[1], "Range") or "")[6:-1])
    assert 2**20 <= start <= HALF


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"ETag": 'W/"one"'},
        {"ETag": "one"},
        {"Last_Modified": OLD["Date"], "Date": OLD["Date"]},
        {"Last_Modified": "yesterday", "Date": OLD["Date"]},
        {"Last_Modified": OLD["Last_Modified"]},
    ],
    ids=str,
)
async def test_without_a_strong_validator_it_is_begun_anew(
    fetch: Fetch, into: Path, headers: dict[str, str]
) -> None:
    assert await fetched(fetch, into, half(**headers), whole()) == [(0, None)]


@pytest.mark.parametrize(
    "wrong",
    [
        rest(shift=-1),
        rest(shift=1),
        rest(len(VIDEO) + 1),
        rest(headers={"ETag": '"two"'}),
        always(head("206 Partial", Content_Length=3), b"abc"),
        always(head("206 Partial", Content_Length=3, Content_Range="bytes x-y/z"), b"abc"),
        always(head("416 No", Content_Length=0)),
    ],
    ids=["before", "behind", "total", "other", "unsaid", "unreadable", "416"],
)
async def test_a_part_that_does_not_fit_is_thrown_away_and_all_of_it_had_anew(
    fetch: Fetch, into: Path, wrong: Script
) -> None:
    asked = await fetched(fetch, into, half(**STRONG), wrong, whole(**STRONG))
    assert asked == [(HALF, '"one"'), (0, None)]


async def test_a_file_that_changed_comes_whole_and_replaces_what_was_there(
    fetch: Fetch, into: Path
) -> None:
    other = b"\0" * (HALF + 7)
    first = head("200 OK", Content_Length=len(VIDEO), **STRONG)
    changed = [always(first, other, then="hang"), whole(ETag='"two"')]
    assert await fetched(fetch, into, *changed) == [(len(other), '"one"')]


async def test_it_breaks_as_often_as_there_are_tries(fetch: Fetch, into: Path) -> None:
    def third(asked: str) -> Answer:
        answer = rest(headers=STRONG)(asked)
        return Answer([answer.parts[0], answer.parts[1][: len(VIDEO) // 4]], "hang")

    asked = await fetched(fetch, into, half(**STRONG), third, rest(headers=STRONG))
    assert [start for start, _ in asked] == [HALF, HALF + len(VIDEO) // 4]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (half(**STRONG), "stalled"),
        (half("close", **STRONG), "truncated"),
        (always(head("200 OK", Content_Length=9)), "truncated"),
        (always(head("200 OK", Transfer_Encoding="chunked"), b"4\r\nabcd\r\n"), "truncated"),
        (always(head("200 OK", Transfer_Encoding="chunked"), b"4\r\nab", then="hang"), "stalled"),
    ],
    ids=["stalled", "closed", "nothing", "chunked", "chunk"],
)
async def test_after_the_last_try_it_says_how_it_broke(
    fetch: Fetch, into: Path, script: Script, code: str
) -> None:
    async with raw_server(script) as server:
        assert await refused(fetch, server.url, into) == (code, TRANSIENT, False)
    assert len(server.heads) == 3


@pytest.mark.parametrize(
    ("second", "code", "expired"),
    [
        (always(head("403 No", Content_Length=0)), "http_403", True),
        (always(head("503 No", Content_Length=0)), "http_503", False),
    ],
    ids=["403", "503"],
)
async def test_what_is_answered_to_the_rest_counts(
    fetch: Fetch, into: Path, second: Script, code: str, expired: bool
) -> None:
    async with raw_server(half(**STRONG), second) as server:
        assert await refused(fetch, server.url, into) == (code, TRANSIENT, expired)
    assert len(server.heads) == 2


async def test_a_chunked_body_without_length_is_fetched(fetch: Fetch, into: Path) -> None:
    first = head("200 OK", Transfer_Encoding="chunked")
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (VIDEO[:HALF], VIDEO[HALF:])]
    assert await fetched(fetch, into, always(first, *chunks, b"0\r\n\r\n")) == []


async def test_a_body_that_ends_with_its_connection_is_looked_at_more_closely(
    fetch: Fetch, into: Path
) -> None:
    first = head("200 OK")
    assert await fetched(fetch, into, always(first, VIDEO)) == []
    cut: Callable[[str], Answer] = always(first, _SMALL[:-500])
    async with raw_server(cut) as server:
        assert await refused(fetch, server.url, into) == ("truncated", TRANSIENT, False)
