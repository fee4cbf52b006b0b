"""What a file is: looked into by MediaInfo in a child process, which a hostile file may crash or hang."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pymediainfo import MediaInfo

from service.core.media import Media
from service.media.faults import permanent, transient
from service.media.kinds import Found, content_type, number, resemblance, whole_number

CHILD = Path(__file__).with_name("peek.py")
NO_LIBRARY = (
    "MediaInfo's library cannot be loaded, and without it no video can be kept: install pymediainfo from a wheel, "
    "which brings it, or the system's package (libmediainfo0v5, libmediainfo)."
)
NICE = 19
CANNOT_OPEN = 2
"""How the child ends when the file is not there."""
NOT_ITS_FAULT = {-signal.SIGTERM, -getattr(signal, "SIGKILL", 9)}
"""Ends that come from outside: an operator, or a system that ran out of memory."""


class Probe:
    """Looks into files, a few at a time."""

    def __init__(
        self,
        *,
        timeout_s: float = 30.0,
        cpu_s: int = 10,
        memory_mb: int = 1024,
        at_once: int = 2,
    ) -> None:
        """Give a child so much time, of the clock and of a processor, and memory.

        What takes too much of the processor is the file's doing and stays; of the clock, the machine's.

        Raises RuntimeError when MediaInfo cannot be loaded.
        """
        if not MediaInfo.can_parse():
            raise RuntimeError(NO_LIBRARY)
        self._timeout_s = timeout_s
        self._limits = (str(memory_mb), str(cpu_s + 1))
        self._places = asyncio.Semaphore(at_once)

    async def look(
        self,
        path: Path,
        *,
        sha256: str,
        size: int,
        claimed: str | None = None,
        length_known: bool = True,
    ) -> Media:
        """Say what a file of this hash and size is; `claimed` is what its sender called it, for people.

        Raises FetchError: `empty`, `not_a_video`, `unreadable`, `disk_error`, and `truncated` where the length was
        not known beforehand.
        """
        if size == 0:
            raise transient("empty", "The file is empty.")
        async with self._places:
            found = await self._ask(path)
        kind = content_type(found)
        if kind is None:
            said = "" if claimed is None else f" (it was sent as {_plain(claimed)})"
            raise permanent(
                "not_a_video", f"The file is no video that is kept, but {resemblance(found)}{said}."
            )
        if found.general.get("IsTruncated") == "Yes" and not length_known:
            raise transient("truncated", "The file ends before its end.")
        picture = found.picture
        return Media(
            sha256=sha256,
            bytes=size,
            content_type=kind,
            container=found.general.get("Format"),
            duration_s=number(found.general.get("Duration")) or number(picture.get("Duration")),
            width=whole_number(picture.get("Width")),
            height=whole_number(picture.get("Height")),
            video_codec=picture.get("Format"),
            audio_codec=found.audio.get("Format"),
        )

    async def _ask(self, path: Path) -> Found:
        try:
            code, out = await self._run(path)
        except TimeoutError:
            raise transient(
                "unreadable", f"Looking into the file took more than {self._timeout_s:g} s."
            ) from None
        except OSError as error:
            raise transient("unreadable", f"No process could be started: {error}.") from error
        if code == CANNOT_OPEN:
            raise transient("disk_error", "The file that was just written cannot be opened.")
        if code in NOT_ITS_FAULT:
            raise transient("unreadable", "The process that looked into the file was killed.")
        try:
            raw = json.loads(out) if code == 0 else None
        except ValueError:
            raw = None
        if raw is None:
            raise permanent("unreadable", f"MediaInfo cannot read the file and ended with {code}.")
        return _found(raw)

    async def _run(self, path: Path) -> tuple[int | None, bytes]:
        """Run the child; it ends before this does, whatever happens."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", str(CHILD), str(path), *self._limits),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
        )
        _step_back(process.pid)
        try:
            async with asyncio.timeout(self._timeout_s):
                out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        return process.returncode, out


def _step_back(pid: int) -> None:
    """Let callbacks go first: on two busy cores, looking into files made them wait (`make bench`)."""
    if sys.platform != "win32":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, NICE)


def _environment() -> Mapping[str, str] | None:
    """Give the child nothing of ours, which holds keys, but where modules are."""
    if sys.platform == "win32":
        return None  # without SYSTEMROOT Python does not start there
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "LC_ALL": "C.UTF-8"}


def _found(raw: Mapping[str, Any]) -> Found:
    tracks = raw["tracks"]
    return Found(
        bytes.fromhex(raw["head"]),
        tracks.get("general", {}),
        tracks.get("video"),
        tracks.get("image"),
        tracks.get("audio", {}),
    )


def _plain(text: str) -> str:
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text[:100])
