"""The processes that look into files: nothing that a file does to one reaches the service or the next file."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.core.fault import FaultKind
from service.media import child as children
from service.media import peek
from service.media import probe as probing
from service.media.probe import Probe
from service.ports import FetchError
from service.simulator.media import make_video
from tests.support.embedded import until
from tests.support.fetching import closing, look

VIDEO = make_video("probe")
SERVES = """
import os, signal, sys, time
sys.path.insert(0, {folder!r})
import peek
def look(path):
    with open({pids!r}, "a") as file:
        file.write(f"{{os.getppid()}} {{os.getpid()}}\\n")
    if {only!r} in path:
        {script}
    return peek.look(path, 1024, 5)
sys.exit(peek.serve(look, float(sys.argv[3])))
"""


class Fake:
    """What a file does to the process that looks into it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._pids = folder / "pids"
        self._child = folder / "child.py"
        monkeypatch.setattr(probing, "CHILD", self._child)

    def does(self, script: str, *, only: str = "") -> None:
        folder = str(Path(peek.__file__).parent)
        text = SERVES.format(folder=folder, pids=str(self._pids), only=only, script=script)
        self._child.write_text(text)

    def outlives_its_input(self) -> None:
        text = self._child.read_text().replace("sys.exit(", "(") + "time.sleep(60)\n"
        self._child.write_text(text)

    def is_no_server(self, script: str) -> None:
        self._child.write_text(script)

    def pids(self) -> list[tuple[int, int]]:
        """Give, for each look, the process that serves and the one that looked."""
        lines = self._pids.read_text().splitlines()
        return [(int(serves), int(looks)) for serves, looks in map(str.split, lines)]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path, monkeypatch)


def is_running(pid: int) -> bool:
    """Say whether a process does anything: one whose end nobody has asked for yet does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", FaultKind.PERMANENT),
        ("os.kill(os.getpid(), signal.SIGKILL)", FaultKind.TRANSIENT),
        ("raise MemoryError", FaultKind.PERMANENT),
        ("os._exit(0)", FaultKind.PERMANENT),
        ("sys.stdin.read(); print('x', flush=True); os._exit(0)", FaultKind.PERMANENT),
        ("return 0, {'head': 'x' * 10**6}", FaultKind.PERMANENT),
        ("raise OSError(22, 'Invalid argument')", FaultKind.PERMANENT),
    ],
    ids=["crash", "killed", "memory", "silence", "nonsense", "flood", "seek"],
)
async def test_a_file_that_crashes_its_reader_does_not_reach_the_next_one(
    fake: Fake, script: str, kind: FaultKind
) -> None:
    fake.does(script, only="bad")
    bad, good = fake.folder / "bad", fake.folder / "good"
    bad.write_bytes(VIDEO)
    good.write_bytes(VIDEO)
    async with closing(Probe(timeout_s=20)) as probe:
        with pytest.raises(FetchError) as caught:
            await probe.look(bad, sha256="0", size=1)
        assert (caught.value.fault.code, caught.value.fault.kind) == ("unreadable", kind)
        assert (await probe.look(good, sha256="0", size=1)).width == 32
    (serves, looked), (serves_next, looked_next) = fake.pids()
    assert serves == serves_next
    assert looked != looked_next
    assert not any(map(is_running, (serves, looked, looked_next)))


@pytest.mark.parametrize(
    "script",
    ["time.sleep(60)", "signal.setitimer(signal.ITIMER_REAL, 0); time.sleep(60)"],
    ids=["hangs", "and stops the clock"],
)
async def test_a_file_that_hangs_its_reader_costs_it_its_time_and_no_more(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    monkeypatch.setattr(probing, "START_S", 4)
    fake.does(script, only="bad")
    bad, good = fake.folder / "bad", fake.folder / "good"
    bad.write_bytes(VIDEO)
    good.write_bytes(VIDEO)
    async with closing(Probe(timeout_s=2)) as probe:
        with pytest.raises(FetchError, match="more than 2 s") as caught:
            await probe.look(bad, sha256="0", size=1)
        assert caught.value.fault.kind is FaultKind.TRANSIENT
        until(lambda: not is_running(fake.pids()[0][1]))
        assert (await probe.look(good, sha256="0", size=1)).width == 32
    assert not any(map(is_running, fake.pids()[1]))


@pytest.mark.parametrize(
    "script",
    ["raise SystemExit(3)", "print('{', flush=True)", "print('x' * 10**7, flush=True)"],
    ids=["ends", "nonsense", "flood"],
)
async def test_a_process_that_does_not_serve_is_not_the_files_fault(
    fake: Fake, script: str
) -> None:
    fake.is_no_server(script)
    with pytest.raises(FetchError, match="does not work") as caught:
        await look(VIDEO, Probe(timeout_s=20))
    assert (caught.value.fault.code, caught.value.fault.kind) == ("unreadable", FaultKind.TRANSIENT)


async def test_a_process_that_was_killed_while_nothing_was_asked_costs_no_download(
    fake: Fake,
) -> None:
    fake.does("pass")
    file = fake.folder / "video"
    file.write_bytes(VIDEO)
    async with closing(Probe()) as probe:
        await probe.look(file, sha256="0", size=1)
        os.kill(fake.pids()[0][0], signal.SIGKILL)
        assert (await probe.look(file, sha256="0", size=1)).width == 32


async def test_a_process_that_does_not_end_when_it_is_told_to_is_killed(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(children, "END_S", 0.5)
    fake.does("pass")
    fake.outlives_its_input()
    await look(VIDEO)
    until(lambda: not any(map(is_running, fake.pids()[0])))


async def test_a_look_that_is_given_up_leaves_no_process(fake: Fake) -> None:
    signs = fake.folder / "signs"
    os.mkfifo(signs)
    fake.does(f"open({str(signs)!r}, 'w').close(); time.sleep(60)")
    looking = asyncio.ensure_future(look(VIDEO))
    await asyncio.to_thread(signs.read_text)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    until(lambda: not any(map(is_running, fake.pids()[0])))


def test_whoever_reads_a_file_can_open_nothing_any_more(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(VIDEO)
    script = f"""
import socket, sys
sys.path.insert(0, {str(probing.CHILD.parent)!r})
from peek import Sealed
sealed = Sealed({str(file)!r}, 1024, 5)
open("/etc/hosts").close()
sealed.seek(0)
assert sealed.read(100)
for do in (lambda: open("/etc/hosts"), socket.socket, lambda: bytearray(2**31)):
    try:
        do()
    except (OSError, MemoryError) as error:
        print(type(error).__name__)
assert sealed.read(100)
"""
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, check=True)
    assert done.stdout.split() == [b"OSError", b"OSError", b"MemoryError"]


async def test_the_child_is_told_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, said = tmp_path / "child.py", tmp_path / "said"
    child.write_text(f"import os\nopen({str(said)!r}, 'w').write(repr(dict(os.environ)))\n")
    monkeypatch.setattr(probing, "CHILD", child)
    monkeypatch.setenv("CALLBOARD_RUNWARE_API_KEY", "5ecret")
    with pytest.raises(FetchError):
        await look(VIDEO)
    assert "5ecret" not in said.read_text()
    assert "PYTHONPATH" in said.read_text()
