"""Where events go: the explicit table of kinds.

A sink makes one attempt and says what became of it. What does not live here: what is sent, when it is
tried again, and the database.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from service.core.url_guard import IPNetwork
from service.ports import Outgoing, Sent, Sink, Target


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What sinks are made of: the folder of file sinks, and private networks that may be called."""

    folder: Path
    allow_networks: Sequence[IPNetwork] = ()


class Extra:
    """A sink whose client library is optional: imported when the first event goes there, which takes a while.

    Without the library every attempt says how to get it. `make` imports; it needs no running loop.
    """

    def __init__(
        self,
        extra: str,
        make: Callable[[SinkOptions], Sink],
        options: SinkOptions,
        *,
        max_bytes: int | None = None,
    ) -> None:
        self.max_bytes = max_bytes
        self._extra = extra
        self._make = make
        self._options = options
        self._lock = asyncio.Lock()
        self._made: Sink | None = None

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt, with the sink that is made at the first one."""
        try:
            async with self._lock:
                if self._made is None:
                    self._made = await asyncio.to_thread(self._make, self._options)
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

    return WebhookSink(options.allow_networks)


def _file(options: SinkOptions) -> Sink:
    from service.sinks.file import FileSink

    return FileSink(options.folder)


def _nats(options: SinkOptions) -> Sink:
    from service.sinks.nats.sink import NatsSink

    return NatsSink(options.allow_networks)


def _redis(options: SinkOptions) -> Sink:
    from service.sinks.redis import RedisSink

    return RedisSink(options.allow_networks)


def _rabbitmq(options: SinkOptions) -> Sink:
    from service.sinks.rabbitmq import RabbitSink

    return RabbitSink(options.allow_networks)


NATS_BYTES = 1_048_576 - 8_192
"""What NATS servers take unless they are told otherwise, less some room for headers."""

SINKS: Mapping[str, Callable[[SinkOptions], Sink]] = {
    "webhook": _webhook,
    "file": _file,
    "nats": partial(Extra, "nats", _nats, max_bytes=NATS_BYTES),
    "redis": partial(Extra, "redis", _redis),
    "rabbitmq": partial(Extra, "rabbitmq", _rabbitmq),
}
"""Kind to factory; call it inside a running loop."""
