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
from service.ports import Outgoing, Sent, Sink, Target


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What sinks are made of: the folder of file sinks, and private networks that may be called.

    `aws_ambient` lends this machine's AWS role to subscriptions that bring no key of their own.
    """

    folder: Path
    allow_networks: Sequence[IPNetwork] = ()
    aws_ambient: bool = False


NEEDS: Final[Mapping[str, tuple[str, str]]] = {
    "kafka": ("aiokafka", "kafka"),
    "sqs": ("aiobotocore", "aws"),
    "sns": ("aiobotocore", "aws"),
    "eventbridge": ("aiobotocore", "aws"),
}
"""Kind to the module it needs, and the extra that brings it."""


def missing(kind: str) -> str | None:
    """Say how to install what a kind needs, where it is not installed."""
    module, extra = NEEDS.get(kind, (None, None))
    if module is None or find_spec(module) is not None:
        return None
    return f"pip install 'callboard[{extra}]'"


class NotInstalled:
    """Stands for a kind whose client library is not there, and says so at every attempt."""

    max_bytes: int | None = None

    def __init__(self, mend: str) -> None:
        self._mend = mend

    async def send(self, target: Target, event: Outgoing) -> Sent:  # noqa: ARG002 - of the port
        """Say how to install it."""
        return Sent(ok=False, error="not_installed", response=self._mend.encode())

    async def close(self) -> None:
        """Do nothing."""


def _webhook(options: SinkOptions) -> Sink:
    from service.sinks.webhook import WebhookSink

    return WebhookSink(options.allow_networks)


def _file(options: SinkOptions) -> Sink:
    from service.sinks.file import FileSink

    return FileSink(options.folder)


def _log(options: SinkOptions) -> Sink:  # noqa: ARG001 - of the table
    from service.sinks.log import LogSink

    return LogSink()


def _kafka(options: SinkOptions) -> Sink:
    if (mend := missing("kafka")) is not None:
        return NotInstalled(mend)
    from service.sinks.kafka.sink import KafkaSink

    return KafkaSink(options.allow_networks)


def _sqs(options: SinkOptions) -> Sink:
    if (mend := missing("sqs")) is not None:
        return NotInstalled(mend)
    from service.sinks.aws.sqs import SqsSink

    return SqsSink(options.allow_networks, ambient=options.aws_ambient)


def _sns(options: SinkOptions) -> Sink:
    if (mend := missing("sns")) is not None:
        return NotInstalled(mend)
    from service.sinks.aws.sns import SnsSink

    return SnsSink(options.allow_networks, ambient=options.aws_ambient)


def _eventbridge(options: SinkOptions) -> Sink:
    if (mend := missing("eventbridge")) is not None:
        return NotInstalled(mend)
    from service.sinks.aws.eventbridge import EventbridgeSink

    return EventbridgeSink(options.allow_networks, ambient=options.aws_ambient)


SINKS: Mapping[str, Callable[[SinkOptions], Sink]] = {
    "webhook": _webhook,
    "file": _file,
    "log": _log,
    "kafka": _kafka,
    "sqs": _sqs,
    "sns": _sns,
    "eventbridge": _eventbridge,
}
"""Kind to factory; call it inside a running loop."""
