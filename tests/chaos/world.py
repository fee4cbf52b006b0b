"""Everything that runs in a run of chaos: a database, services, upstreams, a way in front of them."""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random

from service.embedded.manager import EmbeddedPostgres, EmbeddedUnavailable
from service.vault import format_key
from tests.chaos.schedule import ROLES, Blow, Run
from tests.chaos.upstream import SECRET
from tests.support.database import pg_bin
from tests.support.embedded import pid_file_of
from tests.support.processes import API_KEY, QUICK, Process, free_port

CONCURRENCY = 5
SIGNALS = {
    "immediate": signal.SIGQUIT,
    "fast": signal.SIGINT,
    "postgres-kill": signal.SIGKILL,
}
SLOT_MAX_S = 20
SETTINGS = QUICK | {
    "CALLBOARD_SUBMIT_TIMEOUT_SECONDS": "1.5",
    "CALLBOARD_LEASE_SECONDS": "2.5",
    "CALLBOARD_RESEND_MARGIN_SECONDS": "0.5",
    "CALLBOARD_DEADLINE_SECONDS": "25",
    "CALLBOARD_DEADLINE_GRACE_SECONDS": "4",
    "CALLBOARD_SLOT_MAX_SECONDS": str(SLOT_MAX_S),
    "CALLBOARD_STATEMENT_TIMEOUT_SECONDS": "3",
    "CALLBOARD_DELIVERY_WAITS": ",".join(["0.2", "0.5", "1", "1", "1"] + ["2"] * 20),
    "CALLBOARD_RUNWARE_CONCURRENCY": str(CONCURRENCY),
    "CALLBOARD_SYNC_CONCURRENCY": str(CONCURRENCY),
    "CALLBOARD_POOL_SIZE": "10",
    "CALLBOARD_DRAIN_SECONDS": "5",
}


IMPATIENT = {
    "CALLBOARD_DEADLINE_SECONDS": "7",
    "CALLBOARD_DEADLINE_GRACE_SECONDS": "2",
    "CALLBOARD_SLOT_MAX_SECONDS": "8",
}
"""Where nothing may be sent again, every unknown outcome keeps its place to the deadline: a short one, then."""


class Database:
    """A Postgres that may be stopped in every way; whoever tends it starts it again."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "database"
        self._server = EmbeddedPostgres(self._folder, pg_bin=pg_bin())
        self.dsn = ""

    def start(self) -> None:
        """Make and start it."""
        self.dsn = self._server.start()

    def strike(self, kind: str) -> None:
        """Stop it this way."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(pid_file_of(self._folder).read_text().splitlines()[0])
            os.kill(pid, SIGNALS[kind])

    def tend(self) -> None:
        """Start it again when it is down."""
        with contextlib.suppress(EmbeddedUnavailable):
            self._server.tend()

    def stop(self) -> None:
        """Stop it for good."""
        self._server.stop()


class Front:
    """One address for all processes with the role `api`: takes any of them, the next when nobody listens."""

    def __init__(self, ports: list[int], dice: Random) -> None:
        self._ports = ports
        self._dice = dice
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._through(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._dice.sample(self._ports, len(self._ports)):
            try:
                there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self._writers.add(there[1])
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, there[1]))
                    group.create_task(_pump(there[0], writer))
            finally:
                there[1].transport.abort()
                self._writers.discard(there[1])
            return

    async def stop(self) -> None:
        """Listen no more, and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        while self._writers:  # noqa: ASYNC110 - each ends in a turn of the loop or two
            await asyncio.sleep(0.01)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


class Service:
    """One `callboard serve`, through all of its lives."""

    def __init__(self, number: int, run: Run, home: Path, env: dict[str, str], role: str) -> None:
        self.port = free_port()
        self.role = role
        self.log = home / f"service-{number}.log"
        self._number = number
        self._run = run
        self._env = env | {"CALLBOARD_PORT": str(self.port)}
        self._process: Process | None = None
        self._continue_at: float | None = None
        self.lives = 0

    def start(self, *, faults: bool) -> None:
        """Begin a life."""
        points = self._run.fault_points(self._number, self.lives) if faults else ""
        self.lives += 1
        args = ("-m", "service", "serve", "--role", self.role)
        self._process = Process(args, self._env | {"CALLBOARD_FAULT_POINTS": points}, self.log)
        self._process.start()

    def tend(self, struck: Counter[str], *, faults: bool) -> None:
        """Begin a new life where one has ended, and continue what has stood still for long enough."""
        process = self._process
        if process is None or not process.alive:
            self.start(faults=faults)
            return
        now = time.monotonic()
        if self._continue_at is None and process.stopped:
            self._continue_at = now + 3.5
            struck["freezes by itself"] += 1
        if self._continue_at is not None and now >= self._continue_at:
            process.signal(signal.SIGCONT)
            self._continue_at = None

    def kill(self) -> None:
        """Kill it with -9."""
        if self._process is not None:
            self._process.kill()
            self._continue_at = None

    def freeze(self, seconds: float) -> None:
        """Let it stand still for a while."""
        if self._process is not None and self._process.alive:
            self._process.signal(signal.SIGSTOP)
            self._continue_at = time.monotonic() + seconds

    def stop(self) -> int | None:
        """Drain it; gives its exit code."""
        if self._process is None:
            return None
        if self._process.alive:
            self._process.signal(signal.SIGCONT)
        self._continue_at = None
        return self._process.stop()


class World:
    """All of it."""

    def __init__(self, run: Run, home: Path) -> None:
        self.run = run
        self.home = home
        self.oracle = home / "oracle.jsonl"
        self.database = Database(home)
        self.services: list[Service] = []
        self.struck: Counter[str] = Counter()
        self._upstream: Process | None = None
        self._env: dict[str, str] = {}
        self.front = Front([], Random(run.seed))
        self.calm = False

    async def start(self) -> None:
        """Start all of it."""
        self.database.start()
        port = free_port()
        given = {"port": port, "log": str(self.oracle), "seed": self.run.seed}
        given |= {"chances": self.run.chances, "foreign": self.run.foreign}
        args = ("-m", "tests.chaos.upstream", json.dumps(given))
        self._upstream = Process(args, {}, self.home / "upstream.log")
        self._upstream.start()
        ports: list[int] = []
        self.front = Front(ports, Random(self.run.seed))
        await self.front.start()
        resend = "0" if self.run.forgetful else "20"
        self._env = (
            SETTINGS
            | (IMPATIENT if self.run.forgetful else {})
            | {
                "CALLBOARD_DATABASE_URL": self.database.dsn,
                "CALLBOARD_DATA_DIR": str(self.home / "data"),
                "CALLBOARD_API_KEYS": API_KEY,
                "CALLBOARD_CALLBACK_KEYS": "chaos-callback-key",
                "CALLBOARD_ENCRYPTION_KEYS": format_key(b"c" * 32),
                "CALLBOARD_PUBLIC_URL": self.front.url,
                "CALLBOARD_RUNWARE_URL": f"http://127.0.0.1:{port}/v1",
                "CALLBOARD_RUNWARE_API_KEY": "rw",
                "CALLBOARD_SYNC_URL": f"http://127.0.0.1:{port}",
                "CALLBOARD_SYNC_API_KEY": "sy",
                "CALLBOARD_SYNC_WEBHOOK_SECRET": SECRET,
                "CALLBOARD_ALLOW_NETWORKS": "127.0.0.0/8",
                "CALLBOARD_LOG_FORMAT": "json",
                "CALLBOARD_RUNWARE_RESEND_SECONDS": resend,
                "CALLBOARD_SYNC_RESEND_SECONDS": resend,
            }
        )
        migrate = Process(("-m", "service", "migrate"), self._env, self.home / "migrate.log")
        migrate.start()
        assert await asyncio.to_thread(migrate.wait) == 0, migrate.tail()
        for number, role in enumerate(ROLES[self.run.processes]):
            service = Service(number, self.run, self.home, self._env, role)
            self.services.append(service)
            if "api" in role:
                ports.append(service.port)
            service.start(faults=False)

    async def tend(self) -> None:
        """Start again what has died, until cancelled."""
        while True:
            self.database.tend()
            for service in self.services:
                service.tend(self.struck, faults=not self.calm)
            await asyncio.sleep(0.1)

    def strike(self, blow: Blow) -> None:
        """Let something bad happen."""
        self.struck[blow.kind] += 1
        if blow.kind == "kill":
            self.services[blow.victim].kill()
        elif blow.kind == "freeze":
            self.services[blow.victim].freeze(blow.seconds)
        elif blow.kind == "hang-up":
            assert self._upstream is not None
            self._upstream.signal(signal.SIGUSR1)
        else:
            self.database.strike(blow.kind)

    async def calm_down(self) -> None:
        """No more faults: every process is drained and begins its last life."""
        self.calm = True
        for service in self.services:
            await asyncio.to_thread(service.stop)

    async def stop(self) -> None:
        """End all of it, each by its own pid."""
        for service in self.services:
            service.kill()
        if self._upstream is not None:
            self._upstream.stop()
        await self.front.stop()
        self.database.stop()

    def points_struck(self) -> Counter[str]:
        """Count the fault points that struck, by the services' own logs."""
        found: Counter[str] = Counter()
        for service in self.services:
            for line in service.log.read_text("utf-8", "replace").splitlines():
                if '"fault.struck"' in line:
                    told = json.loads(line)
                    found[f"{told['point']} {told['action']}"] += 1
        return found
