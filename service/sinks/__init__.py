"""Where events go: the explicit table of kinds.

A sink makes one attempt and says what became of it. What does not live here: what is sent, when it is
tried again, and the database.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
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


class Extra:
    """A sink whose client library is optional: imported when the first event goes there, which takes a while.

    Without the library every attempt says how to get it. `module` is imported in a thread, which takes up to half a
    second; `make` is called in the loop.
    """

    def __init__(
        self,
        extra: str,
        module: str,
        make: Callable[[SinkOptions], Sink],
        options: SinkOptions,
        *,
        max_bytes: int | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self._extra = extra
        self._module = module
        self._make = make
        self._options = options
        self._lock = asyncio.Lock()
        self._made: Sink | None = None

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt, with the sink that is made at the first one."""
        try:
            async with self._lock:
                if self._made is None:
                    await asyncio.to_thread(import_module, self._module)
                    self._made = self._make(self._options)
        except ModuleNotFoundError:
            how = f"pip install callboard[{self._extra}]"
            return Sent(ok=False, error="not_installed", response=how.encode())
        return await self._made.send(target, event)

    async def close(self) -> None:
        """Close the sink, if one was made."""
        if self._made is not None:
            await self._made.close()


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
    from service.sinks.nats.sink import NatsSink

    return NatsSink(options.allow_networks)


def _redis(options: SinkOptions) -> Sink:
    from service.sinks.redis import RedisSink

    return RedisSink(options.allow_networks)


def _rabbitmq(options: SinkOptions) -> Sink:
    from service.sinks.rabbitmq import RabbitSink

    return RabbitSink(options.allow_networks)


def _kafka(options: SinkOptions) -> Sink:
    from service.sinks.kafka.sink import KafkaSink

    return KafkaSink(options.allow_networks)


def _sqs(options: SinkOptions) -> Sink:
    from service.sinks.aws.sqs import SqsSink

    return SqsSink(options.allow_networks, proxy=options.proxy, ambient=options.aws_ambient)


def _sns(options: SinkOptions) -> Sink:
    from service.sinks.aws.sns import SnsSink

    return SnsSink(options.allow_networks, proxy=options.proxy, ambient=options.aws_ambient)


def _eventbridge(options: SinkOptions) -> Sink:
    from service.sinks.aws.eventbridge import EventbridgeSink

    return EventbridgeSink(options.allow_networks, proxy=options.proxy, ambient=options.aws_ambient)


NATS_BYTES = 1_048_576 - 8_192
"""What NATS servers take unless they are told otherwise, less some room for headers."""
KAFKA_BYTES = 1_048_576 - 4_096
"""What Kafka's producers send unless they are told otherwise, less some room for headers."""
AWS_BYTES = 262_144 - 4_096
"""What SQS, SNS and EventBridge take, less some room for attributes."""

SINKS: Mapping[str, Callable[[SinkOptions], Sink]] = {
    "webhook": _webhook,
    "file": _file,
    "log": _log,
    "nats": partial(Extra, "nats", "service.sinks.nats.sink", _nats, max_bytes=NATS_BYTES),
    "redis": partial(Extra, "redis", "service.sinks.redis", _redis),
    "rabbitmq": partial(Extra, "rabbitmq", "service.sinks.rabbitmq", _rabbitmq),
    "kafka": partial(Extra, "kafka", "service.sinks.kafka.sink", _kafka, max_bytes=KAFKA_BYTES),
    "sqs": partial(Extra, "aws", "service.sinks.aws.sqs", _sqs, max_bytes=AWS_BYTES),
    "sns": partial(Extra, "aws", "service.sinks.aws.sns", _sns, max_bytes=AWS_BYTES),
    "eventbridge": partial(
        Extra, "aws", "service.sinks.aws.eventbridge", _eventbridge, max_bytes=AWS_BYTES
    ),
}
"""Kind to factory; call it inside a running loop."""
