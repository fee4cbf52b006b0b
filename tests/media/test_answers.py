"""What heads of answers say of parts of files: read strictly, and never with a crash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.media.answers import (
    BadRedirect,
    ContentRange,
    Piece,
    follow,
    read_content_range,
    read_rest,
    read_whole,
    validator,
)

NUMBERS = st.integers(0, 10**18 - 1)


@given(NUMBERS, NUMBERS, st.none() | NUMBERS)
def test_a_content_range_is_read_as_it_was_written_or_contradicts_itself(
    first: int, last: int, total: int | None
) -> None:
    found = read_content_range(f"bytes {first}-{last}/{'*' if total is None else total}")
    good = first <= last and (total is None or last < total)
    assert found == (ContentRange(first, last, total) if good else None)


@given(st.text() | st.from_regex(r"bytes[ =]?[-0-9*/ ]*", fullmatch=True))
def test_any_text_is_a_content_range_or_none(text: str) -> None:
    found = read_content_range(text)
    if found is not None:
        assert 0 <= found.first <= found.last
        assert found.total is None or found.last < found.total


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "bytes", "bytes */5", "bytes 0-1", "bytes 0-1/", "items 0-1/2"),
        *(
            "bytes=0-1/2",
            "bytes -1/2",
            "bytes 0-1/+2",
            "bytes 0-1/2,3-4/5",
            "bytes \u0660-\u0661/\u0662",
        ),
        f"bytes 0-1/{10**18}",
    ],
)
def test_what_is_no_content_range_is_none(text: str | None) -> None:
    assert read_content_range(text) is None


@given(st.dictionaries(st.sampled_from(["ETag", "Date", "Last-Modified"]), st.text()))
def test_any_headers_have_a_validator_or_none(headers: dict[str, str]) -> None:
    found = validator(headers)
    assert found is None or found in {headers.get("ETag", "").strip(), headers.get("Last-Modified")}
    assert found is None or "\n" not in found


BEFORE = Piece(0, 100, 100, '"a"')
GOOD = {"Content-Range": "bytes 40-99/100", "ETag": '"a"'}


@pytest.mark.parametrize(
    ("headers", "length", "fits"),
    [
        (GOOD, 60, True),
        (GOOD, None, True),
        ({**GOOD, "Content-Range": "bytes 40-99/*"}, 60, True),
        ({**GOOD, "Content-Range": "bytes 40-59/100"}, 20, True),
        ({**GOOD, "Content-Range": "bytes 41-99/100"}, 59, False),
        ({**GOOD, "Content-Range": "bytes 40-100/101"}, 61, False),
        (GOOD, 59, False),
        ({**GOOD, "ETag": '"b"'}, 60, False),
        ({**GOOD, "ETag": 'W/"a"'}, 60, False),
        ({"Content-Range": "bytes 40-99/100"}, 60, True),
        ({"ETag": '"a"'}, 60, False),
    ],
)
def test_the_rest_has_to_fit_what_is_there(
    headers: dict[str, str], length: int | None, fits: bool
) -> None:
    found = read_rest(headers, length, 40, BEFORE)
    assert (found is not None) == fits
    if found is not None:
        assert (found.start, found.end, found.validator) == (40, 100, '"a"')


def test_the_end_is_known_where_a_length_is() -> None:
    assert read_whole({}, None).end is None
    assert read_whole({}, 0).end == 0
    assert Piece(10, 5, None, None).end == 15


@pytest.mark.parametrize(
    ("url", "location", "to"),
    [
        ("https://a.example/x/y?z=1", "w", "https://a.example/x/w"),
        ("https://a.example/x/y", "?z=%2F+%41", "https://a.example/x/y?z=%2F+%41"),
        ("http://a.example/x", "https://b.example/", "https://b.example/"),
        ("http://a.example/x", " //b.example/z ", "http://b.example/z"),
    ],
)
def test_a_redirect_leads_there(url: str, location: str, to: str) -> None:
    assert follow(url, location) == to


@pytest.mark.parametrize(
    "location", [None, "", "http://a.example/", "ftp://a", "http://[", "data:,"]
)
def test_a_redirect_leads_never_from_https_to_less(location: str | None) -> None:
    with pytest.raises(BadRedirect):
        follow("https://a.example/x", location)


@given(st.text())
def test_any_redirect_leads_to_http_or_nowhere(location: str) -> None:
    try:
        assert follow("http://a.example/x", location).lower().startswith(("http://", "https://"))
    except BadRedirect as error:
        assert str(error)  # noqa: PT017 - it may also not raise
