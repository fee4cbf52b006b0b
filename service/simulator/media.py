"""Tiny MP4 and QuickTime files that really play: some seconds of one colour, in H.264 made bit by bit.

Every macroblock is I_PCM, raw samples, so that no encoder is needed. Sample values are never 0 to 3,
so no emulation prevention bytes are either.
"""

import math
import struct
from hashlib import sha256
from typing import Literal

DURATION_S = 5
"""How long a video is that is asked for without a length."""
MAX_FRAMES = 30
"""One frame a second, but no more than these: longer videos show each of them longer."""
Brand = Literal["mp4", "mov"]
SIZE = 32
"""Width and height in pixels: two macroblocks each."""
MACROBLOCKS = (SIZE // 16) ** 2
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class _Bits:
    """Bits in the order of H.264, with its Exp-Golomb numbers."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def put(self, value: int, width: int) -> None:
        self._text.append(f"{value:0{width}b}")

    def ue(self, *values: int) -> None:
        for value in values:
            digits = f"{value + 1:b}"
            self._text.append("0" * (len(digits) - 1) + digits)

    def align(self) -> None:
        self._text.append("0" * (-sum(map(len, self._text)) % 8))

    def raw(self, data: bytes) -> None:
        self._text.extend(f"{byte:08b}" for byte in data)

    def end(self) -> bytes:
        """Add the stop bit and return the bytes."""
        self.put(1, 1)
        self.align()
        text = "".join(self._text)
        return int(text, 2).to_bytes(len(text) // 8, "big")


def _sequence_parameters() -> bytes:
    bits = _Bits()
    bits.ue(0)  # seq_parameter_set_id
    bits.ue(0, 2)  # log2_max_frame_num - 4; picture order is decoding order
    bits.ue(0)  # no reference frames: every frame stands alone
    bits.put(0, 1)  # no gaps in frame_num
    bits.ue(SIZE // 16 - 1, SIZE // 16 - 1)
    bits.put(0b1100, 4)  # frames only, direct_8x8, no cropping, no VUI
    # NAL header 0x67, then baseline profile (constrained) at level 1
    return b"\x67\x42\xc0\x0a" + bits.end()


def _picture_parameters() -> bytes:
    bits = _Bits()
    bits.ue(0, 0)  # pic_parameter_set_id, seq_parameter_set_id
    bits.put(0, 2)  # CAVLC, no extra picture order
    bits.ue(0, 0, 0)  # one slice group; one reference index each
    bits.put(0, 3)  # no weighted prediction
    bits.ue(0, 0, 0)  # quantiser offsets: 0 is coded as 0, signed or not
    bits.put(0, 3)  # no deblocking control, no constrained intra, no redundant pictures
    return b"\x68" + bits.end()


def _frame(number: int, colour: bytes) -> bytes:
    luma, blue, red = (4 + value % 248 for value in colour[:3])
    bits = _Bits()
    bits.ue(0, 7, 0)  # first macroblock, all slices are I, pic_parameter_set_id
    bits.put(0, 4)  # frame_num
    bits.ue(number % 2)  # idr_pic_id: must differ from the neighbour's
    bits.put(0, 2)  # dec_ref_pic_marking
    bits.ue(0)  # slice_qp_delta
    for _ in range(MACROBLOCKS):
        bits.ue(25)  # mb_type I_PCM
        bits.align()
        bits.raw(bytes([luma]) * 256 + bytes([blue]) * 64 + bytes([red]) * 64)
    nal = b"\x65" + bits.end()
    return struct.pack(">I", len(nal)) + nal


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, flags: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _sample_entry() -> bytes:
    sps, pps = _sequence_parameters(), _picture_parameters()
    config = b"\x01" + sps[1:4] + b"\xff\xe1" + struct.pack(">H", len(sps)) + sps
    config += b"\x01" + struct.pack(">H", len(pps)) + pps
    head = b"\0" * 6 + struct.pack(">H", 1) + b"\0" * 16 + struct.pack(">HH", SIZE, SIZE)
    head += struct.pack(">III", 0x480000, 0x480000, 0) + struct.pack(">H", 1)
    head += b"\0" * 32 + struct.pack(">HH", 24, 0xFFFF)
    return _box(b"avc1", head, _box(b"avcC", config))


def _sample_table(frames: list[bytes], each_ms: int, offset: int) -> bytes:
    sizes = struct.pack(f">{len(frames)}I", *map(len, frames))
    return _box(
        b"stbl",
        _full(b"stsd", 0, struct.pack(">I", 1), _sample_entry()),
        _full(b"stts", 0, struct.pack(">III", 1, len(frames), each_ms)),
        _full(b"stsc", 0, struct.pack(">IIII", 1, 1, len(frames), 1)),
        _full(b"stsz", 0, struct.pack(">II", 0, len(frames)), sizes),
        _full(b"stco", 0, struct.pack(">II", 1, offset)),
    )


def _handlers(brand: Brand) -> tuple[bytes, bytes]:
    """Return the media's handler, and QuickTime's own for where the data is."""
    if brand == "mp4":
        return _full(b"hdlr", 0, b"\0" * 4, b"vide", b"\0" * 12, b"video\0"), b""
    zeros = b"\0" * 12
    media = _full(b"hdlr", 0, b"mhlrvide", zeros, b"\x05video")  # its names have a length, no end
    return media, _full(b"hdlr", 0, b"dhlrurl ", zeros, b"\x04data")


def _movie(frames: list[bytes], each_ms: int, brand: Brand, offset: int) -> bytes:
    """Return the moov box; times are in milliseconds."""
    length = each_ms * len(frames)
    one, volume = struct.pack(">I", 0x10000), b"\0" * 2
    mvhd = struct.pack(">IIII", 0, 0, 1000, length) + one + volume + b"\0" * 10 + MATRIX
    tkhd = struct.pack(">IIIII", 0, 0, 1, 0, length) + b"\0" * 16 + MATRIX
    data = _box(b"dinf", _full(b"dref", 0, struct.pack(">I", 1), _full(b"url ", 1)))
    handler, data_handler = _handlers(brand)
    table = _sample_table(frames, each_ms, offset)
    media = _box(
        b"mdia",
        _full(b"mdhd", 0, struct.pack(">IIIIHH", 0, 0, 1000, length, 0x55C4, 0)),
        handler,
        _box(b"minf", _full(b"vmhd", 1, b"\0" * 8), data_handler, data, table),
    )
    track = _full(b"tkhd", 3, tkhd, struct.pack(">II", SIZE << 16, SIZE << 16))
    return _box(
        b"moov",
        _full(b"mvhd", 0, mvhd, b"\0" * 24, struct.pack(">I", 2)),
        _box(b"trak", track, media),
    )


def frames_of(seconds: float) -> tuple[int, int]:
    """Return how many frames a video of this length has, and how many milliseconds each is shown."""
    count = min(max(math.ceil(seconds), 1), MAX_FRAMES)
    return count, max(round(seconds * 1000 / count), 1)


def make_video(name: str, *, seconds: float = DURATION_S, brand: Brand = "mp4") -> bytes:
    """Make the video of this name: always the same bytes, in a colour of its own."""
    colour = sha256(name.encode()).digest()
    count, each_ms = frames_of(seconds)
    frames = [_frame(number, colour) for number in range(count)]
    brands = b"isomiso2avc1mp41" if brand == "mp4" else b"qt  "
    ftyp = _box(b"ftyp", brands[:4], struct.pack(">I", 512), brands)
    offset = len(ftyp) + len(_movie(frames, each_ms, brand, 0)) + 8
    return ftyp + _movie(frames, each_ms, brand, offset) + _box(b"mdat", *frames)


def free(size: int) -> bytes:
    """Begin a box of this many bytes that players pass over; it has at least 16, for its length has 64 bits."""
    return struct.pack(">I4sQ", 1, b"free", max(size, 16))
