"""What a file is: looked into by MediaInfo in another process (`peek`), which a hostile file may crash or hang."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from pymediainfo import MediaInfo

from service.core.media import Media
from service.media.child import Child
from service.media.faults import permanent, transient
from service.media.kinds import Found, content_type, number, resemblance, whole_number

log = structlog.get_logger()

CHILD = Path(__file__).with_name("peek.py")
NO_LIBRARY = (
    "MediaInfo's library cannot be loaded, and without it no video can be kept: install pymediainfo from a wheel, "
    "which brings it, or the system's package (libmediainfo0v5, libmediainfo)."
)
CANNOT_OPEN = 2
"""The code when the file is not there."""
TOO_LONG = -getattr(signal, "SIGALRM", 14)
START_S = 10.0
"""What a child may take beyond the time of a look: to begin, and to end one that took too long."""
ONE_FILE_EACH = sys.platform == "win32"
NOT_ITS_FAULT = {-signal.SIGTERM, -getattr(signal, "SIGKILL", 9)}
"""Ends that come from outside: an operator, or a system that ran out of memory."""


class Probe:
    """Looks into files, a few at a time; each has a child that is begun when it is first needed and stays."""

    def __init__(
        self,
        *,
        timeout_s: float = 30.0,
        cpu_s: int = 10,
        memory_mb: int = 1024,
        at_once: int = 2,
    ) -> None:
        """Give a look so much time, of the clock and of a processor, and memory.

        What takes too much of the processor is the file's doing and stays; of the clock, the machine's.

        Raises RuntimeError when MediaInfo cannot be loaded.
        """
        if not MediaInfo.can_parse():
            raise RuntimeError(NO_LIBRARY)
        self._timeout_s = timeout_s
        limits = map(str, (memory_mb, cpu_s + 1, timeout_s))
        self._command = (sys.executable, "-P", str(CHILD), *limits)
        self._idle: list[Child] = []
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

    async def close(self) -> None:
        """End the children, once no look is under way."""
        while self._idle:
            await self._idle.pop().end()

    async def _ask(self, path: Path) -> Found:
        try:
            code, raw = await self._answer(path)
        except TimeoutError:
            code, raw = TOO_LONG, None
        except OSError as error:
            text = f"The process that looks into files does not work: {error}."
            raise transient("unreadable", text) from error
        if code == CANNOT_OPEN:
            raise transient("disk_error", "The file that was just written cannot be opened.")
        if code == TOO_LONG:
            text = f"Looking into the file took more than {self._timeout_s:g} s."
            raise transient("unreadable", text)
        if code in NOT_ITS_FAULT:
            raise transient("unreadable", "The process that looked into the file was killed.")
        if raw is None:
            raise permanent("unreadable", f"MediaInfo cannot read the file and ended with {code}.")
        return _found(raw)

    async def _answer(self, path: Path) -> tuple[int, Mapping[str, Any] | None]:
        """Ask a child, and a new one where that ended since it was asked last: the download was long."""
        if self._idle:
            try:
                return await self._answer_of(self._idle.pop(), path)
            except (ChildProcessError, ConnectionError):
                log.warning("probe.child_ended")
        return await self._answer_of(await Child.start(self._command, _environment()), path)

    async def _answer_of(self, child: Child, path: Path) -> tuple[int, Mapping[str, Any] | None]:
        """Ask a child; one that gave no answer is dead before this returns."""
        try:
            async with asyncio.timeout(self._timeout_s + START_S):
                code, raw = await child.ask(str(path))
        except BaseException:
            await child.kill()
            raise
        if ONE_FILE_EACH:
            await child.end()
        else:
            self._idle.append(child)
        return code, raw


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
