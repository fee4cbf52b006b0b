"""Tiny WAV files that really play: silence of a given length, 8 bits at 8 kHz."""

import struct

SAMPLES_PER_SECOND = 8000
SILENCE = b"\x80"


def make_voice(seconds: float) -> bytes:
    """Make silence of this length."""
    data = SILENCE * round(seconds * SAMPLES_PER_SECOND)
    rate = SAMPLES_PER_SECOND
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(data)) + data + b"\0" * (len(data) % 2)
    return struct.pack("<4sI", b"RIFF", len(body)) + body
