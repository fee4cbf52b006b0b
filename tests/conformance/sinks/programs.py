"""Brokers as processes of their own on loopback, stopped by their own pid."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path


def program(name: str, *more: str) -> str | None:
    """Find a program on PATH, or in folders where systems put what is not for users."""
    path = os.pathsep.join([*more, os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return shutil.which(name, path=path)


class Program:
    """One child process and what it started, in a session of their own."""

    def __init__(
        self, args: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.args = args
        self.log = log
        self._env = env
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, from the main thread: it ends with the thread that it was started by."""
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [*_dies_with_us(), *self.args],
                env=None if self._env is None else dict(self._env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def serves(self, *ports: int) -> bool:
        """Say whether it serves on all ports; raises RuntimeError when it ended."""
        if self._child is None or self._child.poll() is not None:
            tail = self.log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{self.args[0]} does not run:\n{tail}")
        return all(map(serves, ports))

    def end(self, number: int) -> None:
        """Send a signal to it (SIGKILL: to all that it started) and wait until they ended."""
        child, self._child = self._child, None
        if child is None:
            return
        if number == signal.SIGKILL:
            os.killpg(child.pid, signal.SIGKILL)
        elif child.poll() is None:
            child.send_signal(number)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait(30)


def serves(port: int) -> bool:
    """Say whether somebody listens on a port."""
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def _dies_with_us() -> list[str]:
    """Have a child end when we are killed (Linux); elsewhere it is only stopped at the end."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
