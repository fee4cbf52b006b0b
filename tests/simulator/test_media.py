"""The videos that the simulator makes are real MP4 files."""

import struct
from typing import Any
from uuid import uuid4

from service.simulator.media import DURATION_S, make_video

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


async def test_videos_are_served_with_their_type(upstream: Any) -> None:
    name = str(uuid4())
    async with upstream.session.get(f"{upstream.base}/media/{name}.mp4") as answer:
        assert (answer.status, answer.content_type) == (200, "video/mp4")
        assert await answer.read() == make_video(name)
    assert (await upstream.read("/media/nonsense.mp4"))[0] == 404
