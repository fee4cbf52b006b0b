"""The pulse of the database, taken for /readyz and /metrics."""

import asyncio
from collections.abc import Callable

from service.core.errors import Unavailable
from service.flows.upkeep import Pulse, Upkeep
from service.observe import Metrics

LIMIT_S = 3.0
"""A probe waits no longer; those who ask give up after some seconds."""


class Vitals:
    """Takes the pulse, and keeps the last one for gauges."""

    def __init__(self, upkeep: Upkeep, metrics: Metrics) -> None:
        self._upkeep = upkeep
        self._last: Pulse | None = None
        metrics.gauge("database_up", "1 when the database answers.", self._up)
        for name, about, pick in GAUGES:
            metrics.gauge(name, about, self._reader(pick))

    async def take(self) -> Pulse | None:
        """Ask the database how it does; none when it does not answer."""
        try:
            async with asyncio.timeout(LIMIT_S):
                self._last = await self._upkeep.pulse()
        except (Unavailable, TimeoutError):
            self._last = None
        return self._last

    def _up(self) -> float:
        return 0.0 if self._last is None else 1.0

    def _reader(self, pick: Callable[[Pulse], float]) -> Callable[[], float]:
        return lambda: float("nan") if self._last is None else pick(self._last)


GAUGES: tuple[tuple[str, str, Callable[[Pulse], float]], ...] = (
    ("partitions_days_ahead", "Days ahead that have partitions.", lambda p: p.days_ahead),
    (
        "callbacks_pending",
        "Callbacks stored, not applied yet (at most 10000).",
        lambda p: p.pending_callbacks,
    ),
    (
        "deliveries_undelivered",
        "Deliveries that wait or are under way (at most 10000).",
        lambda p: p.undelivered,
    ),
    ("feed_lag_seconds", "How long a transaction holds the feed back.", lambda p: p.feed_lag_s),
)
