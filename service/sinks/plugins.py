"""Kinds of sinks that other distributions bring, by entry points of the group `callboard.sinks`.

An entry point's name is the kind, its object a factory: called with `SinkOptions` inside a running loop, it gives a
`Sink`. It may have `check(settings, credentials)`, which gives what is wrong with them as (JSON pointer, message).
Whatever is wrong with a plugin costs its own kind only, and is said.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from service.ports import Outgoing, Sent, Sink, Target

GROUP: Final = "callboard.sinks"
KIND: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")
Factory = Callable[[Any], Sink]
Check = Callable[[Mapping[str, object], Mapping[str, object]], Sequence[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Plugin:
    """One kind from elsewhere."""

    kind: str
    source: str
    """The distribution that brings it, with its version."""
    make: Factory
    check: Check


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: the kinds that can be used, and of the others why not."""

    plugins: Mapping[str, Plugin] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)


def find(built_in: Collection[str]) -> Found:
    """Load what is installed; never raises for anything a plugin does. A built-in kind stays what it is."""
    plugins: dict[str, Plugin] = {}
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        if not KIND.fullmatch(point.name):
            broken[point.name] = f"a kind is written like {KIND.pattern}"
        elif point.name in built_in:
            broken[point.name] = f"{point.value} cannot stand in for a built-in kind"
        elif point.name in plugins:
            broken[point.name] = f"{point.value} comes after {plugins[point.name].source}"
        else:
            try:
                plugins[point.name] = _load(point)
            except Exception as error:  # noqa: BLE001 - code of others, which may raise anything
                broken[point.name] = f"{point.value}: {type(error).__name__}: {error}"
    return Found(plugins, broken)


def make(plugin: Plugin, options: object) -> Sink:
    """Make a plugin's sink; raises whatever its factory raises, and TypeError for what is no sink."""
    made = plugin.make(options)
    lacking = [name for name in ("max_bytes", "send", "close") if not hasattr(made, name)]
    if lacking:
        raise TypeError(f"what it makes is no sink: it has no {', '.join(lacking)}")
    return Guarded(made)


class Guarded:
    """A plugin's sink whose faults are failures of an attempt, as the port promises."""

    def __init__(self, inner: Sink) -> None:
        self._inner = inner
        self.max_bytes: int | None = inner.max_bytes

    async def send(self, target: Target, event: Outgoing) -> Sent:
        """Make one attempt; what is raised is `internal`, and what is no `Sent` as well."""
        try:
            sent: object = await self._inner.send(target, event)
        except Exception as error:  # noqa: BLE001 - as above
            return Sent(ok=False, error="internal", response=type(error).__name__.encode())
        return sent if isinstance(sent, Sent) else Sent(ok=False, error="internal")

    async def close(self) -> None:
        """Close it; a failure is of no use to anybody any more."""
        with suppress(Exception):
            await self._inner.close()


def _load(point: EntryPoint) -> Plugin:
    factory = point.load()
    if not callable(factory):
        raise TypeError("it is no factory")
    of = point.dist
    source = point.value if of is None else f"{of.name} {of.version}"
    check = getattr(factory, "check", None)
    if check is not None and not callable(check):
        raise TypeError("its check cannot be called")
    return Plugin(point.name, source, factory, check or _anything)


def _anything(_settings: Mapping[str, object], _credentials: Mapping[str, object]) -> list[Any]:
    return []
