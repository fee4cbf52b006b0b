"""Who this process is among the others, and which of those on its host are dead.

Only Linux tells it surely (/proc); elsewhere a host has no identity, and nothing is taken over early.
"""

import os
import socket
from pathlib import Path

from service import __version__
from service.ports import Dice
from service.store.workers import Worker

PROC = Path("/proc")
ENDED = frozenset("ZX")
"""States of a process that runs no more and was not yet reaped."""


def myself(dice: Dice, roles: tuple[str, ...]) -> Worker:
    """Say who this process is; the uuid is new at every start."""
    pid = os.getpid()
    start = started(pid)
    host = identity() if start is not None else None
    return Worker(dice.uuid(), host, socket.gethostname(), pid, start, roles, __version__)


def identity() -> str | None:
    """Name the boot and the pid namespace: inside both, a pid means the same process to everybody."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = (PROC / "self/ns/pid").stat().st_ino
    except (OSError, UnicodeError):
        return None
    return f"{boot}/{namespace}/{socket.gethostname()}"


def started(pid: int) -> int | None:
    """Say when a process began, in clock ticks since boot; none when nobody tells, or it runs no more."""
    fields = _stat(pid)
    return None if fields is None or fields[0] in ENDED else int(fields[19])


def is_dead(worker: Worker) -> bool:
    """Whether a process of this host certainly runs no more; in doubt it is not dead."""
    if worker.host is None or worker.host != identity() or worker.process_start is None:
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        # It is somebody else's: whether it is the same one, /proc says below, if it may.
        pass
    fields = _stat(worker.pid)
    if fields is None:
        return False
    return fields[0] in ENDED or int(fields[19]) != worker.process_start


def _stat(pid: int) -> list[str] | None:
    """Read the fields of /proc/pid/stat from the third on, which is the state; its name may hold anything."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
