"""Tiny WebM files that really play: one VP8 picture, shown again and again, in boxes of our own."""

import struct
from hashlib import sha256

from service.simulator.media import DURATION_S, SIZE, frames_of

FRAME = bytes.fromhex(
    "d002009d012a2000200000470885858899848802020275aa03f80208211cf2d0"
    "fef2a97ffd701f9c07e701fccb7ffc56ff8adff15bffe27100"
)
"""A key frame of 32 by 32 pixels of one colour, made once with libvpx."""
MILLISECOND_NS = 1_000_000

EBML, VERSION, READ_VERSION = 0x1A45DFA3, 0x4286, 0x42F7
MAX_ID, MAX_SIZE = 0x42F2, 0x42F3
DOC_TYPE, DOC_VERSION, DOC_READ_VERSION = 0x4282, 0x4287, 0x4285
SEGMENT, INFO, SCALE, DURATION, UID = 0x18538067, 0x1549A966, 0x2AD7B1, 0x4489, 0x73A4
MUXER, WRITER = 0x4D80, 0x5741
TRACKS, ENTRY, NUMBER, TRACK_UID, KIND, CODEC = 0x1654AE6B, 0xAE, 0xD7, 0x73C5, 0x83, 0x86
VIDEO, WIDTH, HEIGHT = 0xE0, 0xB0, 0xBA
CLUSTER, TIME, BLOCK = 0x1F43B675, 0xE7, 0xA3
VIDEO_TRACK = 1
KEY_FRAME = 0x80


def make_webm(name: str, *, seconds: float = DURATION_S) -> bytes:
    """Make the video of this name: always the same bytes, told apart by the segment's id."""
    count, each_ms = frames_of(seconds)
    header = _element(
        EBML,
        _number(VERSION, 1) + _number(READ_VERSION, 1) + _number(MAX_ID, 4) + _number(MAX_SIZE, 8),
        _element(DOC_TYPE, b"webm") + _number(DOC_VERSION, 2) + _number(DOC_READ_VERSION, 2),
    )
    clusters = (_cluster(number * each_ms) for number in range(count))
    return header + _element(SEGMENT, _info(name, count * each_ms), _tracks(), *clusters)


def _info(name: str, length_ms: int) -> bytes:
    return _element(
        INFO,
        _element(UID, sha256(name.encode()).digest()[:16]),
        _number(SCALE, MILLISECOND_NS),
        _element(DURATION, struct.pack(">d", length_ms)),
        _element(MUXER, b"simulator") + _element(WRITER, b"simulator"),
    )


def _tracks() -> bytes:
    size = _element(VIDEO, _number(WIDTH, SIZE), _number(HEIGHT, SIZE))
    ids = _number(NUMBER, 1) + _number(TRACK_UID, 1) + _number(KIND, VIDEO_TRACK)
    return _element(TRACKS, _element(ENTRY, ids, _element(CODEC, b"V_VP8"), size))


def _cluster(at_ms: int) -> bytes:
    """Return a cluster of one frame: times inside of one are too short for long videos."""
    block = b"\x81" + struct.pack(">hB", 0, KEY_FRAME) + FRAME
    return _element(CLUSTER, _number(TIME, at_ms), _element(BLOCK, block))


def _number(kind: int, value: int) -> bytes:
    return _element(kind, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _element(kind: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    name = kind.to_bytes((kind.bit_length() + 7) // 8, "big")
    return name + (len(body) | 1 << 56).to_bytes(8, "big") + body


def void(size: int) -> bytes:
    """Begin an element of this many bytes that players pass over; it has at least 9, for its length has 56 bits."""
    return b"\xec\x01" + max(size - 9, 0).to_bytes(7, "big")
