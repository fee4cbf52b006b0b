"""Keeps a file again and again, each time in a child that is killed a step later; prints what was to be seen then.

A program of its own: it forks, which a process with threads must not. Arguments: the root, the file's content, and the
folder that the file is downloaded to. Prints one JSON list an attempt: whether it was killed, and the bytes of each
visible file.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from service.core.media import Media, name
from service.media.places.disk import TEMP, Disk

STEPS = ("open", "mkdir", "replace", "fsync", "chmod", "close", "stat", "unlink", "fstat")
TASK = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")


def kill_at(step: int) -> None:
    """Have this process killed right before and right after its calls of the system, whichever is the n-th."""
    passed = 0

    def pass_one() -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def with_points(call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **more: Any) -> Any:
            pass_one()
            given = call(*args, **more)
            pass_one()
            return given

        return run

    def in_halves(source: IO[bytes], target: IO[bytes], _size: int) -> None:
        content = source.read()
        target.write(content[: len(content) // 2])
        target.flush()
        pass_one()
        target.write(content[len(content) // 2 :])

    for each in STEPS:
        setattr(os, each, with_points(getattr(os, each)))
    shutil.__dict__["copyfileobj"] = in_halves


def attempt(step: int, root: Path, file: Path, media: Media) -> bool:
    """Keep the file in a child that is killed at a step; says whether it was."""
    child = os.fork()
    if not child:
        disk = Disk(root)
        # The work of the thread, without the thread.
        parts = name("default", TASK, 0, media).split("/")
        kill_at(step)
        disk._keep(file, parts, media.bytes)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def seen(root: Path) -> list[str]:
    """Read every file that has a name of its own."""
    files = (path for path in root.rglob("*") if path.is_file())
    return [path.read_bytes().hex() for path in files if TEMP not in path.parts]


def main(root: Path, content: bytes, downloads: Path) -> None:
    """Kill at each step, in a root of its own, until nothing is left to be killed."""
    media = Media("0" * 64, len(content), "video/mp4")
    step, killed = 0, True
    while killed:
        step += 1
        file = downloads / "file"
        file.write_bytes(content)
        mine = root / str(step)
        killed = attempt(step, mine, file, media)
        after_kill = seen(mine)
        file.write_bytes(content)
        kept = asyncio.run(Disk(mine).keep(file, name("default", TASK, 0, media), media))
        again = seen(mine)
        swept = asyncio.run(Disk(mine).sweep(0, file.parent.stat().st_mtime + 3600))
        sys.stdout.write(json.dumps([killed, after_kill, again, kept, swept]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), Path(sys.argv[3]))
