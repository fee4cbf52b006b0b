"""What is seen from outside: logs, metrics, and the health that /readyz reads.

Log events are constants, data are fields. Secrets never enter a field; a token in a path is cut here all the
same, as the last line of defence.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import TextIO

import orjson
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Counted = Callable[[], Iterable[tuple[tuple[str, ...], int]]]
"""How a counter is read: values of its labels, and how often."""
Labelled = Callable[[], Iterable[tuple[tuple[str, ...], float]]]
"""How a number with labels is read."""
TOKEN_PATH = re.compile(r"(/callbacks/[^/\s]+/[0-9a-fA-F-]{36}/)[^/\s\"'?#]+")


def cut_tokens(text: str) -> str:
    """Cut the secret part out of every callback URL in a text."""
    return TOKEN_PATH.sub(r"\1[token]", text)


def _cut(
    _logger: object, _method: str, event: MutableMapping[str, object]
) -> MutableMapping[str, object]:
    for key, value in event.items():
        if isinstance(value, str) and "/callbacks/" in value:
            event[key] = cut_tokens(value)
    return event


def set_up_logs(log_format: str | None, level: str, stream: TextIO | None = None) -> None:
    """Set structlog up: JSON lines, or colours on a terminal. Logs go to stderr."""
    out = stream or sys.stderr
    console = log_format == "console" or (log_format is None and out.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _cut,
    ]
    if console:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        last: list[structlog.typing.Processor] = [renderer]
    else:
        last = [
            # Without local variables: they hold keys, tokens and bodies.
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(
                serializer=lambda value, **_: orjson.dumps(value, default=str).decode()
            ),
        ]
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )


@dataclass(slots=True)
class Health:
    """How this process does. Loops write it, the web reads it."""

    draining: bool = False
    failed: str | None = None
    """The loop that died for good, when one did."""
    loops: dict[str, bool] = field(default_factory=dict)

    def loops_alive(self) -> Mapping[str, bool]:
        """Say of every loop whether it is alive."""
        return dict(self.loops)


class Metrics(Collector):
    """Prometheus text from the counters that flows keep anyway, read when asked."""

    def __init__(self) -> None:
        self._counts: list[tuple[str, str, tuple[str, ...], Counted]] = []
        self._gauges: list[tuple[str, str, tuple[str, ...], Labelled]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def count(self, name: str, about: str, labels: tuple[str, ...], counts: Counted) -> None:
        """Show a counter; `counts` is called whenever somebody asks."""
        self._counts.append((f"callboard_{name}", about, labels, counts))

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Show a number that is read when asked."""
        self.gauges(name, about, (), lambda: [((), read())])

    def gauges(self, name: str, about: str, labels: tuple[str, ...], read: Labelled) -> None:
        """Show numbers of one kind, apart by their labels."""
        self._gauges.append((f"callboard_{name}", about, labels, read))

    def collect(self) -> Iterator[Metric]:
        """Give all of it to prometheus_client."""
        for name, about, labels, counts in self._counts:
            family = CounterMetricFamily(name, about, labels=labels)
            for key, value in counts():
                family.add_metric(key, value)
            yield family
        for name, about, labels, read in self._gauges:
            gauge = GaugeMetricFamily(name, about, labels=labels)
            for key, number in read():
                gauge.add_metric(key, number)
            yield gauge

    def text(self) -> bytes:
        """Make the Prometheus text."""
        return generate_latest(self._registry)
