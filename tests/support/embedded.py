"""What the tests of the embedded Postgres share: open folders, children to kill, a look at /proc."""

import asyncio
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

from service.embedded.manager import EmbeddedPostgres

AS_ROOT = os.geteuid() == 0
CHILD = Path(__file__).with_name("embedded_child.py")
LIMIT_S = 20.0
MEMORY, DISK = Path("/dev/shm"), Path("/tmp")  # noqa: S108 - folders of our own are made below them
ROOM_BYTES = 6 * 2**30
"""What the tables of `make scale` need at most."""


@contextmanager
def open_home() -> Iterator[Path]:
    """Make a folder that the server's user can reach, which pytest's own tmp_path is not for root.

    Whatever still works in it at the end is killed, and fails the test.
    """
    folder = Path(tempfile.mkdtemp(prefix="callboard-test-", dir=_quick_place()))
    folder.chmod(0o777)
    yield folder
    running = servers_on(folder)
    for pid in running:
        with suppress(ProcessLookupError):
            os.kill(pid, 9)
    shutil.rmtree(folder)
    assert not running


def _quick_place() -> str:
    """Choose memory where there is room: thousands of commits then wait for no disk, and no setting differs."""
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES
    return str(MEMORY if roomy else DISK)


@contextmanager
def cluster_with_table(pg_bin: Path | None) -> Iterator[Path]:
    """Make a data folder with the table `kept`, for many tests: initdb is most of a cold start."""
    with open_home() as home:
        postgres = EmbeddedPostgres(home / "data", pg_bin=pg_bin)
        query(postgres.start(), "CREATE TABLE kept (n int)")
        postgres.stop()
        yield home / "data"


def query(dsn: str, sql: str, *values: object) -> Any:
    """Run one statement over a connection of its own."""

    async def ask() -> Any:
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()

    return asyncio.run(ask())


def until(met: Callable[[], object]) -> None:
    """Wait for another process to bring something about."""
    deadline = time.monotonic() + LIMIT_S
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def servers_on(folder: Path) -> list[int]:
    """Find processes that name the folder or work in it (Linux). Zombies do neither."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            told = (entry / "cmdline").read_text() + str((entry / "cwd").readlink())
            if str(folder) in told and CHILD.name not in told:
                found.append(int(entry.name))
    return found


def owns(postgres: EmbeddedPostgres) -> bool:
    """Ask anew who owns the server: mypy takes an attribute that was asserted for settled."""
    return postgres.owner


def tended(postgres: EmbeddedPostgres) -> bool:
    """Do what the owner of the event loop does every 250 ms; tell who owns the server then."""
    postgres.tend()
    return postgres.owner


def socket_folder(dsn: str) -> Path:
    """Take the folder out of the DSN."""
    return Path(dsn.partition("host=")[2].partition("&")[0])


def pid_file_of(data_dir: Path) -> Path:
    """Find the file that a running server writes its number into."""
    (cluster,) = data_dir.glob("pgdata[0-9][0-9]")
    return cluster / "postmaster.pid"


class Child:
    """Another process with the embedded Postgres (embedded_child.py)."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def told(self) -> dict[str, Any]:
        """Read what it says next."""
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], LIMIT_S)[0]
        facts: dict[str, Any] = json.loads(self.process.stdout.readline())
        return facts

    def kill(self) -> None:
        """Kill it as a crash does."""
        self.process.kill()
        self.process.wait()


@contextmanager
def child(data_dir: Path, pg_bin: Path | None = None, user: str = "") -> Iterator[Child]:
    """Start another process; it stops cleanly at the end, unless it was killed."""
    command = [sys.executable, str(CHILD), str(data_dir), str(pg_bin or ""), user]
    with subprocess.Popen(
        command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
    ) as process:
        try:
            yield Child(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(LIMIT_S)
