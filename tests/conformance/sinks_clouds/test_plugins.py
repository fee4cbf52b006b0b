"""Kinds by entry points: a real distribution that is installed for one test, and those that are broken."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import structlog

from service.bootstrap.sinks import make_sinks
from service.cli.doctor import _sinks
from service.ports import Outgoing, Sent, Target
from service.settings import load
from service.sinks import NEEDS, SINKS, SinkOptions
from service.sinks.plugins import Found, Guarded, find, make

Events = Callable[..., Outgoing]
GOOD = """
from service.ports import Sent

class Pigeons:
    max_bytes = 1000

    def __init__(self, options):
        self.folder = options.folder
        self.flown = []

    async def send(self, target, event):
        if target.settings.get("breaks"):
            raise RuntimeError("the pigeon was eaten")
        if target.settings.get("odd"):
            return "coo"
        self.flown.append(event.event_id)
        return Sent(ok=True, response=b"coo")

    async def close(self):
        raise RuntimeError("they do not come home")

def pigeons(options):
    return Pigeons(options)

def check(settings, credentials):
    return [] if "loft" in settings else [("/settings/loft", "Say where they live")]

pigeons.check = check
no_factory = 5

def eaten(options):
    raise OSError("no pigeons left")

def dumb(options):
    return object()
"""
BROKEN = "raise RuntimeError('cannot be imported')\n"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Give a function that installs a distribution with these entry points."""
    site = tmp_path / "site"
    site.mkdir()

    def install(points: str) -> Path:
        (site / "tiny_pigeons.py").write_text(GOOD, "utf-8")
        (site / "tiny_broken.py").write_text(BROKEN, "utf-8")
        info = site / "tiny_pigeons-1.2.dist-info"
        info.mkdir()
        metadata = "Metadata-Version: 2.1\nName: tiny-pigeons\nVersion: 1.2\n"
        (info / "METADATA").write_text(metadata, "utf-8")
        (info / "entry_points.txt").write_text(f"[callboard.sinks]\n{points}\n", "utf-8")
        monkeypatch.syspath_prepend(site)
        importlib.invalidate_caches()
        return site

    yield install
    for name in ("tiny_pigeons", "tiny_broken"):
        sys.modules.pop(name, None)


async def test_a_kind_of_another_distribution_works(
    installed: Callable[[str], Path], tmp_path: Path, make_event: Events
) -> None:
    installed("pigeons = tiny_pigeons:pigeons")
    found = find(SINKS)
    plugin = found.plugins["pigeons"]
    assert (plugin.source, dict(found.broken)) == ("tiny-pigeons 1.2", {})
    assert plugin.check({"loft": "roof"}, {}) == []
    assert plugin.check({}, {}) == [("/settings/loft", "Say where they live")]
    sink = make(plugin, SinkOptions(tmp_path))
    assert sink.max_bytes == 1000
    target = Target("pigeons", settings={"loft": "roof"})
    assert await sink.send(target, make_event()) == Sent(ok=True, response=b"coo")


@pytest.mark.parametrize(("setting", "response"), [("breaks", b"RuntimeError"), ("odd", b"")])
async def test_a_plugin_that_raises_or_answers_nonsense_is_a_failed_attempt(
    installed: Callable[[str], Path],
    tmp_path: Path,
    make_event: Events,
    setting: str,
    response: bytes,
) -> None:
    installed("pigeons = tiny_pigeons:pigeons")
    sink = make(find(SINKS).plugins["pigeons"], SinkOptions(tmp_path))
    sent = await sink.send(Target("pigeons", settings={setting: True}), make_event())
    assert sent == Sent(ok=False, error="internal", response=response)
    await sink.close()


@pytest.mark.parametrize(
    ("point", "kind", "why"),
    [
        ("x = tiny_broken:x", "x", "RuntimeError: cannot be imported"),
        ("x = tiny_pigeons:missing", "x", "AttributeError"),
        ("x = no_such_module:x", "x", "ModuleNotFoundError"),
        ("x = tiny_pigeons:no_factory", "x", "it is no factory"),
        ("webhook = tiny_pigeons:pigeons", "webhook", "cannot stand in for a built-in kind"),
        ("Not a Kind = tiny_pigeons:pigeons", "Not a Kind", "a kind is written like"),
    ],
)
def test_what_cannot_be_loaded_is_named_with_its_reason_and_costs_nothing_else(
    installed: Callable[[str], Path], point: str, kind: str, why: str
) -> None:
    installed(f"{point}\npigeons = tiny_pigeons:pigeons")
    found = find(SINKS)
    assert set(found.plugins) == {"pigeons"}
    assert why in found.broken[kind]
    said = _sinks()
    assert said["ok"] is False
    assert f"the plugin {kind} cannot be used" in str(said["detail"])
    assert "pigeons (of tiny-pigeons 1.2)" in str(said["detail"])


async def test_the_service_starts_with_what_works_and_warns_of_the_rest(
    installed: Callable[[str], Path], tmp_path: Path
) -> None:
    points = [f"{name} = tiny_pigeons:{name}" for name in ("pigeons", "eaten", "dumb", "missing")]
    installed("\n".join([*points, "file = tiny_pigeons:pigeons"]))
    with structlog.testing.capture_logs() as logs:
        async with AsyncExitStack() as stack:
            sinks = make_sinks(stack, load(data_dir=tmp_path, _env_file=None))
    assert set(sinks) == {*SINKS, "pigeons"}
    assert isinstance(sinks["pigeons"], Guarded)
    assert not isinstance(sinks["file"], Guarded)
    warned = {w["kind"]: w["error"] for w in logs if w["event"] == "sink.plugin_failed"}
    assert set(warned) == {"eaten", "dumb", "missing", "file"}
    assert "no pigeons left" in warned["eaten"]
    assert "is no sink" in warned["dumb"]


def test_without_plugins_the_kinds_are_those_of_the_table() -> None:
    assert find(SINKS) == Found()
    assert "webhook, file, log, nats, redis, rabbitmq, kafka, sqs, sns, eventbridge" in str(
        _sinks()["detail"]
    )


@pytest.mark.parametrize(("kind", "needs"), [(kind, need) for kind, (need, _) in NEEDS.items()])
async def test_a_kind_whose_extra_is_not_installed_says_how_to_get_it(
    kind: str, needs: str, tmp_path: Path, make_event: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [n for n in sys.modules if n.startswith((f"{needs}.", "service.sinks."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, needs, None)
    sink = SINKS[kind](SinkOptions(tmp_path))
    sent = await sink.send(Target(kind), make_event())
    await sink.close()
    assert (sent.ok, sent.error) == (False, "not_installed")
    extra = NEEDS[kind][1]
    assert sent.response == f"pip install callboard[{extra}]".encode()
    assert f"{kind} is off (pip install callboard[{extra}])" in str(_sinks()["detail"])
