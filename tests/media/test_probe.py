"""Files are looked into: what is found in them."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymediainfo import MediaInfo

from service.core.fault import FaultKind
from service.core.media import ENDINGS
from service.media.kinds import CONTAINERS, PICTURES, Found, content_type, resemblance
from service.media.probe import Probe
from service.ports import FetchError
from service.simulator.media import free, make_video
from service.simulator.voice import make_voice
from service.simulator.webm import make_webm, void
from tests.support.fetching import closing, look

VIDEO = make_video("probe")
GIF = (
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0"
    b"\x02\x02D\x01\0;"
)
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde\0\0\0\0IEND\xaeB`\x82"


@pytest.mark.parametrize(
    ("content", "kind", "container", "codec"),
    [
        (VIDEO, "video/mp4", "MPEG-4", "AVC"),
        (make_video("probe", brand="mov"), "video/quicktime", "MPEG-4", "AVC"),
        (make_webm("probe", seconds=5), "video/webm", "WebM", "VP8"),
        (make_webm("probe", seconds=5) + void(100) + bytes(91), "video/webm", "WebM", "VP8"),
        (VIDEO + free(2**20) + bytes(2**20 - 16), "video/mp4", "MPEG-4", "AVC"),
        (GIF, "image/gif", "GIF", "GIF"),
    ],
    ids=["mp4", "mov", "webm", "padded webm", "padded mp4", "gif"],
)
async def test_a_video_is_known_by_what_is_in_it(
    content: bytes, kind: str, container: str, codec: str
) -> None:
    media = await look(content, claimed="text/html")
    assert (media.content_type, media.container, media.video_codec) == (kind, container, codec)
    assert (media.bytes, media.sha256) == (len(content), "0" * 64)
    if kind != "image/gif":
        assert (media.width, media.height, media.duration_s) == (32, 32, 5.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xef\xbb\xbf \n<!DOCTYPE html><p>Sign in", "an HTML page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML document"),
        (b'{"error": "expired"}', "JSON"),
        ("schlüssel fehlt".encode(), "text"),
        (make_voice(1), "Wave without a picture, sound alone"),
        (PNG, "a PNG image"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"#EXTM3U\n#EXT-X-VERSION:3\nhttp://127.0.0.1/x.ts\n", "an HLS playlist"),
        (bytes(1000), "unknown bytes"),
        (b"FLV\x01\x05\0\0\0\x09\0\0\0\0", "Flash Video without a picture"),
        (VIDEO[:40], "MPEG-4 without a picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_video_is_said_to_be_what_it_looks_like(content: bytes, says: str) -> None:
    with pytest.raises(FetchError, match=says) as caught:
        await look(content, claimed="video/mp4; a=\r\nb")
    assert caught.value.fault.code == "not_a_video"
    assert caught.value.fault.kind is FaultKind.PERMANENT
    assert "(it was sent as video/mp4; a=??b)" in str(caught.value)


async def test_a_cut_video_may_be_whole_later_where_its_length_was_not_known() -> None:
    cut = VIDEO[:-500]
    with pytest.raises(FetchError) as caught:
        await look(cut, length_known=False)
    assert caught.value.fault.code == "truncated"
    assert caught.value.fault.kind is FaultKind.TRANSIENT
    # All that its sender has came: it is kept as it is.
    assert (await look(cut, length_known=True)).bytes == len(cut)


async def test_an_empty_file_may_be_filled_later() -> None:
    with pytest.raises(FetchError) as caught:
        await look(b"")
    assert (caught.value.fault.code, caught.value.fault.kind) == ("empty", FaultKind.TRANSIENT)


@settings(max_examples=30, deadline=None)
@given(
    st.one_of(
        st.binary(min_size=1, max_size=4000),
        st.tuples(
            st.sampled_from([VIDEO, make_webm("probe", seconds=5), GIF, make_voice(1)]),
            st.randoms(),
        ).map(lambda given: _spoilt(*given)),
    )
)
def test_a_hostile_file_is_a_video_or_refused_and_nothing_else(content: bytes) -> None:
    try:
        media = asyncio.run(look(content, length_known=False))
    except FetchError as error:
        assert error.fault.code in {"not_a_video", "unreadable", "truncated"}  # noqa: PT017
    else:
        assert media.content_type in ENDINGS
        assert media.width is None or media.width > 0


def _spoilt(content: bytes, dice: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(dice.randint(1, 30)):
        made[dice.randrange(len(made))] = dice.randrange(256)
    return bytes(made)


async def test_a_file_that_is_gone_is_the_disks_fault(tmp_path: Path) -> None:
    with pytest.raises(FetchError) as caught:
        async with closing(Probe()) as probe:
            await probe.look(tmp_path / "gone", sha256="", size=1)
    assert caught.value.fault.code == "disk_error"
    assert caught.value.fault.kind is FaultKind.TRANSIENT


def test_without_its_library_it_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MediaInfo, "can_parse", lambda: False)
    with pytest.raises(RuntimeError, match="install pymediainfo from a wheel"):
        Probe()


def test_every_kind_has_an_ending_and_every_ending_a_kind() -> None:
    kinds = {*CONTAINERS.values(), *PICTURES.values()}
    assert kinds == set(ENDINGS)


FIELDS = st.none() | st.dictionaries(
    st.sampled_from(["Format", "Width", "Duration", "CodecID"]),
    st.sampled_from([*CONTAINERS, *PICTURES, "qt  ", "", "AVC", "Windows Media", "nan", "-1"]),
)


@given(st.binary(max_size=64), FIELDS, FIELDS, FIELDS)
def test_whatever_was_found_has_a_kind_that_is_kept_or_resembles_something(
    head: bytes,
    general: dict[str, str] | None,
    video: dict[str, str] | None,
    image: dict[str, str] | None,
) -> None:
    found = Found(head, general or {}, video, image)
    kind = content_type(found)
    assert kind is None or kind in ENDINGS
    assert resemblance(found)
