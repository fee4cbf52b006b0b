"""The dice, the ids and this machine's time in production: the only place that has them."""

import os
import random
import time
import uuid


def unix_time() -> float:
    """Say this machine's time in seconds since 1970, to compare with those of its files."""
    return time.time()


class SystemDice:
    """Randomness from the system (`ports.Dice`)."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def jitter(self) -> float:
        """Throw a number in [0, 1)."""
        return self._random.random()

    def uuid(self) -> uuid.UUID:
        """Make a UUID v4."""
        return uuid.uuid4()

    def secret(self, size: int) -> bytes:
        """Make that many bytes nobody can guess."""
        return os.urandom(size)
