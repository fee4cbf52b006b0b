"""Run a PostgreSQL of our own below DATA_DIR: one process owns it, the others on this machine attach.

The owner holds a lock on `.lock`, which the kernel drops when that process dies. The server dies
with its owner too, and whoever gets the lock next cleans up and starts it again.
"""

import contextlib
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from service.embedded import programs as finder
from service.embedded import server as servers
from service.embedded.programs import MEND, EmbeddedUnavailable, ServerUser
from service.embedded.server import PORT, Cluster

if sys.platform != "win32":
    import fcntl
    import pwd

__all__ = ["EmbeddedPostgres", "EmbeddedUnavailable"]

OUTSIDE = Path("/var/lib/callboard")
SOCKETS = Path("/tmp")  # noqa: S108 - a socket's path has 104 bytes at most; ownership is checked
POLL_S = 0.01
RETRY_S = 1.0

log = structlog.get_logger()


class EmbeddedPostgres:
    """Start, share, hand over and stop the embedded server.

    Spawn worker processes, do not fork them: a forked one holds its parent's lock with it.
    """

    def __init__(
        self, data_dir: Path, *, pg_bin: Path | None = None, attach_limit_s: float = 60.0
    ) -> None:
        self.location = self._data_dir = data_dir.absolute()
        self.owner = False
        self._pg_bin = pg_bin
        self._attach_limit_s = attach_limit_s
        self._lock: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._retry_at = 0.0

    def start(self) -> str:
        """Own the server or attach to it; return its DSN, which stays the same after a takeover.

        Blocks until the server is ready. Raises EmbeddedUnavailable.
        """
        if sys.platform == "win32":
            raise EmbeddedUnavailable(f"there is no embedded database on Windows; {MEND}")
        # The kernel ends the server with the thread that started it, not with the process.
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("the embedded Postgres must be started from the main thread")
        try:
            with self._one_line_errors():
                self._own_or_attach(self._settle())
        except BaseException:
            self.stop()
            raise
        return f"postgresql://postgres@/postgres?host={self._sockets}&port={PORT}"

    def tend(self) -> None:
        """Take over when the owner has gone; start the server again when ours has died.

        For the main thread, as `start`. Raises EmbeddedUnavailable; a later call tries again.
        """
        if self._lock is None or (self._server is not None and self._server.poll() is None):
            return
        if time.monotonic() < self._retry_at or not (self.owner or _try_lock(self._lock)):
            return
        self._retry_at = time.monotonic() + RETRY_S
        log.warning("embedded.restart", location=str(self.location), takeover=not self.owner)
        try:
            with self._one_line_errors():
                self._serve(self._lock, create=False)
        except BaseException:
            self._let_go(self._lock)
            raise

    def stop(self) -> None:
        """Stop the server if it is ours, else only let go of it."""
        if self._lock is not None:
            self._let_go(self._lock)
            os.close(self._lock)
            self._lock = None

    def _let_go(self, lock: int) -> None:
        if self._server is not None:
            servers.end(self._server)
            self._server = None
            with contextlib.suppress(OSError):
                self._sockets.rmdir()
        self.owner = False
        fcntl.flock(lock, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def _one_line_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, subprocess.SubprocessError) as error:
            raise EmbeddedUnavailable(
                f"the embedded Postgres in {self.location} cannot be used: {error}; {MEND}"
            ) from error

    def _settle(self) -> int:
        """Find the programs and the place, as every process does alike; return the open lock file."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        self._programs, major = _choose(self._pg_bin, self._data_dir.resolve())
        self._name = f"pgdata{major}"
        self.location = _place(self._data_dir.resolve(), self._name)
        user = _server_user(self.location / self._name)
        self._sockets = SOCKETS / f"cb-{user.uid}-{_short_hash(self.location)}"
        lock_file = self.location / ".lock"
        self._lock = os.open(lock_file, os.O_RDWR | os.O_CREAT, 0o600)
        servers.hand_over(lock_file, user)
        return self._lock

    def _own_or_attach(self, lock: int) -> None:
        deadline = time.monotonic() + self._attach_limit_s
        while not _try_lock(lock):
            if sockets := _announced(lock):
                self._sockets = sockets
                return
            if time.monotonic() > deadline:
                raise EmbeddedUnavailable(
                    f"another process holds {self.location / '.lock'} but its server was not ready "
                    f"within {self._attach_limit_s:g} s: end that process or see postgres.log there"
                )
            time.sleep(POLL_S)
        self._serve(lock, create=True)

    def _serve(self, lock: int, *, create: bool) -> None:
        """Start the server, with the lock held.

        A takeover does not create: an empty database must not replace a lost one under a running service.
        """
        folder = self.location / self._name
        user = _server_user(folder)
        programs = finder.runnable(self._programs, user)
        cluster = Cluster(folder, programs, user, self._sockets)
        cluster.end_leftovers()
        if not folder.exists():
            if not create:
                raise EmbeddedUnavailable(f"{folder} is not there; restart the service")
            cluster.create()
        made_by = (folder / "PG_VERSION").read_text().strip()
        if self._name != f"pgdata{made_by}":
            raise EmbeddedUnavailable(
                f"{folder} was made by PostgreSQL {made_by}: set CALLBOARD_PG_BIN to that version's "
                f"programs and rename the folder to pgdata{made_by}"
            )
        self._server = cluster.serve()
        os.pwrite(lock, f"{self._sockets}\n".encode(), 0)
        self.owner = True
        log.info("embedded.serving", location=str(self.location), programs=str(programs))


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    os.ftruncate(lock, 0)
    return True


def _announced(lock: int) -> Path | None:
    """Return the socket folder the owner wrote into the lock file, if a server answers there."""
    written = os.pread(lock, 4096, 0).decode().strip()
    if not written:
        return None
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        try:
            probe.connect(f"{written}/.s.PGSQL.{PORT}")
        except OSError:
            return None
    return Path(written)


def _server_user(folder: Path) -> ServerUser:
    """Return who runs the server: we, or, as PostgreSQL refuses root, the data's owner or a system user."""
    if os.geteuid() != 0:
        return ServerUser(os.geteuid(), os.getegid())
    if folder.exists() and (status := folder.stat()).st_uid != 0:
        return ServerUser(status.st_uid, status.st_gid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return ServerUser(entry.pw_uid, entry.pw_gid)
    raise EmbeddedUnavailable(
        f"PostgreSQL does not run as root, and there is no user postgres or nobody; {MEND}"
    )


def _choose(pg_bin: Path | None, data_dir: Path) -> tuple[Path, int]:
    """Return programs that fit the data that is there, and their major version.

    Beginning anew beside data of another version would lose sight of every task in it.
    """
    where = data_dir / "where"
    places = [data_dir, Path(where.read_text().strip())] if where.exists() else [data_dir]
    present = {int(c.name[-2:]) for place in places for c in place.glob("pgdata[0-9][0-9]")}
    majors: list[int] = []
    for programs in finder.find(pg_bin):
        majors.append(servers.major(programs))
        if not present or majors[-1] in present:
            return programs, majors[-1]
    made = ", ".join(str(m) for m in sorted(present))
    found = ", ".join(str(m) for m in majors)
    raise EmbeddedUnavailable(
        f"the data in {places[-1]} was made by PostgreSQL {made}, and the programs found are of {found}: set "
        "CALLBOARD_PG_BIN to that version's programs, or dump and restore into another CALLBOARD_DATA_DIR"
    )


def _place(data_dir: Path, name: str) -> Path:
    """Return the folder of the data: DATA_DIR, or one outside when the server's user cannot get there."""
    where = data_dir / "where"
    if where.exists():
        outside = Path(where.read_text().strip())
        if not outside.is_dir():
            raise EmbeddedUnavailable(
                f"{where} says the data is in {outside}, which is gone: bring it back, or remove {where}"
            )
        return outside
    user = _server_user(data_dir / name)
    if user.uid == os.geteuid() or finder.reachable(data_dir, user):
        return data_dir
    if any(data_dir.glob("pgdata[0-9][0-9]")):
        raise EmbeddedUnavailable(
            f"user {user.uid} can no longer reach the data in {data_dir}: a folder above it was closed"
        )
    outside = OUTSIDE / _short_hash(data_dir)
    for folder in (OUTSIDE, outside):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
    told = data_dir / f"where.{os.getpid()}"
    told.write_text(f"{outside}\n")
    told.replace(where)
    return outside


def _short_hash(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
