"""Result files as the simulator spoils them, fetched for real."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from service.core.fault import FaultKind
from service.media.fetch import Fetch
from service.ports import FetchError
from service.simulator.files import Ends
from tests.support.fetching import content_of, make_fetch, refused, sha256, size_of

Link = Callable[..., str]
PERMANENT, TRANSIENT = FaultKind.PERMANENT, FaultKind.TRANSIENT


@pytest.mark.parametrize(
    ("ending", "kind", "container", "codec"),
    [
        ("mp4", "video/mp4", "MPEG-4", "AVC"),
        ("mov", "video/quicktime", "MPEG-4", "AVC"),
        ("webm", "video/webm", "WebM", "VP8"),
    ],
)
async def test_a_good_video_is_fetched_hashed_and_looked_into(
    fetch: Fetch, link: Link, into: Path, ending: str, kind: str, container: str, codec: str
) -> None:
    media = await fetch.fetch(link(ending=ending, seconds=12.4), into)
    content = content_of(into)
    assert (media.sha256, media.bytes) == (sha256(content), len(content))
    assert (media.content_type, media.container, media.video_codec) == (kind, container, codec)
    assert (media.width, media.height, media.audio_codec) == (32, 32, None)
    assert media.duration_s == pytest.approx(12.4, abs=0.02)


@pytest.mark.parametrize(
    "faults",
    [
        ("slowfile:0.5",),
        ("cutfile",),
        ("resetfile",),
        ("resetfile", "noranges"),
        ("movedfile",),
        ("movedfile", "cutfile"),
        ("noranges",),
        ("hugefile:5000000",),
        ("hugefile:5000000", "cutfile"),
        ("hugefile:5000000", "resetfile"),
    ],
    ids=",".join,
)
async def test_what_is_slow_broken_off_or_moved_is_had_in_full(
    fetch: Fetch, link: Link, into: Path, faults: tuple[str, ...]
) -> None:
    media = await fetch.fetch(link(*faults), into)
    content = content_of(into)
    assert (media.sha256, media.bytes) == (sha256(content), len(content))
    assert media.bytes >= (5_000_000 if "hugefile:5000000" in faults else 1000)
    assert (media.content_type, media.duration_s) == ("video/mp4", 5.0)


@pytest.mark.parametrize(
    ("faults", "code", "kind"),
    [
        (("wrongfile",), "not_a_video", PERMANENT),
        (("lyingfile",), "not_a_video", PERMANENT),
        (("redirectfile",), "refused_address", PERMANENT),
        (("movedfile", "redirectfile"), "refused_address", PERMANENT),
        (("cutfile", "noranges"), "truncated", TRANSIENT),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named(
    fetch: Fetch, link: Link, into: Path, faults: tuple[str, ...], code: str, kind: FaultKind
) -> None:
    assert await refused(fetch, link(*faults), into) == (code, kind, False)


@pytest.mark.parametrize("fault", ["wrongfile", "lyingfile"])
async def test_a_page_instead_of_a_video_is_said_to_be_one(
    fetch: Fetch, link: Link, into: Path, fault: str
) -> None:
    with pytest.raises(FetchError, match=r"an HTML page \(it was sent as (text/html|video/mp4)"):
        await fetch.fetch(link(fault), into)


@pytest.mark.parametrize("status", [403, 404])
async def test_an_expired_address_asks_for_a_fresh_one(
    fetch: Fetch, link: Link, into: Path, status: int
) -> None:
    url = link(ends=Ends(time.time() - 1, status))
    assert await refused(fetch, url, into) == (f"http_{status}", TRANSIENT, True)


async def test_more_than_the_limit_is_not_downloaded(
    tmp_path: Path, link: Link, into: Path
) -> None:
    fetch = make_fetch(tmp_path, max_bytes=2**20)
    url = link(f"hugefile:{2**40}")
    assert await refused(fetch, url, into) == ("too_large", PERMANENT, False)
    assert size_of(into) == 0
    await fetch.close()


async def test_a_video_of_exactly_the_limit_is_kept(tmp_path: Path, link: Link, into: Path) -> None:
    fetch = make_fetch(tmp_path, max_bytes=2**20)
    assert (await fetch.fetch(link(f"hugefile:{2**20}"), into)).bytes == 2**20
    url = link(f"hugefile:{2**20 + 1}")
    assert (await refused(fetch, url, into))[0] == "too_large"
    await fetch.close()


async def test_sound_alone_is_no_video(fetch: Fetch, link: Link, into: Path) -> None:
    assert (await refused(fetch, link(ending="wav"), into))[0] == "not_a_video"


async def test_many_at_once_are_each_their_own(fetch: Fetch, link: Link, tmp_path: Path) -> None:
    urls = [link("hugefile:3000000", "resetfile", seconds=n + 1) for n in range(12)]
    places = [tmp_path / f"{n}.part" for n in range(12)]
    kept = await asyncio.gather(
        *[fetch.fetch(url, place) for url, place in zip(urls, places, strict=True)]
    )
    assert [media.duration_s for media in kept] == [n + 1 for n in range(12)]
    assert [media.sha256 for media in kept] == [sha256(content_of(p)) for p in places]
