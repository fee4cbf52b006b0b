"""The service and the simulator as processes of their own, the way they run for users."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

ROOT = Path(__file__).parents[2]
API_KEY = "cb_test_key_of_the_whole_tests"
QUICK = {
    "CALLBOARD_POLL_AFTER_SECONDS": "2",
    "CALLBOARD_POLL_MAX_SECONDS": "4",
    "CALLBOARD_UNKNOWN_READ_SECONDS": "0.3",
    "CALLBOARD_RETRY_BASE_SECONDS": "0.2",
    "CALLBOARD_RETRY_MAX_SECONDS": "1",
    "CALLBOARD_SUBMIT_TIMEOUT_SECONDS": "3",
    "CALLBOARD_LEASE_SECONDS": "4",
    "CALLBOARD_RESEND_MARGIN_SECONDS": "1",
    "CALLBOARD_SETTLE_WAIT_SECONDS": "1",
    "CALLBOARD_VAGUE_SPAN_SECONDS": "1",
    "CALLBOARD_LOOP_POLL_SECONDS": "0.2",
    "CALLBOARD_DELIVERY_TIMEOUT_SECONDS": "2",
    "CALLBOARD_DELIVERY_WAITS": "0.2,0.5,1,1,2,2,2,4,4",
    "CALLBOARD_RUNWARE_CONCURRENCY": "24",
    "CALLBOARD_SYNC_CONCURRENCY": "24",
    "CALLBOARD_SYNC_SUBMITS_PER_MINUTE": "0",
    "CALLBOARD_SYNC_READS_PER_MINUTE": "0",
}


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Process:
    """A child process whose output goes to a file; it is stopped by its own pid."""

    args: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    _child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it with nothing of CALLBOARD_* but what it is given."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CALLBOARD_")}
        if pg_bin := os.environ.get("CALLBOARD_PG_BIN"):
            clean["CALLBOARD_PG_BIN"] = pg_bin
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                (sys.executable, *self.args),
                env=clean | dict(self.env),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(number)

    def wait(self) -> int | None:
        """Wait for its end; gives its exit code."""
        return None if self._child is None else self._child.wait(30)

    def kill(self) -> None:
        """Kill it with -9."""
        if self._child is not None:
            self._child.kill()
            self._child.wait(10)

    def stop(self) -> int | None:
        """End it with SIGTERM, after 20 s with -9; gives its exit code."""
        if self._child is None:
            return None
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGTERM)
            try:
                self._child.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._child.returncode

    @property
    def stopped(self) -> bool:
        """Whether it stands still (Linux)."""
        if self._child is None:
            return False
        try:
            told = Path(f"/proc/{self._child.pid}/stat").read_text("utf-8")
        except OSError:
            return False
        return told.rpartition(")")[2].split()[0] == "T"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._child is not None and self._child.poll() is None

    def tail(self) -> str:
        """Give the end of what it printed."""
        return self.log.read_text("utf-8", "replace")[-4000:]


@dataclass
class House:
    """A service and a simulator, each in a process of its own."""

    service: Process
    simulator: Process
    url: str
    oracle: Path
    headers: dict[str, str] = field(default_factory=lambda: {"Authorization": f"Bearer {API_KEY}"})

    def billed(self) -> list[dict[str, object]]:
        """Read the generations that the simulator would bill."""
        return [e for e in self._oracle() if e["kind"] == "billed"]

    def acknowledged(self) -> list[dict[str, object]]:
        """Read the callbacks that were answered 2xx."""
        calls = [e for e in self._oracle() if e["kind"] == "callback"]
        return [e for e in calls if isinstance(e["status"], int) and 200 <= e["status"] < 300]

    def _oracle(self) -> list[dict[str, object]]:
        lines = self.oracle.read_text("utf-8").splitlines() if self.oracle.exists() else []
        return [json.loads(line) for line in lines]

    async def ready(self, seconds: float = 20) -> None:
        """Wait until the service says that it is ready."""
        until = time.monotonic() + seconds
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until:
                assert self.service.alive, self.service.tail()
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)
        raise AssertionError(f"not ready after {seconds} s:\n{self.service.tail()}")


@contextlib.contextmanager
def house(home: Path, chances: Mapping[str, float], **more: str) -> Iterator[House]:
    """Run both for a while."""
    port, upstream_port = free_port(), free_port()
    url, upstream = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{upstream_port}"
    oracle = home / "oracle.jsonl"
    env = QUICK | {
        "CALLBOARD_DATA_DIR": str(home / "data"),
        "CALLBOARD_PORT": str(port),
        "CALLBOARD_API_KEYS": API_KEY,
        "CALLBOARD_RUNWARE_URL": f"{upstream}/v1",
        "CALLBOARD_RUNWARE_API_KEY": "rw",
        "CALLBOARD_SYNC_URL": upstream,
        "CALLBOARD_SYNC_API_KEY": "sy",
        "CALLBOARD_SYNC_WEBHOOK_SECRET": "whsec_whole",
        "CALLBOARD_ALLOW_NETWORKS": "127.0.0.0/8",
        "CALLBOARD_LOG_FORMAT": "json",
        **more,
    }
    simulate = ("-m", "tests.support.simulator_process", str(upstream_port), str(oracle))
    simulator = Process((*simulate, json.dumps(dict(chances))), {}, home / "simulator.log")
    service = Process(("-m", "service", "serve"), env, home / "service.log")
    simulator.start()
    service.start()
    try:
        yield House(service, simulator, url, oracle)
    finally:
        service.stop()
        simulator.stop()
