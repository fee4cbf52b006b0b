"""Looks into files by MediaInfo, each in a process forked for it: `python peek.py MEGABYTES CPU_SECONDS SECONDS`.

Reads paths from standard input, one a line as JSON, and writes an answer to each, a line of JSON: `[code, found]`.
Ends when its input does. Python and the library are loaded once, which takes several times as long as a look.

A stranger's file is parsed by a library of C++. So the process that does may only take so much memory and time, opens
nothing once it reads the file (no other file that this one names, no address, no program) and says nothing but what
it found: the first track of each kind with some of its fields, and how the file begins.

Codes: 0 with what was found; 2 the file cannot be opened; 1, or a signal as a negative number, whatever the file
brought about.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from pymediainfo import MediaInfo

HEAD_BYTES = 512
LONGEST = 200
"""Characters of one field; free text of strangers is not among them, but codec names nearly are."""
MOST_BYTES = 2**16
"""Of an answer: all seven kinds of tracks with every field at its longest are a quarter of it."""
NICE = 19
CANNOT_OPEN = 2
FIELDS = {
    *("Format", "Format_Profile", "CodecID", "Duration", "Width", "Height", "IsTruncated"),
    *("Format_Settings", "FrameCount"),
}
Look = Callable[[str], tuple[int, Any]]


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


def look(path: str, megabytes: int, cpu_seconds: int) -> tuple[int, Any]:
    """Say what a file is; this process is good for nothing else then. Raises whatever the file brings about."""
    try:
        file = Sealed(path, megabytes, cpu_seconds)
    except OSError:
        return CANNOT_OPEN, None
    text = MediaInfo.parse(file, output="JSON") if file.head else "{}"
    return 0, {"head": file.head.hex(), "tracks": find(text)}


def apart(do: Look, path: str, seconds: float) -> tuple[int, Any]:
    """Look in a process of its own, which SIGALRM ends in time; gives its code and what it found."""
    if sys.platform == "win32":
        return do(path)  # no fork there: this process ends with its first file
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        _be_the_child(do, path, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read(MOST_BYTES + 1)
    if len(said) > MOST_BYTES:
        os.kill(child, signal.SIGABRT)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        return code, json.loads(said) if code == 0 else None
    except ValueError:
        return 1, None


def _be_the_child(do: Look, path: str, writing: int) -> NoReturn:
    code = 1
    with suppress(BaseException):
        # What is asked and answered here is nothing for a stranger's file.
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(0, 1)
        code, found = do(path)
        os.write(writing, json.dumps(found).encode())
    os._exit(code)


def serve(do: Look, seconds: float) -> int:
    """Answer until the input ends; each look may take so long."""
    MediaInfo.can_parse()  # its library, once for all
    if sys.platform != "win32":
        os.nice(NICE)  # callbacks go first: on two busy cores they waited for this
    for line in sys.stdin:
        sys.stdout.write(json.dumps(apart(do, json.loads(line), seconds)) + "\n")
        sys.stdout.flush()
        if sys.platform == "win32":
            break
    return 0


if __name__ == "__main__":
    limited = partial(look, megabytes=int(sys.argv[1]), cpu_seconds=int(sys.argv[2]))
    sys.exit(serve(limited, float(sys.argv[3])))
