"""Where events go: the explicit table of kinds.

A sink makes one attempt and says what became of it. What does not live here: what is sent, when it is
tried again, and the database.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.core.url_guard import IPNetwork
from service.egress import Egress
from service.ports import Sink


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What sinks are made of: the folder of file sinks, private networks that may be called, the proxy of calls."""

    folder: Path
    allow_networks: Sequence[IPNetwork] = ()
    proxy: str | None = None


def _webhook(options: SinkOptions) -> Sink:
    from service.sinks.webhook import WebhookSink

    return WebhookSink(Egress(options.allow_networks, proxy=options.proxy))


def _file(options: SinkOptions) -> Sink:
    from service.sinks.file import FileSink

    return FileSink(options.folder)


SINKS: Mapping[str, Callable[[SinkOptions], Sink]] = {"webhook": _webhook, "file": _file}
"""Kind to factory; call it inside a running loop."""
