"""Make, start and end one embedded PostgreSQL cluster. The caller holds the lock on its folder."""

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from service.embedded.programs import MEND, EmbeddedUnavailable, ServerUser

PORT = 5432  # part of the socket's file name only: nothing listens on TCP
LOG_LIMIT_BYTES = 10 * 1024 * 1024
POLL_S = 0.01
INIT_LIMIT_S = 300.0
READY_LIMIT_S = 600.0  # crash recovery replays up to 1 GB (max_wal_size); cut short, it starts over
STOP_LIMIT_S = 30.0
PR_SET_PDEATHSIG = 1
# Not the whole environment: it holds keys, and the server's user may be another one (`nobody`).
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A data folder, and the programs, the user and the socket folder that go with it."""

    folder: Path
    programs: Path
    user: ServerUser
    sockets: Path

    @property
    def log_file(self) -> Path:
        """Where the server writes its log."""
        return self.folder.with_name("postgres.log")

    def create(self) -> None:
        """Run initdb beside the final place: only a whole cluster, synced to disk, gets its name."""
        fresh = self.folder.with_name(f"{self.folder.name}.new")
        fresh.mkdir(mode=0o700)
        hand_over(fresh, self.user)
        options = "-U postgres -E UTF8 --no-locale --auth-local=trust --auth-host=reject"
        # SIGKILL: its own children read from its pipes and end with it.
        command = ("initdb", "-D", str(fresh), *options.split())
        with self._spawn(signal.SIGKILL, *command, output=subprocess.PIPE) as initdb:
            try:
                said, _ = initdb.communicate(timeout=INIT_LIMIT_S)
            except BaseException:
                initdb.kill()
                raise
        if initdb.returncode != 0:
            raise EmbeddedUnavailable(f"initdb could not make {fresh}: {_reason(said)}; {MEND}")
        fresh.rename(self.folder)
        parent = os.open(self.folder.parent, os.O_RDONLY)
        os.fsync(parent)
        os.close(parent)

    def serve(self) -> subprocess.Popen[bytes]:
        """Start the server and return it when it is ready."""
        _own_folder(self.sockets, self.user)
        for stale in self.sockets.glob(".s.PGSQL.*"):
            stale.unlink()
        settings = {
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": self.sockets,
            "unix_socket_permissions": "0700",
            "max_connections": 100,
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._open_log() as output:
            start = output.tell()
            # SIGINT is PostgreSQL's fast shutdown.
            server = self._spawn(
                signal.SIGINT, "postgres", "-D", str(self.folder), *options, output=output
            )
        try:
            self._wait_ready(server, start)
        except BaseException:
            end(server)
            with contextlib.suppress(OSError):
                self.sockets.rmdir()
            raise
        return server

    def end_leftovers(self) -> None:
        """Clear what a dead owner left: half a cluster, a running server, its pid file."""
        for fresh in self.folder.parent.glob("pgdata*.new"):
            _end_processes_on(fresh)
            shutil.rmtree(fresh)
        pid_file = self.folder / "postmaster.pid"
        if not pid_file.exists():
            return
        _end_processes_on(self.folder)
        # Its number may be a stranger's by now. If a process of the old server hid from us, Postgres
        # still finds that one's shared memory, by the folder's inode, and refuses to start.
        pid_file.unlink(missing_ok=True)

    def _spawn(
        self, at_parents_death: int, program: str, *options: str, output: int | BinaryIO
    ) -> subprocess.Popen[bytes]:
        as_root = os.geteuid() == 0
        return subprocess.Popen(
            [str(self.programs / program), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
            start_new_session=True,  # Ctrl-C is for the service, which drains first
            user=self.user.uid if as_root else None,
            group=self.user.gid if as_root else None,
            extra_groups=[] if as_root else None,
            preexec_fn=_die_with_parent(at_parents_death),  # noqa: PLW1509 - two system calls, no lock of another thread
        )

    def _open_log(self) -> BinaryIO:
        with contextlib.suppress(FileNotFoundError):
            if self.log_file.stat().st_size > LOG_LIMIT_BYTES:
                self.log_file.replace(self.log_file.with_name("postgres.log.1"))
        self.log_file.touch(mode=0o600)
        output = self.log_file.open("ab")
        hand_over(self.log_file, self.user)
        return output

    def _wait_ready(self, server: subprocess.Popen[bytes], log_start: int) -> None:
        deadline = time.monotonic() + READY_LIMIT_S
        while not self._ready(server.pid):
            if server.poll() is not None:
                with self.log_file.open("rb") as said:
                    said.seek(log_start)
                    reason = _reason(said.read())
                raise EmbeddedUnavailable(
                    f"PostgreSQL did not start: {reason}; see {self.log_file}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedUnavailable(
                    f"PostgreSQL was not ready after {READY_LIMIT_S:g} s; see {self.log_file}"
                )
            time.sleep(POLL_S)

    def _ready(self, pid: int) -> bool:
        try:
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - the eighth line


def major(programs: Path) -> int:
    """Ask the programs for their major version."""
    asked = subprocess.run([programs / "postgres", "--version"], capture_output=True, check=False)
    if said := re.search(rb"\) (\d+)", asked.stdout):
        return int(said[1])
    raise EmbeddedUnavailable(
        f"{programs / 'postgres'} does not run: {_reason(asked.stderr)}; {MEND}"
    )


def hand_over(path: Path, user: ServerUser) -> None:
    """Give a file of ours to the server's user: that may be a plain user, who comes back without us."""
    if os.geteuid() == 0:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def end(server: subprocess.Popen[bytes]) -> None:
    """Stop a server of ours; fast if it can, else by force, which the write-ahead log mends."""
    for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        server.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(STOP_LIMIT_S)
            return


def _reason(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    grave = [line for line in lines if "FATAL:" in line or "PANIC:" in line or "error:" in line]
    return (grave or lines or ["it said nothing"])[-1]


def _die_with_parent(signum: int) -> Callable[[], None] | None:
    """Return what a child runs after it changed its user (which would clear the wish) and before exec."""
    prctl, parent = getattr(ctypes.CDLL(None), "prctl", None), os.getpid()
    if prctl is None:  # not on macOS: there the next start ends the server
        return None

    def arm() -> None:
        prctl(PR_SET_PDEATHSIG, signum)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return arm


def _own_folder(folder: Path, user: ServerUser) -> None:
    """Make the socket folder, or check that nobody else made it: /tmp is everybody's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EmbeddedUnavailable(f"{folder} is not a folder of ours: remove it") from error
    try:
        if os.fstat(opened).st_uid not in (os.geteuid(), user.uid):
            raise EmbeddedUnavailable(f"{folder} belongs to someone else: have it removed")
        os.fchmod(opened, 0o700)
        if os.geteuid() == 0:
            os.fchown(opened, user.uid, user.gid)
    finally:
        os.close(opened)


def _end_processes_on(folder: Path) -> None:
    for signum in (signal.SIGINT, signal.SIGQUIT):
        for pid, leader in _processes_on(folder):
            # The children follow their leader; to some of them SIGINT means something else.
            if leader or signum == signal.SIGQUIT:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signum)
        deadline = time.monotonic() + STOP_LIMIT_S
        while any(_processes_on(folder)):
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
        else:
            return
    raise EmbeddedUnavailable(f"an older server still runs on {folder} and does not stop: end it")


def _processes_on(folder: Path) -> Iterator[tuple[int, bool]]:
    """Find the live PostgreSQL processes of a data folder, and which of them lead the others."""
    leaders = tuple(f"{program} -D {folder} " for program in ("postgres", "initdb"))
    for pid, command in _commands():
        if any(leader in command for leader in leaders):
            yield pid, True
        elif command.startswith(("postgres: ", "postgres ")) or "/postgres " in command:
            with contextlib.suppress(OSError):
                if Path(f"/proc/{pid}/cwd").readlink() == folder:
                    yield pid, False


def _commands() -> Iterator[tuple[int, str]]:
    """List pid and command line of every process; a dead one that waits for its parent has none."""
    if sys.platform == "linux":  # a slim container has no ps
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = os.fsdecode((entry / "cmdline").read_bytes())
                yield int(entry.name), command.replace("\0", " ")
    else:
        listed = subprocess.run(
            ["/bin/ps", "-axww", "-o", "pid=,args="], capture_output=True, text=True, check=True
        )
        for line in listed.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), f"{command} "
