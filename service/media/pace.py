"""What downloads take together while callbacks come: videos may wait, callbacks may not."""

import asyncio
import math
from collections.abc import Callable
from typing import Final

QUIET_S: Final = 1.0
"""After so much time without a callback there is nobody to step back for."""


def never() -> float:
    """Say that there never was a callback: this process takes none."""
    return math.inf


class Pace:
    """One line for all downloads of a process, at so many bytes a second; without a limit (0) nobody waits.

    `quiet_s` says for how many seconds no callback came. Where videos come as fast as they can be written, reading and
    writing them takes all of a small machine, and callbacks then wait for Postgres and the loop alike.
    """

    def __init__(self, bytes_a_second: int = 0, quiet_s: Callable[[], float] = never) -> None:
        self._rate = bytes_a_second
        self._quiet_s = quiet_s
        self._free_at = 0.0

    async def take(self, size: int) -> None:
        """Wait as long as a block of this size takes, behind all that others took."""
        if wait_s := self.wait_s(size, asyncio.get_running_loop().time()):
            await asyncio.sleep(wait_s)

    def wait_s(self, size: int, now: float) -> float:
        """Take a turn at `now`, in seconds of any clock, and say how long it is."""
        if not self._rate or self._quiet_s() >= QUIET_S:
            return 0.0
        self._free_at = max(self._free_at, now) + size / self._rate
        return self._free_at - now
