"""The videos that the simulator makes are real files, as long as was asked for."""

import struct
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from service.simulator.media import DURATION_S, MAX_FRAMES, make_video
from service.simulator.webm import FRAME, make_webm

CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf"}


def boxes(data: bytes, start: int = 0) -> dict[bytes, tuple[int, bytes]]:
    """Read all boxes, nested ones too, with where their content begins."""
    found: dict[bytes, tuple[int, bytes]] = {}
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        assert 8 <= size <= len(data) - at
        body = data[at + 8 : at + size]
        found[kind] = (start + at + 8, body)
        if kind in CONTAINERS:
            found |= boxes(body, start + at + 8)
        at += size
    return found


def test_a_video_has_the_boxes_of_a_playable_file() -> None:
    video = make_video("one")
    found = boxes(video)
    assert next(iter(found)) == b"ftyp"
    assert {b"mvhd", b"tkhd", b"mdhd", b"hdlr", b"vmhd", b"dref", b"stsd", b"mdat"} <= set(found)
    _, _, _, scale, length = struct.unpack_from(">IIIII", found[b"mvhd"][1])
    assert length / scale == DURATION_S


def test_samples_are_where_the_tables_say() -> None:
    video = make_video("one")
    found = boxes(video)
    _, _, count = struct.unpack_from(">III", found[b"stsz"][1])
    sizes = struct.unpack_from(f">{count}I", found[b"stsz"][1], 12)
    (offset,) = struct.unpack_from(">I", found[b"stco"][1], 8)
    begin, content = found[b"mdat"]
    assert (offset, sum(sizes), count) == (begin, len(content), DURATION_S)
    for size in sizes:
        assert struct.unpack_from(">I", video, offset) == (size - 4,)
        assert video[offset + 4] == 0x65  # an IDR slice
        offset += size


def test_no_colour_needs_emulation_prevention() -> None:
    for number in range(50):
        _, content = boxes(make_video(str(number)))[b"mdat"]
        frame = content[4 : 4 + struct.unpack_from(">I", content)[0]]
        assert not any(bytes([0, 0, last]) in frame for last in range(4))


def test_the_same_name_gives_the_same_bytes() -> None:
    assert make_video("one") == make_video("one") != make_video("two")


@pytest.mark.parametrize("seconds", [0.4, 1, 12.4, 29.97, 600])
def test_a_video_is_about_as_long_as_asked_for(seconds: float) -> None:
    for brand in ("mp4", "mov"):
        found = boxes(make_video("one", seconds=seconds, brand=brand))
        _, _, _, scale, length = struct.unpack_from(">IIIII", found[b"mvhd"][1])
        assert length / scale == pytest.approx(seconds, abs=0.02)
        (_, _, frames) = struct.unpack_from(">III", found[b"stsz"][1])
        assert frames <= MAX_FRAMES
    top = dict(elements(make_webm("one", seconds=seconds)))
    info = dict(elements(dict(elements(top[0x18538067]))[0x1549A966]))
    assert struct.unpack(">d", info[0x4489])[0] / 1000 == pytest.approx(seconds, abs=0.02)


def test_a_quicktime_file_says_so() -> None:
    assert boxes(make_video("one", brand="mov"))[b"ftyp"][1].startswith(b"qt  ")
    assert boxes(make_video("one"))[b"ftyp"][1].startswith(b"isom")


def test_a_webm_file_has_a_key_frame_each_second() -> None:
    (_, header), (_, segment) = elements(make_webm("one"))
    assert dict(elements(header))[0x4282] == b"webm"
    clusters = [dict(elements(body)) for kind, body in elements(segment) if kind == 0x1F43B675]
    assert [one[0xA3] for one in clusters] == [b"\x81\0\0\x80" + FRAME] * DURATION_S
    times = [int.from_bytes(one[0xE7], "big") for one in clusters]
    assert [after - before for before, after in pairwise(times)] == [1000] * (DURATION_S - 1)
    assert make_webm("one") == make_webm("one") != make_webm("two")


def elements(data: bytes) -> list[tuple[int, bytes]]:
    """Read the elements of one level of a WebM file; all of ours have sizes of eight bytes."""
    found, at = [], 0
    while at < len(data):
        width = 9 - data[at].bit_length()
        kind = int.from_bytes(data[at : at + width], "big")
        assert data[at + width] == 1
        size = int.from_bytes(data[at + width + 1 : at + width + 8], "big")
        start = at + width + 8
        found.append((kind, data[start : start + size]))
        at = start + size
    assert at == len(data)
    return found


async def test_videos_are_served_with_their_type(upstream: Any) -> None:
    name = str(uuid4())
    async with upstream.session.get(f"{upstream.base}/media/{name}.mp4") as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")
        assert await answer.read() == make_video(name)
    assert (await upstream.read("/media/nonsense.mp4"))[0] == 404
