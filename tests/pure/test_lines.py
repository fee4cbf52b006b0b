"""JSON lines in any pieces are the same lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.web.lines import Cutter
from service.web.refusals import TooLarge

PIECES = st.lists(st.text(alphabet="a \t\r\n\x85", max_size=12).map(str.encode), max_size=12)


def cut(pieces: list[bytes], most_bytes: int = 1000) -> list[tuple[int, bytes]]:
    cutter = Cutter(most_bytes)
    return [line for piece in pieces for line in cutter.take(piece)] + list(cutter.end())


@given(PIECES)
def test_lines_keep_the_numbers_they_have_in_the_file(pieces: list[bytes]) -> None:
    whole = enumerate(b"".join(pieces).split(b"\n"), 1)
    assert cut(pieces) == [(n, line.strip()) for n, line in whole if line.strip()]


@given(PIECES, st.integers(1, 8))
def test_a_line_that_is_too_long_is_refused_however_it_comes(
    pieces: list[bytes], most: int
) -> None:
    lengths = [len(line) for line in b"".join(pieces).split(b"\n")]
    long = [n for n, length in enumerate(lengths, 1) if length > most]
    if not long:
        cut(pieces, most)
        return
    with pytest.raises(TooLarge, match=f"Line {long[0]} is longer"):
        cut(pieces, most)
