"""Whatever pieces a video comes in and wherever its connections break, it is the same video in the end."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.media import Media
from service.simulator.media import make_video
from tests.support.fetching import content_of, make_fetch, sha256
from tests.support.scripted_server import Answer, Script, head, header, raw_server

VIDEO = make_video("split", seconds=20)
Break = tuple[int, Literal["close", "reset"], bool]
"""After how many bytes, how, and whether the next answer is the rest, or whole although the rest was asked for."""
BREAKS = st.lists(
    st.tuples(st.integers(0, len(VIDEO) - 1), st.sampled_from(["close", "reset"]), st.booleans()),
    max_size=4,
)
CUTS = st.lists(st.integers(0, len(VIDEO)), max_size=6)


@settings(max_examples=25, deadline=None)
@given(BREAKS, CUTS, st.booleans(), st.booleans())
def test_any_split_and_any_breaks_give_the_same_bytes_and_hash(
    breaks: Sequence[Break], cuts: Sequence[int], chunked: bool, strong: bool
) -> None:
    media, content = asyncio.run(_fetch(breaks, cuts, chunked=chunked, strong=strong))
    assert content == VIDEO
    assert (media.sha256, media.bytes) == (sha256(VIDEO), len(VIDEO))


async def _fetch(
    breaks: Sequence[Break], cuts: Sequence[int], *, chunked: bool, strong: bool
) -> tuple[Media, bytes]:
    scripts = [_script(one, cuts, chunked=chunked, strong=strong) for one in (*breaks, None)]
    with TemporaryDirectory() as folder:
        into = Path(folder, "video.part")
        fetch = make_fetch(Path(folder), tries=len(breaks), stall_s=5)
        async with raw_server(*scripts) as server:
            media = await fetch.fetch(server.url, into)
        await fetch.close()
        return media, content_of(into)


def _script(broken: Break | None, cuts: Sequence[int], *, chunked: bool, strong: bool) -> Script:
    def answer(asked: str) -> Answer:
        said = header(asked, "Range") if broken is None or broken[2] else None
        start = int(said[6:-1]) if said else 0
        headers = {"ETag": '"one"'} if strong else {}
        status = "200 OK"
        if said:
            status = "206 Partial"
            headers["Content-Range"] = f"bytes {start}-{len(VIDEO) - 1}/{len(VIDEO)}"
        body = VIDEO[start:]
        framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": len(body)}
        places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
        pieces = [body[a:b] for a, b in pairwise(places)]
        if broken is not None:
            pieces = _until(pieces, broken[0])
        if chunked:
            pieces = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece]
            pieces += [b"0\r\n\r\n"] if broken is None else []
        then = "close" if broken is None else broken[1]
        return Answer([head(status, **headers, **framing), *pieces], then)

    return answer


def _until(pieces: Sequence[bytes], size: int) -> list[bytes]:
    """Leave only the beginning, which is never all of it."""
    whole = sum(map(len, pieces))
    left = min(size, max(0, whole - 1))
    kept = []
    for piece in pieces:
        kept.append(piece[:left])
        left -= len(kept[-1])
    return kept
