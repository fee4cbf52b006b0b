"""Ranges of bytes: what Python's slices say, in the words of RFC 9110."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.core.ranges import Part, Unsatisfiable, part_of

sizes = st.integers(1, 40)
places = st.integers(0, 60)
OTHERS = (
    *(None, "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=-1-2", "bytes=+1-2"),
    *("items=0-1", "bytes=0-1,3-4", "bytes=5-2", "bytes =0-1", "bytes=0-1;", "bytes=0x1-2"),
    *("bytes=\u0661-\u0662", "bytes=\u00b2-", "-5", "bytes: 0-1", "bytes=0 - 1"),
)


def taken(header: str, content: bytes) -> bytes | None:
    """Take what a header asks for; none where there is nothing of it."""
    try:
        part = part_of(header, len(content))
    except Unsatisfiable:
        return None
    assert part is not None
    assert 0 <= part.start <= part.last < len(content)
    return content[part.start : part.start + part.length]


@given(sizes, places, places)
def test_from_and_to_are_a_slice(size: int, start: int, more: int) -> None:
    content = bytes(range(size))
    last = start + more
    assert taken(f"bytes={start}-{last}", content) == (content[start : last + 1] or None)


@given(sizes, places)
def test_without_an_end_it_is_the_rest(size: int, start: int) -> None:
    content = bytes(range(size))
    assert taken(f"bytes={start}-", content) == (content[start:] or None)


@given(sizes, places)
def test_without_a_start_it_is_the_end(size: int, length: int) -> None:
    content = bytes(range(size))
    expected = content[-length:] if length else None
    assert taken(f"bytes=-{length}", content) == expected


@given(sizes, st.lists(st.integers(1, 39), unique=True))
def test_parts_one_after_the_other_are_the_whole(size: int, cuts: list[int]) -> None:
    content = bytes(range(size))
    edges = [0, *sorted(cut for cut in cuts if cut < size), size]
    parts = [taken(f"bytes={a}-{b - 1}", content) for a, b in pairwise(edges)]
    assert b"".join(part or b"" for part in parts) == content


@pytest.mark.parametrize("header", OTHERS)
def test_what_is_no_single_range_of_bytes_is_passed_over(header: str | None) -> None:
    assert part_of(header, 10) is None


@given(st.text(max_size=20), sizes)
@example("bytes=0-0", 1)
def test_no_text_raises_or_leads_outside(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            part = part_of(header, size)
        except Unsatisfiable:
            continue
        assert part is None or (part.length > 0 and part.start >= 0 and part.last < size)


def test_numbers_of_any_length_are_numbers() -> None:
    nines = "9" * 8000
    assert part_of(f"bytes=2-{nines}", 10) == Part(2, 8)
    assert part_of(f"bytes=-{nines}", 10) == Part(0, 10)
    assert part_of(f"bytes={'0' * 5000}1-1", 10) == Part(1, 1)
    with pytest.raises(Unsatisfiable):
        part_of(f"bytes={nines}-", 10)


def test_the_unit_is_written_in_any_case() -> None:
    assert part_of("BYTES=0-0", 10) == Part(0, 1)
