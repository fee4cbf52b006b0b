"""Looks into one file by MediaInfo, in a process of its own: `python peek.py FILE MEGABYTES CPU_SECONDS`.

A stranger's file is parsed by a library of C++. So this process may take only so much memory and time, opens nothing
once it reads the file (no other file that this one names, no address, no program) and writes nothing but what it
found, as JSON: the first track of each kind with some of its fields, and how the file begins.

Exit codes: 0 with JSON on stdout; 2 the file cannot be opened; 1 or a signal, whatever the file brought about.
"""

import json
import sys
from importlib import import_module
from typing import Any

from pymediainfo import MediaInfo

HEAD_BYTES = 512
LONGEST = 200
"""Characters of one field; free text of strangers is not among them, but codec names nearly are."""
FIELDS = {
    *("Format", "Format_Profile", "CodecID", "Duration", "Width", "Height", "IsTruncated"),
    *("Format_Settings", "FrameCount"),
}


class Sealed:
    """A file whose reader can open nothing any more: with its first read the door is shut."""

    def __init__(self, path: str, megabytes: int, cpu_seconds: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115, PTH123 - as long as this process
        self.head = self._file.read(HEAD_BYTES)
        self._limits = (megabytes * 2**20, cpu_seconds)
        self.seek = self._file.seek
        self.tell = self._file.tell

    def read(self, size: int) -> bytes:
        """Read on."""
        self._seal()
        return self._file.read(size)

    def _seal(self) -> None:
        """Only now: the library itself had to be loaded before."""
        if not any(self._limits):
            return
        memory, seconds = self._limits
        self._limits = (0, 0)
        try:
            resource = import_module("resource")
        except ImportError:
            return  # Windows has none; the caller's time limit is left
        for name, value in (
            ("RLIMIT_AS", memory),
            ("RLIMIT_CPU", seconds),
            ("RLIMIT_FSIZE", 0),
            ("RLIMIT_CORE", 0),
            ("RLIMIT_NPROC", 0),
            ("RLIMIT_NOFILE", 0),
        ):
            _limit(resource, name, value)


def _limit(resource: Any, name: str, value: int) -> None:
    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    most = value if hard == resource.RLIM_INFINITY else min(value, hard)
    # At the hard limit of time a process is killed, and nobody sees by what: at the soft one it is SIGXCPU.
    soft = max(most - 1, 1) if name == "RLIMIT_CPU" else most
    try:
        resource.setrlimit(kind, (soft, most))
    except (ValueError, OSError):
        return  # macOS takes no RLIMIT_AS


def find(text: str) -> dict[str, dict[str, str]]:
    """Read MediaInfo's JSON: the first track of each kind, by its name in lower case."""
    media = json.loads(text, strict=False).get("media") or {}
    found: dict[str, dict[str, str]] = {}
    for track in media.get("track") or ():
        fields = {**(track.get("extra") or {}), **track}
        kept = {
            name: value[:LONGEST]
            for name, value in fields.items()
            if name in FIELDS and isinstance(value, str)
        }
        found.setdefault(str(track.get("@type", "")).lower(), kept)
    return found


def main(path: str, megabytes: str, cpu_seconds: str) -> int:
    """Print what the file is."""
    try:
        file = Sealed(path, int(megabytes), int(cpu_seconds))
    except OSError:
        return 2
    text = MediaInfo.parse(file, output="JSON") if file.head else "{}"
    sys.stdout.write(json.dumps({"head": file.head.hex(), "tracks": find(text)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
