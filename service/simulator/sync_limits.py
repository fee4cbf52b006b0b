"""How much Sync takes at once: requests a minute, and generations under way."""

from collections import deque
from math import ceil

from service.simulator.sync_refusals import BUSY, RATE, Refused

WINDOW_SECONDS = 60.0


class Limits:
    """The limits of one organisation; None is unlimited. Times are those of the event loop."""

    def __init__(
        self, *, concurrency: int | None = None, creates_per_minute: int | None = None
    ) -> None:
        self._concurrency = concurrency
        self._rate = creates_per_minute
        self._sent: deque[float] = deque()

    def count(self, now: float) -> None:
        """Count a request, whatever becomes of it.

        Raises:
            Refused: there were too many within a minute; it is not counted then.
        """
        if self._rate is None:
            return
        while self._sent and self._sent[0] <= now - WINDOW_SECONDS:
            self._sent.popleft()
        if len(self._sent) >= self._rate:
            status, message, more = RATE
            raise Refused(status, message, **more)
        self._sent.append(now)

    def admit(self, ends: list[float], now: float) -> None:
        """Admit one more generation, given when those end that are pending or processing.

        Raises:
            Refused: there are too many.
        """
        if self._concurrency is None or len(ends) < self._concurrency:
            return
        status, message, more = BUSY
        body = {
            **more,
            "activeGenerations": len(ends),
            "concurrencyLimit": self._concurrency,
            "retryAfterSeconds": max(1, ceil(min(ends, default=now) - now)),
        }
        raise Refused(status, message, **body)
