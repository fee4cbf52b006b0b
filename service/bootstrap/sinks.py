"""All sinks of a process: the table's, and those that plugins bring."""

from contextlib import AsyncExitStack

import structlog

from service.bootstrap.upstreams import proxy_of
from service.ports import Sink
from service.settings import Settings
from service.sinks import SINKS, SinkOptions
from service.sinks.plugins import find, make

log = structlog.get_logger()


def sink_options(settings: Settings) -> SinkOptions:
    """Give what sinks are made of."""
    return SinkOptions(
        settings.data_dir / "sinks",
        settings.allow_networks,
        proxy=proxy_of(settings),
        aws_ambient=settings.aws_ambient,
    )


def make_sinks(stack: AsyncExitStack, settings: Settings) -> dict[str, Sink]:
    """Make every sink, inside a running loop; the stack closes them. A plugin that fails is a warning."""
    options = sink_options(settings)
    sinks: dict[str, Sink] = {kind: factory(options) for kind, factory in SINKS.items()}
    found = find(SINKS)
    broken = dict(found.broken)
    for kind, plugin in found.plugins.items():
        try:
            sinks[kind] = make(plugin, options)
        except Exception as error:  # noqa: BLE001 - code of others, which may raise anything
            broken[kind] = f"{plugin.source}: {type(error).__name__}: {error}"
        else:
            log.info("sink.plugin", kind=kind, source=plugin.source)
    for kind, why in broken.items():
        log.warning("sink.plugin_failed", kind=kind, error=why)
    for sink in sinks.values():
        stack.push_async_callback(sink.close)
    return sinks
