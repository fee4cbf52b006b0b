"""Where events go: the explicit table of kinds.

A sink makes one attempt and says what became of it. What does not live here: what is sent, when it is
tried again, and the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.core.url_guard import IPNetwork
from service.ports import Outgoing, Sent, Sink, Target


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What sinks are made of: the folder of file sinks, and private networks that may be called."""

    folder: Path
    allow_networks: Sequence[IPNetwork] = ()


class NotInstalled:
    """The sink of a kind whose client library is not installed: every attempt says how to get it."""

    max_bytes: int | None = None

    def __init__(self, extra: str) -> None:
        self.how = f"pip install callboard[{extra}]"

    async def send(self, target: Target, event: Outgoing) -> Sent:  # noqa: ARG002 - none is looked at
        """Say what is missing."""
        return Sent(ok=False, error="not_installed", response=self.how.encode())

    async def close(self) -> None:
        """Do nothing: nothing is open."""


def _webhook(options: SinkOptions) -> Sink:
    from service.sinks.webhook import WebhookSink

    return WebhookSink(options.allow_networks)


def _file(options: SinkOptions) -> Sink:
    from service.sinks.file import FileSink

    return FileSink(options.folder)


def _nats(options: SinkOptions) -> Sink:
    try:
        from service.sinks.nats.sink import NatsSink
    except ImportError:
        return NotInstalled("nats")
    return NatsSink(options.allow_networks)


def _redis(options: SinkOptions) -> Sink:
    try:
        from service.sinks.redis import RedisSink
    except ImportError:
        return NotInstalled("redis")
    return RedisSink(options.allow_networks)


def _rabbitmq(options: SinkOptions) -> Sink:
    try:
        from service.sinks.rabbitmq import RabbitSink
    except ImportError:
        return NotInstalled("rabbitmq")
    return RabbitSink(options.allow_networks)


SINKS: Mapping[str, Callable[[SinkOptions], Sink]] = {
    "webhook": _webhook,
    "file": _file,
    "nats": _nats,
    "redis": _redis,
    "rabbitmq": _rabbitmq,
}
"""Kind to factory; call it inside a running loop."""
