"""The pulse of the database and how its accounts are, taken for /readyz and /metrics."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from service.core.errors import Unavailable
from service.flows.accounts import Accounts
from service.flows.upkeep import Pulse, Upkeep
from service.observe import Metrics
from service.web.answers import Row
from service.wire.accounts import state_of

LIMIT_S = 3.0
"""A probe waits no longer; those who ask give up after some seconds."""


class Vitals:
    """Takes the pulse, and keeps the last one for gauges."""

    def __init__(self, upkeep: Upkeep, accounts: Accounts, metrics: Metrics) -> None:
        self._upkeep = upkeep
        self._accounts = accounts
        self._rows: Sequence[Row] = ()
        self._last: Pulse | None = None
        metrics.gauge("database_up", "1 when the database answers.", self._up)
        for name, about, pick in GAUGES:
            metrics.gauge(name, about, self._reader(pick))
        for name, about, count in OF_ACCOUNTS:
            metrics.gauges(name, about, ("provider", "account"), self._of_accounts(count))

    async def take(self) -> Pulse | None:
        """Ask the database how it does; none when it does not answer."""
        try:
            async with asyncio.timeout(LIMIT_S):
                pulse = await self._upkeep.pulse()
                self._rows = await self._accounts.list_all()
                self._last = pulse
        except (Unavailable, TimeoutError):
            self._last, self._rows = None, ()
        return self._last

    def _up(self) -> float:
        return 0.0 if self._last is None else 1.0

    def _reader(self, pick: Callable[[Pulse], float]) -> Callable[[], float]:
        return lambda: float("nan") if self._last is None else pick(self._last)

    def _of_accounts(
        self, count: Callable[[Row], float]
    ) -> Callable[[], Iterable[tuple[tuple[str, ...], float]]]:
        return lambda: [((r["provider"], r["account"]), count(r)) for r in self._rows]


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
    (
        "archives_waiting",
        "Files of videos that wait to be fetched or deleted, or are under way (at most 10000).",
        lambda p: p.waiting_archives,
    ),
    ("feed_lag_seconds", "How long a transaction holds the feed back.", lambda p: p.feed_lag_s),
    ("workers", "Processes that share the database.", lambda p: p.workers),
    ("workers_oldest_beat_seconds", "How long the most silent one is.", lambda p: p.oldest_beat_s),
)
OF_ACCOUNTS: tuple[tuple[str, str, Callable[[Row], float]], ...] = (
    ("account_slots", "How many tasks an account may have upstream.", lambda r: r["concurrency"]),
    ("account_slots_taken", "How many tasks an account has upstream.", lambda r: r["taken"]),
    (
        "account_paused",
        "1 while nothing new is sent by an account: a fault, or an operator.",
        lambda r: float(state_of(r) in {"paused", "held"}),
    ),
)
