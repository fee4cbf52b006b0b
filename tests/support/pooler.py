"""A PgBouncer in transaction mode before the Postgres of the tests."""

import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.support.processes import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


@contextmanager
def pooler(home: Path, dsn: str, *, size: int = 3) -> Iterator[str]:
    """Run one for a while, with few connections to the server; gives the DSN through it."""
    assert PROGRAM is not None
    parts = urlsplit(dsn)
    sockets = parse_qs(parts.query)["host"][0]
    port, log = free_port(), home / "pgbouncer.log"
    settings = home / "pgbouncer.ini"
    settings.write_text(
        "[databases]\n"
        f"* = host={sockets} port=5432 user=postgres\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {size}\n"
        # What a transaction left in a session would be seen by the next one: nothing is reset.
        "server_reset_query =\nserver_check_delay = 0\n",
        "utf-8",
    )
    command = [PROGRAM, "-q", str(settings)]
    if os.geteuid() == 0:
        # It refuses to run as root; whoever runs the server may also read this.
        user = pwd.getpwuid(Path(sockets).stat().st_uid).pw_name
        command[1:1] = ["-u", user]
        shutil.chown(home, user)
        shutil.chown(settings, user)
    with log.open("ab") as out:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        _wait(child, port, log)
        yield f"postgresql://anybody@127.0.0.1:{port}{parts.path}"
    finally:
        child.terminate()
        child.wait(10)


def _wait(child: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + 10
    while True:
        assert child.poll() is None, log.read_text("utf-8", "replace")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, log.read_text("utf-8", "replace")
            time.sleep(0.02)
        else:
            return
