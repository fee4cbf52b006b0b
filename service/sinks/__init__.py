"""Where events go: the explicit table of kinds.

A sink makes one attempt and says what became of it. What does not live here: what is sent, when it is
tried again, and the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from service.core.url_guard import IPNetwork
from service.egress import Egress
from service.ports import Outgoing, Sent, Sink, Target


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What sinks are made of: the folder of file sinks, private networks that may be called, the proxy of calls.

    `aws_ambient` lends this machine's AWS role to subscriptions that bring no key of their own.
    """

    folder: Path
    allow_networks: Sequence[IPNetwork] = ()
    proxy: str | None = None
    aws_ambient: bool = False


NEEDS: Final[Mapping[str, tuple[str, str]]] = {
    "nats": ("nats", "nats"),
    "redis": ("redis", "redis"),
    "rabbitmq": ("aio_pika", "rabbitmq"),
    "kafka": ("aiokafka", "kafka"),
    "sqs": ("aiobotocore", "aws"),
    "sns": ("aiobotocore", "aws"),
    "eventbridge": ("aiobotocore", "aws"),
}
"""Kind to the module it needs, and the extra that brings it."""


def missing(kind: str) -> str | None:
    """Name the extra that brings what a kind needs, where that is not installed."""
    module, extra = NEEDS.get(kind, (None, None))
    return None if module is None or find_spec(module) is not None else extra


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

    return WebhookSink(Egress(options.allow_networks, proxy=options.proxy))


def _file(options: SinkOptions) -> Sink:
    from service.sinks.file import FileSink

    return FileSink(options.folder)


def _log(options: SinkOptions) -> Sink:  # noqa: ARG001 - of the table
    from service.sinks.log import LogSink

    return LogSink()


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


def _kafka(options: SinkOptions) -> Sink:
    try:
        from service.sinks.kafka.sink import KafkaSink
    except ImportError:
        return NotInstalled("kafka")
    return KafkaSink(options.allow_networks)


def _sqs(options: SinkOptions) -> Sink:
    try:
        from service.sinks.aws.sqs import SqsSink
    except ImportError:
        return NotInstalled("aws")
    return SqsSink(options.allow_networks, proxy=options.proxy, ambient=options.aws_ambient)


def _sns(options: SinkOptions) -> Sink:
    try:
        from service.sinks.aws.sns import SnsSink
    except ImportError:
        return NotInstalled("aws")
    return SnsSink(options.allow_networks, proxy=options.proxy, ambient=options.aws_ambient)


def _eventbridge(options: SinkOptions) -> Sink:
    try:
        from service.sinks.aws.eventbridge import EventbridgeSink
    except ImportError:
        return NotInstalled("aws")
    return EventbridgeSink(options.allow_networks, proxy=options.proxy, ambient=options.aws_ambient)


SINKS: Mapping[str, Callable[[SinkOptions], Sink]] = {
    "webhook": _webhook,
    "file": _file,
    "log": _log,
    "nats": _nats,
    "redis": _redis,
    "rabbitmq": _rabbitmq,
    "kafka": _kafka,
    "sqs": _sqs,
    "sns": _sns,
    "eventbridge": _eventbridge,
}
"""Kind to factory; call it inside a running loop."""
